//! Accepting a command.

use crate::caller::Caller;
use crate::exec_store::calls::{Idempotency, Submit, Submitted};
use crate::exec_store::{Row, stub};
use crate::extract::{JsonBody, Parameters};
use crate::idempotency;
use crate::respond::Failure;
use crate::routes::lifecycle::change;
use crate::{placements, users};
use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use molt_common::api::{ExecAccepted, ExecRequest};
use molt_common::id::{ExecId, UserId};
use molt_common::problem::Problem;
use molt_platform::{call, entropy};
use worker::Env;

/// Runs a command in a user's sandbox, waking it if need be.
///
/// The answer comes at once; the result is read at `pollUrl`. The same `Idempotency-Key` with the same body answers with the same
/// exec; with another body it is refused.
#[utoipa::path(post, path = "/api/super/users/{id}/exec", tag = "exec", request_body = ExecRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ExecAccepted), (status = 400, body = Problem),
              (status = 403, body = Problem, description = "`user_suspended`, unless the sandbox runs"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "The user is with what ran before"),
              (status = 413, body = Problem), (status = 422, body = Problem, description = "The key was used with another body"),
              (status = 429, body = Problem, description = "Too many commands of this sandbox wait for their turn")))]
#[worker::send]
pub async fn submit(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ExecRequest>,
) -> Result<(StatusCode, Json<ExecAccepted>), Failure> {
    let row = accept(&env, &caller, parameters.user()?, &headers, &request).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted(row, entropy::now().iso()))))
}

/// Hands a command to the user's store, which answers with the exec that it is, old or new.
pub(super) async fn accept(
    env: &Env,
    caller: &Caller,
    user_id: UserId,
    headers: &HeaderMap,
    request: &ExecRequest,
) -> Result<Row, Failure> {
    let id = ExecId::new(entropy::now(), entropy::bytes()?);
    let start = request.checked(&id)?;
    let idempotency = keyed(headers, request)?;
    let user = users::find(env, user_id).await?;
    placements::with_platform(env, user_id).await?;
    let submit = Submit {
        user_id,
        tier: user.tier,
        shown: request.shown(),
        start,
        idempotency,
        parent: None,
        shut_out: user.is_suspended() && !change::runs(env, user_id).await?,
        author: caller.author(),
    };
    match call::make(&stub(env, user_id)?, &submit).await? {
        Submitted::Accepted { row } => Ok(*row),
        Submitted::OtherBody => Err(idempotency::reused().into()),
        Submitted::ShutOut => Err(change::suspended(user_id).into()),
        Submitted::Full {
            under_way,
            queued,
            retry_after_s,
        } => Err(Problem::new(
            429,
            "too_many_commands",
            format!(
                "{under_way} commands of this sandbox are under way and {queued} more wait. Wait for some of them."
            ),
        )
        .retry_after(retry_after_s)
        .into()),
    }
}

fn keyed(headers: &HeaderMap, request: &ExecRequest) -> Result<Option<Idempotency>, Problem> {
    Ok(idempotency::key(headers)?.map(|key| Idempotency {
        key,
        fingerprint: request.fingerprint(),
    }))
}

pub(super) fn accepted(row: Row, timestamp: String) -> ExecAccepted {
    ExecAccepted {
        poll_url: format!("/api/super/users/{}/exec/{}/status", row.user_id, row.exec_id),
        user_id: row.user_id,
        command: row.command,
        exec_id: row.exec_id,
        state: row.job.state,
        status: row.job.state.status().into(),
        asynchronous: true,
        timestamp,
    }
}
