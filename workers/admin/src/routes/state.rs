//! States of sandboxes, from stored observations: reading them starts, wakes and extends nothing. Neither does a probe, which asks a running one.

use crate::extract::{Asked, Page, Parameters};
use crate::respond::Failure;
use crate::routes::lifecycle::change;
use crate::{placements, users};
use axum::Json;
use axum::extract::State;
use molt_common::api::state::Probe;
use molt_common::api::{LiveState, SandboxState, StateWord};
use molt_common::id::{SandboxId, UserId};
use molt_common::paging;
use molt_common::problem::Problem;
use molt_common::sandbox_call::{Lifecycle, ProbeSandbox, SandboxView};
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
    /// Of all sandboxes, whatever the page is filtered by.
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
    params(("id" = String, Path, format = "uuid"),
           ("probe" = Option<String>, Query, description = "`1` asks a running sandbox how it is now and adds `probe`; that changes nothing")),
    responses((status = 200, body = SandboxState), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn of_user(
    State(env): State<Env>,
    parameters: Parameters,
    asked: Asked,
) -> Result<Json<SandboxState>, Failure> {
    let id = parameters.user()?;
    let (user, view, probe) = seen(&env, id, &asked).await?;
    let owner = placements::owner(&env, &view);
    let mut state = SandboxState::new(id, view, entropy::now());
    state.owner = owner;
    state.name = Some(user.name);
    state.probe = probe;
    Ok(Json(state))
}

/// The state of a user's sandbox, in the form that older monitors read.
///
/// It comes from the stored observation, so `checkedAt` is that observation's time, `latencyMs` the time that it took to read it and `processCount`
/// always null: nothing counts processes. With `?probe=1` a running sandbox is asked: `checkedAt` is now and `latencyMs` what the question took.
#[utoipa::path(get, path = "/api/super/users/{id}/state/v2", tag = "state",
    params(("id" = String, Path, format = "uuid"),
           ("probe" = Option<String>, Query, description = "`1` asks a running sandbox how it is now and adds `probe`; that changes nothing")),
    responses((status = 200, body = LiveState), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn live(State(env): State<Env>, parameters: Parameters, asked: Asked) -> Result<Json<LiveState>, Failure> {
    let id = parameters.user()?;
    let began = entropy::now();
    let (_, view, probe) = seen(&env, id, &asked).await?;
    let now = entropy::now();
    Ok(Json(LiveState::new(id, &view, probe, now.since(began), now)))
}

async fn seen(env: &Env, id: UserId, asked: &Asked) -> Result<(users::User, SandboxView, Option<Probe>), Failure> {
    let probe = asked.flag("probe")?;
    let user = users::find(env, id).await?;
    if !probe {
        let view = change::state_of(env, id, &user).await?;
        return Ok((user, view, None));
    }
    let mut probed = call::make(&call::sandbox(env, &SandboxId::personal(id))?, &ProbeSandbox {}).await?;
    if probed.view.generation == 0 {
        probed.view.tier = probed.view.next_tier.unwrap_or(user.tier);
    }
    let probe = Probe::new(&probed);
    Ok((user, probed.view, Some(probe)))
}

/// All sandboxes, as they last announced themselves.
#[utoipa::path(get, path = "/api/super/state/dashboard", tag = "state",
    params(("lifecycle" = Option<Lifecycle>, Query, description = "Only those that stand there"),
           ("state" = Option<StateWord>, Query, description = "The same in the old words"),
           ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent")),
    responses((status = 200, body = Dashboard), (status = 400, body = Problem)))]
#[worker::send]
pub async fn dashboard(State(env): State<Env>, asked: Asked, page: Page) -> Result<Json<Dashboard>, Failure> {
    let began = entropy::now();
    let lifecycle = filter(&asked)?;
    let states = users::states(&env, lifecycle, &page.cursor, paging::rows_to_ask_for(page.limit)).await?;
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

fn filter(asked: &Asked) -> Result<Option<Lifecycle>, Problem> {
    let ours = asked.text("lifecycle").map(|word| {
        let all = Lifecycle::ALL.map(Lifecycle::word).join(", ");
        Lifecycle::parse(word).ok_or_else(|| Problem::invalid("lifecycle", format!("must be one of {all}")))
    });
    let old = asked.text("state").map(|word| {
        let all = StateWord::ALL.map(StateWord::word).join(", ");
        StateWord::parse(word).ok_or_else(|| Problem::invalid("state", format!("must be one of {all}")))
    });
    match (ours.transpose()?, old.transpose()?.map(StateWord::lifecycle)) {
        (Some(ours), Some(old)) if ours != old => Err(Problem::invalid("state", "and lifecycle exclude each other")),
        (ours, old) => Ok(ours.or(old)),
    }
}
