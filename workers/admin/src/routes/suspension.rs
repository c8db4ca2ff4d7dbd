//! Users who may not come in.

use crate::caller::Caller;
use crate::control_plane::calls::SetSuspension;
use crate::control_plane::stub;
use crate::extract::{JsonBody, Parameters};
use crate::respond::Failure;
use crate::users;
use axum::Json;
use axum::extract::State;
use molt_common::problem::Problem;
use molt_platform::call;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use worker::Env;

const LONGEST_REASON: usize = 500;

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// For the audit trail: 1 to 500 characters.
    reason: String,
}

/// How the user stands now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Who.
    user_id: String,
    /// `active` or `suspended`.
    status: &'static str,
    /// Whether this call changed it.
    changed: bool,
    /// Whether lists show it already; if not, they will soon.
    listed: bool,
}

/// Suspends a user: routers refuse him within seconds, and his open sockets are closed.
#[utoipa::path(post, path = "/api/super/users/{id}/suspend", tag = "users", request_body = Reason,
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = Standing), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn suspend(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    JsonBody(reason): JsonBody<Reason>,
) -> Result<Json<Standing>, Failure> {
    set(&env, &caller, &parameters, &reason, true).await
}

/// Lets a suspended user in again.
#[utoipa::path(post, path = "/api/super/users/{id}/reinstate", tag = "users", request_body = Reason,
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = Standing), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn reinstate(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    JsonBody(reason): JsonBody<Reason>,
) -> Result<Json<Standing>, Failure> {
    set(&env, &caller, &parameters, &reason, false).await
}

async fn set(
    env: &Env,
    caller: &Caller,
    parameters: &Parameters,
    reason: &Reason,
    suspended: bool,
) -> Result<Json<Standing>, Failure> {
    let user = parameters.user()?;
    let reason = reason.reason.trim();
    let length = reason.chars().count();
    if length == 0 || length > LONGEST_REASON || reason.chars().any(char::is_control) {
        return Err(Problem::invalid("reason", format!("must be 1 to {LONGEST_REASON} printable characters")).into());
    }
    users::find(env, user).await?;
    let set = SetSuspension {
        user,
        suspended,
        reason: reason.to_owned(),
        author: caller.author(),
    };
    let outcome = call::make(&stub(env)?, &set).await?;
    Ok(Json(Standing {
        user_id: user.to_string(),
        status: if suspended { "suspended" } else { "active" },
        changed: outcome.changed,
        listed: outcome.copied,
    }))
}
