//! How what is on a disk is kept, in the words of older scripts. Answered from what the object has; nothing asks the sandbox or the bucket.

use crate::extract::Parameters;
use crate::respond::Failure;
use crate::routes::lifecycle::change;
use crate::users;
use axum::Json;
use axum::extract::State;
use molt_common::api::backups::{StorageHealth, StorageStatus};
use molt_common::id::UserId;
use molt_common::problem::Problem;
use molt_common::snapshot::ListedSnapshot;
use molt_common::snapshot_health;
use molt_platform::entropy;
use worker::Env;

/// What is saved of a user's disk, as older scripts ask.
#[utoipa::path(get, path = "/api/super/users/{id}/r2-status", tag = "backups",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = StorageStatus), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn status(State(env): State<Env>, parameters: Parameters) -> Result<Json<StorageStatus>, Failure> {
    let (health, newest) = standing(&env, parameters.user()?).await?;
    Ok(Json(snapshot_health::status(health, newest.as_ref())))
}

/// Whether what is on a user's disk is saved, as older scripts ask. A sandbox at rest stays healthy however old its last snapshot is.
#[utoipa::path(get, path = "/api/super/users/{id}/r2-health", tag = "backups",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = StorageHealth), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn health(State(env): State<Env>, parameters: Parameters) -> Result<Json<StorageHealth>, Failure> {
    Ok(Json(standing(&env, parameters.user()?).await?.0))
}

async fn standing(env: &Env, user: UserId) -> Result<(StorageHealth, Option<ListedSnapshot>), Failure> {
    users::find(env, user).await?;
    let summary = super::summary(env, user).await?;
    let newest = match summary.head {
        Some(head) => Some(super::entry(env, user, head).await?),
        None => None,
    };
    let view = change::state(env, user).await?;
    let health = snapshot_health::health(user, view.lifecycle, view.generation, &summary, entropy::now());
    Ok((health, newest))
}
