//! Which snapshots there are.

use super::{entry, listed, named, summary};
use crate::extract::{ChangePage, Parameters};
use crate::respond::Failure;
use crate::users;
use axum::Json;
use axum::extract::State;
use molt_common::api::backups::{Backup, BackupList};
use molt_common::paging;
use molt_common::problem::Problem;
use worker::Env;

/// Lists the snapshots of a user's sandbox, newest first, those that are kept apart among them. Nothing asks the sandbox.
#[utoipa::path(get, path = "/api/super/users/{id}/backups", tag = "backups",
    params(("id" = String, Path, format = "uuid"),
           ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 100 when absent")),
    responses((status = 200, body = BackupList), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn list(
    State(env): State<Env>,
    parameters: Parameters,
    page: ChangePage,
) -> Result<Json<BackupList>, Failure> {
    let user_id = parameters.user()?;
    users::find(&env, user_id).await?;
    let before = page.cursor.parse().ok();
    let found = listed(&env, user_id, before, paging::rows_to_ask_for(page.limit)).await?;
    let head = found.summary.head;
    let (rows, next_cursor) = paging::page(found.snapshots, page.limit, |last| last.sequence.to_string());
    Ok(Json(BackupList {
        user_id,
        backups: rows.iter().map(|row| Backup::of(row, head)).collect(),
        summary: found.summary.into(),
        next_cursor,
    }))
}

/// One snapshot; `latest` is the newest that counts.
#[utoipa::path(get, path = "/api/super/users/{id}/backups/{snapshot}", tag = "backups",
    params(("id" = String, Path, format = "uuid"), ("snapshot" = String, Path, description = "64 hexadecimal digits, or `latest`")),
    responses((status = 200, body = Backup), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>, parameters: Parameters) -> Result<Json<Backup>, Failure> {
    let user = parameters.user()?;
    users::find(&env, user).await?;
    let id = named(&env, user, &parameters).await?;
    let found = entry(&env, user, id).await?;
    Ok(Json(Backup::of(&found, summary(&env, user).await?.head)))
}
