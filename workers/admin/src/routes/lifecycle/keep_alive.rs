//! Whether and when a sandbox that nobody uses is put to sleep.

use super::change;
use crate::caller::Caller;
use crate::extract::{JsonBody, Parameters};
use crate::idempotency;
use crate::respond::Failure;
use crate::{placements, users};
use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use molt_common::api::lifecycle::{IDLE_MAX_S, IDLE_MIN_S, KeepAlivePolicy, KeepAliveRequest, KeepAliveState};
use molt_common::id::{SandboxId, UserId};
use molt_common::problem::Problem;
use molt_common::sandbox_call::SandboxView;
use molt_common::sandbox_change::{KeepAlive, SetKeepAlive};
use molt_common::time::Millis;
use molt_platform::call;
use worker::Env;

/// When a user's sandbox may sleep.
#[utoipa::path(get, path = "/api/super/users/{id}/keep-alive", tag = "lifecycle",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = KeepAliveState), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>, parameters: Parameters) -> Result<Json<KeepAliveState>, Failure> {
    let user = parameters.user()?;
    users::find(&env, user).await?;
    Ok(Json(shown(user, &change::state(&env, user).await?)))
}

/// Says when a user's sandbox may sleep. It counts at once, starts nothing, and saying it again changes nothing.
#[utoipa::path(put, path = "/api/super/users/{id}/keep-alive", tag = "lifecycle", request_body = KeepAliveRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters; not needed")),
    responses((status = 200, body = KeepAliveState), (status = 400, body = Problem),
              (status = 403, body = Problem, description = "`user_suspended`, for `always`"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`owned_by_legacy`")))]
#[worker::send]
pub async fn set(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    JsonBody(body): JsonBody<KeepAliveRequest>,
) -> Result<Json<KeepAliveState>, Failure> {
    let owner = parameters.user()?;
    idempotency::key(&headers)?;
    let keep_alive = asked(&body)?;
    let user = users::find(&env, owner).await?;
    placements::with_platform(&env, owner).await?;
    if user.is_suspended() && keep_alive == KeepAlive::Always {
        return Err(change::suspended(owner).into());
    }
    let author = caller.author();
    let set = SetKeepAlive {
        owner,
        keep_alive,
        request_id: author.request_id.clone(),
        by: author,
    };
    let view = call::make(&call::sandbox(&env, &SandboxId::personal(owner))?, &set).await?;
    Ok(Json(shown(owner, &view)))
}

fn asked(body: &KeepAliveRequest) -> Result<KeepAlive, Problem> {
    match (body.policy, body.seconds) {
        (KeepAlivePolicy::Idle, Some(seconds @ IDLE_MIN_S..=IDLE_MAX_S)) => Ok(KeepAlive::Idle { seconds }),
        (KeepAlivePolicy::Idle, _) => Err(Problem::invalid(
            "seconds",
            format!("must be from {IDLE_MIN_S} to {IDLE_MAX_S} with the policy idle"),
        )),
        (_, Some(_)) => Err(Problem::invalid("seconds", "goes with the policy idle alone")),
        (KeepAlivePolicy::Default, None) => Ok(KeepAlive::Default),
        (KeepAlivePolicy::Always, None) => Ok(KeepAlive::Always),
    }
}

fn shown(user_id: UserId, view: &SandboxView) -> KeepAliveState {
    KeepAliveState {
        user_id,
        keep_alive: view.keep_alive,
        last_active_at: view.last_active_at.map(Millis::iso),
        sleeps_at: view.sleeps_at.map(Millis::iso),
        wakes_at: view.wakes_at.map(Millis::iso),
    }
}

#[cfg(test)]
mod tests {
    use super::asked;
    use molt_common::api::lifecycle::KeepAliveRequest;
    use molt_common::sandbox_change::KeepAlive;
    use serde_json::{Value, json};

    fn read(body: Value) -> Option<KeepAlive> {
        let body: KeepAliveRequest = serde_json::from_value(body).unwrap_or_else(|_| unreachable!());
        asked(&body).ok()
    }

    #[test]
    fn seconds_go_with_idle_and_have_bounds() {
        assert_eq!(read(json!({"policy": "default"})), Some(KeepAlive::Default));
        assert_eq!(read(json!({"policy": "always"})), Some(KeepAlive::Always));
        let idle = KeepAlive::Idle { seconds: 60 };
        assert_eq!(read(json!({"policy": "idle", "seconds": 60})), Some(idle));
        for bad in [
            json!({"policy": "idle"}),
            json!({"policy": "idle", "seconds": 59}),
            json!({"policy": "idle", "seconds": 2_592_001}),
            json!({"policy": "always", "seconds": 60}),
        ] {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
    }
}
