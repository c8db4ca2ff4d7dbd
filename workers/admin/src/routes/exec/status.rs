//! How a command stands.

use super::{ids, shown};
use crate::exec_store::calls::Get;
use crate::exec_store::stub;
use crate::extract::Parameters;
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use molt_common::api::ExecStatus;
use molt_common::problem::Problem;
use molt_platform::call;
use worker::Env;

/// How a command stands, with its output once it ended.
#[utoipa::path(get, path = "/api/super/users/{id}/exec/{execId}", tag = "exec",
    params(("id" = String, Path, format = "uuid"), ("execId" = String, Path)),
    responses((status = 200, body = ExecStatus), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn status(State(env): State<Env>, parameters: Parameters) -> Result<Json<ExecStatus>, Failure> {
    read(&env, &parameters).await.map(Json)
}

/// The same under the path that older clients poll.
#[utoipa::path(get, path = "/api/super/users/{id}/exec/{execId}/status", tag = "exec",
    params(("id" = String, Path, format = "uuid"), ("execId" = String, Path)),
    responses((status = 200, body = ExecStatus), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn status_of_older_clients(
    State(env): State<Env>,
    parameters: Parameters,
) -> Result<Json<ExecStatus>, Failure> {
    read(&env, &parameters).await.map(Json)
}

async fn read(env: &Env, parameters: &Parameters) -> Result<ExecStatus, Failure> {
    let (user_id, exec_id) = ids(parameters)?;
    let get = Get {
        exec_id: exec_id.clone(),
    };
    let row = call::make(&stub(env, user_id)?, &get).await?;
    shown(row, user_id, &exec_id)
}
