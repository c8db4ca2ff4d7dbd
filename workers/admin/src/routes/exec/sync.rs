//! A command whose end is waited for, as older scripts expect it. It is a job like any other: whoever hangs up stops nothing.

use super::submit;
use crate::caller::Caller;
use crate::exec_store::read_calls::AwaitEnd;
use crate::exec_store::stub;
use crate::extract::{JsonBody, Parameters};
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use molt_common::api::exec::{EXEC_SYNC_DEFAULT_MS, EXEC_SYNC_MAX_MS, ExecSynced, JobState};
use molt_common::api::{ExecAccepted, ExecRequest};
use molt_common::problem::Problem;
use molt_platform::{call, entropy};
use worker::Env;

/// What is in front of us gives up on an answer after half a minute or more.
const WAIT_MS: u64 = 25_000;
/// So that a command that ignores TERM at the longest time limit has still ended by then.
const GRACE_MS: u64 = 2_000;

/// Runs a command in a user's sandbox and waits for its end, up to 25 s.
///
/// The body is that of `exec`. `timeoutMs` is 15,000 when absent, and a longer one than 20,000 is cut to that; the answer says which applied.
/// `killGraceMs` is 2,000 when absent. The command is an exec like any other: it has an id, is listed, takes an `Idempotency-Key`, and goes on
/// when the caller hangs up. One that was stopped (`timed_out`, `cancelled`) or whose end nobody saw (`lost`) is a 200 with that `state` and
/// `exitCode: null`. When it has not ended after 25 s, as when the sandbox has to be started first, the answer is the 202 of `exec`: go on with
/// its `pollUrl`.
#[utoipa::path(post, path = "/api/super/users/{id}/exec-sync", tag = "exec", request_body = ExecRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 200, body = ExecSynced), (status = 202, body = ExecAccepted, description = "It has not ended yet"),
              (status = 400, body = Problem), (status = 403, body = Problem, description = "`user_suspended`, unless the sandbox runs"),
              (status = 404, body = Problem),
              (status = 409, body = Problem, description = "The user is with what ran before"),
              (status = 413, body = Problem), (status = 422, body = Problem, description = "The key was used with another body"),
              (status = 429, body = Problem, description = "Too many commands of this sandbox wait for their turn"),
              (status = 503, body = Problem, description = "`exec_rejected`: it was never started, and why")))]
#[worker::send]
pub async fn run(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    JsonBody(mut request): JsonBody<ExecRequest>,
) -> Result<Response, Failure> {
    let user_id = parameters.user()?;
    let timeout_ms = time_limit(request.timeout_ms);
    request.timeout_ms = Some(timeout_ms);
    request.kill_grace_ms.get_or_insert(GRACE_MS);
    let accepted = submit::accept(&env, &caller, user_id, &headers, &request).await?;
    let exec_id = accepted.exec_id.clone();
    let wait = AwaitEnd {
        exec_id: exec_id.clone(),
        wait_ms: WAIT_MS,
    };
    let Some(row) = call::make(&stub(&env, user_id)?, &wait).await? else {
        return Err(Problem::unknown_exec(user_id, &exec_id).into());
    };
    let timestamp = entropy::now().iso();
    if !row.job.state.is_terminal() {
        return Ok((StatusCode::ACCEPTED, Json(submit::accepted(row, timestamp))).into_response());
    }
    let ended = row.into_status();
    if ended.state == JobState::Rejected {
        let why = ended.error.unwrap_or_default();
        let problem = Problem::new(503, "exec_rejected", format!("The command was not started. {why}"));
        return Err(problem.about(user_id, &exec_id).into());
    }
    let answer = ExecSynced {
        user_id: ended.user_id,
        command: ended.command,
        exec_id: ended.exec_id,
        state: ended.state,
        status: ended.status,
        exit_code: ended.exit_code,
        signal: ended.signal,
        stdout: ended.stdout,
        stderr: ended.stderr,
        truncated: ended.truncated,
        error: ended.error,
        timeout_ms,
        timestamp,
    };
    Ok(Json(answer).into_response())
}

/// The time limit that applies where one is asked for.
fn time_limit(asked: Option<u64>) -> u64 {
    asked.unwrap_or(EXEC_SYNC_DEFAULT_MS).min(EXEC_SYNC_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::time_limit;

    #[test]
    fn a_long_time_limit_is_cut() {
        assert_eq!(time_limit(None), 15_000);
        for (asked, applied) in [(0, 0), (1, 1), (20_000, 20_000), (20_001, 20_000), (u64::MAX, 20_000)] {
            assert_eq!(time_limit(Some(asked)), applied);
        }
    }
}
