//! States of sandboxes, from stored observations: reading them starts, wakes and extends nothing.

use crate::extract::{Page, Parameters};
use crate::respond::Failure;
use crate::{placements, users};
use axum::Json;
use axum::extract::State;
use molt_common::api::{SandboxState, StateWord};
use molt_common::id::SandboxId;
use molt_common::paging;
use molt_common::problem::Problem;
use molt_common::sandbox_call::GetState;
use molt_platform::{call, entropy};
use serde::Serialize;
use utoipa::ToSchema;
use worker::Env;

/// How many sandboxes stand where, in the old words.
#[derive(Default, Serialize, ToSchema)]
pub struct Summary {
    total: u32,
    active: u32,
    idle: u32,
    starting: u32,
    sleeping: u32,
    stopped: u32,
    error: u32,
}

/// A page of sandboxes and a summary of all.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    users: Vec<SandboxState>,
    summary: Summary,
    /// Milliseconds that the answer took.
    total_latency_ms: u64,
    /// ISO-8601.
    checked_at: String,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// The state of a user's sandbox.
#[utoipa::path(get, path = "/api/super/users/{id}/state", tag = "state",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = SandboxState), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn of_user(State(env): State<Env>, parameters: Parameters) -> Result<Json<SandboxState>, Failure> {
    let id = parameters.user()?;
    let user = users::find(&env, id).await?;
    let stub = call::sandbox(&env, &SandboxId::personal(id))?;
    let mut view = call::make(&stub, &GetState {}).await?;
    if view.generation == 0 {
        view.tier = user.tier;
    }
    let owner = placements::owner(&env, &view);
    let mut state = SandboxState::new(id, view, entropy::now());
    state.owner = owner;
    state.name = Some(user.name);
    Ok(Json(state))
}

/// All sandboxes, as they last announced themselves.
#[utoipa::path(get, path = "/api/super/state/dashboard", tag = "state",
    params(("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent")),
    responses((status = 200, body = Dashboard), (status = 400, body = Problem)))]
#[worker::send]
pub async fn dashboard(State(env): State<Env>, page: Page) -> Result<Json<Dashboard>, Failure> {
    let began = entropy::now();
    let states = users::states(&env, &page.cursor, paging::rows_to_ask_for(page.limit)).await?;
    let (states, next_cursor) = paging::page(states, page.limit, |user| user.user_id.to_string());
    let mut summary = Summary::default();
    for (lifecycle, count) in users::lifecycles(&env).await? {
        summary.total += count;
        *match StateWord::from(lifecycle) {
            StateWord::Active => &mut summary.active,
            StateWord::Idle => &mut summary.idle,
            StateWord::Starting => &mut summary.starting,
            StateWord::Sleeping => &mut summary.sleeping,
            StateWord::Stopped => &mut summary.stopped,
            StateWord::Error => &mut summary.error,
        } += count;
    }
    let now = entropy::now();
    let users = states
        .into_iter()
        .map(|user| SandboxState {
            name: Some(user.name),
            owner: placements::owner(&env, &user.view),
            ..SandboxState::new(user.user_id, user.view, now)
        })
        .collect();
    Ok(Json(Dashboard {
        users,
        summary,
        total_latency_ms: now.since(began),
        checked_at: now.iso(),
        next_cursor,
    }))
}
