//! Several operations in one request.

use super::Call;
use super::write::Done;
use crate::caller::Caller;
use crate::extract::{Asked, LONGEST_BODY, Streamed};
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use molt_common::control::files::{Batch, BatchOutcome};
use molt_common::files_call::BATCH_PATH;
use molt_common::home_path::HomePath;
use molt_common::problem::Problem;
use molt_platform::forward::header;
use worker::Env;

/// Does up to 50 operations in a running sandbox, one after the other: `read` (at most 1 MiB each), `write`, `delete`, `exists`, `stat`.
///
/// Each has a result of its own, and one that fails stops no other.
#[utoipa::path(post, path = "/api/super/users/{id}/files/batch", tag = "files", request_body = Batch,
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = Done<BatchOutcome>), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`sandbox_not_running`"), (status = 413, body = Problem)))]
#[worker::send]
pub async fn run(
    State(env): State<Env>,
    caller: Caller,
    asked: Asked,
    streamed: Streamed,
) -> Result<Json<Done<BatchOutcome>>, Failure> {
    let length = header(streamed.request(), "content-length").and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > LONGEST_BODY) {
        let text = format!("The body is longer than {LONGEST_BODY} bytes.");
        return Err(Problem::new(413, "too_large", text).into());
    }
    let mut call = Call::read(&env, &caller, &asked, &streamed).await?;
    call.query.path = HomePath::default();
    let (_, outcome) = call.json(BATCH_PATH).await?;
    Ok(Json(Done::now(call.user, outcome)))
}
