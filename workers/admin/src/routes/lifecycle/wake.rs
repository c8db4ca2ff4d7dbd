//! Waking a sandbox, and waiting until it runs.

use super::change::{self, Ask};
use crate::caller::Caller;
use crate::extract::{Asked, OptionalBody, Parameters};
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use molt_common::api::JobState;
use molt_common::api::lifecycle::{ChangeAccepted, WAIT_MAX_S, WakeAction, WakeRequest, Woken};
use molt_common::id::{SandboxId, UserId};
use molt_common::problem::Problem;
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::{ChangeView, GetChange, Wanted};
use molt_common::time::Millis;
use molt_platform::{call, entropy};
use std::time::Duration;
use worker::{Delay, Env};

/// A wake that is waited for is asked this often: a start takes seconds, and each question is a call to the object.
const ASKED_EVERY_MS: u64 = 400;

/// Wakes a user's sandbox. A running one is left alone.
///
/// The answer comes at once; the job is read at `pollUrl`. With `?wait=` it comes when the sandbox runs, or after that many seconds: 200 with
/// `action` `none` (it ran already) or `started`, 504 with `action: "timeout"` while it is still on its way. Whoever hangs up stops nothing.
#[utoipa::path(post, path = "/api/super/users/{id}/wake", tag = "lifecycle", request_body = WakeRequest,
    params(("id" = String, Path, format = "uuid"),
           ("wait" = Option<u64>, Query, description = "Seconds, 1 to 25"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 200, body = Woken, description = "With `wait`: it runs"), (status = 202, body = ChangeAccepted),
              (status = 400, body = Problem), (status = 403, body = Problem, description = "`user_suspended`"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body"),
              (status = 503, body = Problem, description = "`wake_failed`, with `wait`: the job ended otherwise, and why"),
              (status = 504, body = Woken, description = "With `wait`: it is still on its way")))]
#[worker::send]
pub async fn wake(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    asked: Asked,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<WakeRequest>,
) -> Result<Response, Failure> {
    let user = parameters.user()?;
    let wait_s = wait(asked.text("wait"))?;
    let ask = Ask {
        wanted: Wanted::Wake,
        discard_disk: false,
        timeout_ms: body.timeout_ms,
    };
    let began = entropy::now();
    let change = change::accept(&env, &caller, user, &headers, ask).await?;
    match wait_s {
        None => Ok(change::accepted(user, &change).into_response()),
        Some(seconds) => woken(&env, user, change, began, seconds).await,
    }
}

fn wait(asked: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(text) = asked else { return Ok(None) };
    let seconds = text.parse().ok().filter(|seconds| (1..=WAIT_MAX_S).contains(seconds));
    match seconds {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(Problem::invalid(
            "wait",
            format!("must be from 1 to {WAIT_MAX_S} seconds"),
        )),
    }
}

async fn woken(
    env: &Env,
    user_id: UserId,
    mut change: ChangeView,
    began: Millis,
    seconds: u64,
) -> Result<Response, Failure> {
    let until = began.plus(seconds.saturating_mul(1_000));
    while !change.state.is_terminal() {
        let left = until.since(entropy::now());
        if left == 0 {
            break;
        }
        Delay::from(Duration::from_millis(left.min(ASKED_EVERY_MS))).await;
        let get = GetChange {
            id: change.job.local().clone(),
        };
        match call::make(&call::sandbox(env, &SandboxId::personal(user_id))?, &get).await? {
            Some(now) => change = now,
            None => break,
        }
    }
    let view = change::state(env, user_id).await?;
    let (status, action) = match (change.state, change.found) {
        (JobState::Succeeded, Lifecycle::Running) => (StatusCode::OK, WakeAction::None),
        (JobState::Succeeded, _) => (StatusCode::OK, WakeAction::Started),
        (state, _) if state.is_terminal() => {
            let why = change.error.unwrap_or_else(|| state.word().to_owned());
            let problem = Problem::new(503, "wake_failed", format!("The sandbox does not run: {why}"));
            return Err(problem.job(&change.job).into());
        }
        _ => (StatusCode::GATEWAY_TIMEOUT, WakeAction::Timeout),
    };
    let woken = Woken {
        user_id,
        action,
        previous_state: change.found.into(),
        current_state: view.lifecycle.into(),
        waited_ms: entropy::now().since(began),
        poll_url: change::poll_url(&change.job),
        job_id: change.job,
    };
    Ok((status, Json(woken)).into_response())
}

#[cfg(test)]
mod tests {
    use super::wait;

    #[test]
    fn it_waits_as_long_as_an_answer_may_take() {
        assert_eq!(wait(None).ok(), Some(None));
        assert_eq!(wait(Some("25")).ok(), Some(Some(25)));
        for bad in ["", "0", "26", "-1", "1.5", "soon"] {
            assert!(wait(Some(bad)).is_err(), "{bad}");
        }
    }
}
