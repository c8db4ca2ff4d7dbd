//! Which hosts of the internet a user's sandbox reaches (docs/outbound.md).

use crate::caller::Caller;
use crate::extract::{JsonBody, Parameters};
use crate::respond::Failure;
use crate::{placements, users};
use axum::Json;
use axum::extract::State;
use molt_common::api::outbound::OutboundState;
use molt_common::id::SandboxId;
use molt_common::outbound_call::{GetOutbound, SetOutbound};
use molt_common::outbound_policy::OutboundPolicy;
use molt_common::problem::Problem;
use molt_platform::call;
use worker::Env;

/// The lists of hosts of a user's sandbox. Starts nothing.
#[utoipa::path(get, path = "/api/super/users/{id}/outbound", tag = "outbound",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = OutboundState), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>, parameters: Parameters) -> Result<Json<OutboundState>, Failure> {
    let user = parameters.user()?;
    users::find(&env, user).await?;
    let view = call::make(&call::sandbox(&env, &SandboxId::personal(user))?, &GetOutbound {}).await?;
    Ok(Json(OutboundState::of(user, view)))
}

/// Sets both lists. `standing` of the answer says whether they hold at once. Saying it again changes nothing.
#[utoipa::path(put, path = "/api/super/users/{id}/outbound", tag = "outbound", request_body = OutboundPolicy,
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = OutboundState),
              (status = 400, body = Problem, description = "`field` names the entry, such as `allow[3]`"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`owned_by_legacy`")))]
#[worker::send]
pub async fn set(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    JsonBody(policy): JsonBody<OutboundPolicy>,
) -> Result<Json<OutboundState>, Failure> {
    change(&env, &caller, &parameters, &policy).await
}

/// Takes both lists away: everything is reached.
#[utoipa::path(delete, path = "/api/super/users/{id}/outbound", tag = "outbound",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = OutboundState), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`owned_by_legacy`")))]
#[worker::send]
pub async fn clear(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<OutboundState>, Failure> {
    change(&env, &caller, &parameters, &OutboundPolicy::default()).await
}

async fn change(
    env: &Env,
    caller: &Caller,
    parameters: &Parameters,
    policy: &OutboundPolicy,
) -> Result<Json<OutboundState>, Failure> {
    let owner = parameters.user()?;
    let policy = policy.normalized()?;
    users::find(env, owner).await?;
    placements::with_platform(env, owner).await?;
    let set = SetOutbound {
        owner,
        policy,
        by: caller.author(),
    };
    let view = call::make(&call::sandbox(env, &SandboxId::personal(owner))?, &set).await?;
    Ok(Json(OutboundState::of(owner, view)))
}
