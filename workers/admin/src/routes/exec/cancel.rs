//! Stopping a command.

use super::{ids, shown};
use crate::caller::Caller;
use crate::exec_store::calls::Cancel;
use crate::exec_store::stub;
use crate::extract::Parameters;
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use molt_common::api::ExecStatus;
use molt_common::problem::Problem;
use molt_platform::call;
use worker::Env;

/// Cancels a command: TERM, its grace (`killGraceMs`), KILL, to everything that descends from it.
///
/// The answer says how it stands now; read on for the outcome. A command that has ended stays as it is.
#[utoipa::path(delete, path = "/api/super/users/{id}/exec/{execId}", tag = "exec",
    params(("id" = String, Path, format = "uuid"), ("execId" = String, Path)),
    responses((status = 202, body = ExecStatus), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn cancel(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
) -> Result<(StatusCode, Json<ExecStatus>), Failure> {
    ask(&env, &caller, &parameters).await
}

/// The same for clients that cannot send DELETE.
#[utoipa::path(post, path = "/api/super/users/{id}/exec/{execId}/cancel", tag = "exec",
    params(("id" = String, Path, format = "uuid"), ("execId" = String, Path)),
    responses((status = 202, body = ExecStatus), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn cancel_by_post(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
) -> Result<(StatusCode, Json<ExecStatus>), Failure> {
    ask(&env, &caller, &parameters).await
}

async fn ask(env: &Env, caller: &Caller, parameters: &Parameters) -> Result<(StatusCode, Json<ExecStatus>), Failure> {
    let (user_id, exec_id) = ids(parameters)?;
    let cancel = Cancel {
        exec_id: exec_id.clone(),
        author: caller.author(),
    };
    let row = call::make(&stub(env, user_id)?, &cancel).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(row, user_id, &exec_id)?)))
}
