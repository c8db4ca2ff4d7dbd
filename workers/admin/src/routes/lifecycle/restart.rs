//! Restarts: of the agent's process, of the whole container, and of one that is beyond an orderly stop.

use super::change::{self, Answered, Ask};
use crate::caller::Caller;
use crate::extract::{OptionalBody, Parameters};
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use molt_common::api::lifecycle::{ChangeAccepted, ResetRequest, RestartRequest};
use molt_common::problem::Problem;
use molt_common::sandbox_change::Wanted;
use worker::Env;

/// Restarts a user's sandbox: its agent, or with `"scope": "sandbox"` the whole container, whose disk is saved first and restored.
///
/// One that does not run is started. The answer comes at once; the job is read at `pollUrl`. The same `Idempotency-Key` with the same body answers
/// with the same job; with another body it is refused.
#[utoipa::path(post, path = "/api/super/users/{id}/restart", tag = "lifecycle", request_body = RestartRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem),
              (status = 403, body = Problem, description = "`user_suspended`"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn restart(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<RestartRequest>,
) -> Answered {
    begin(&env, &caller, &parameters, &headers, body).await
}

/// The same under the name that older scripts know.
#[utoipa::path(post, path = "/api/super/users/{id}/restart-async", tag = "lifecycle", request_body = RestartRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem),
              (status = 403, body = Problem, description = "`user_suspended`"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn restart_async(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<RestartRequest>,
) -> Answered {
    begin(&env, &caller, &parameters, &headers, body).await
}

async fn begin(
    env: &Env,
    caller: &Caller,
    parameters: &Parameters,
    headers: &HeaderMap,
    body: RestartRequest,
) -> Answered {
    let user = parameters.user()?;
    let ask = Ask {
        wanted: Wanted::Restart {
            scope: body.scope.unwrap_or_default(),
        },
        discard_disk: body.discard_disk,
        timeout_ms: body.timeout_ms,
    };
    let change = change::accept(env, caller, user, headers, ask).await?;
    Ok(change::accepted(user, &change))
}

/// Kills everything in a user's sandbox at once, forgets failed starts, and starts it with what was saved last. It ends whatever other change is under way.
///
/// The same `Idempotency-Key` with the same body answers with the same job; with another body it is refused.
#[utoipa::path(post, path = "/api/super/users/{id}/emergency-reset", tag = "lifecycle", request_body = ResetRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem),
              (status = 403, body = Problem, description = "`user_suspended`"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`would_discard_disk` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn emergency_reset(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<ResetRequest>,
) -> Result<(StatusCode, Json<ChangeAccepted>), Failure> {
    let user = parameters.user()?;
    let ask = Ask {
        wanted: Wanted::EmergencyReset,
        discard_disk: body.discard_disk,
        timeout_ms: body.timeout_ms,
    };
    let change = change::accept(&env, &caller, user, &headers, ask).await?;
    Ok(change::accepted(user, &change))
}
