//! Saving now.

use super::accept;
use crate::caller::Caller;
use crate::extract::{OptionalBody, Parameters};
use crate::respond::Failure;
use crate::routes::lifecycle::change::{Answered, Ask};
use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use molt_common::api::backups::{BackupRequest, SyncAccepted};
use molt_common::api::lifecycle::ChangeAccepted;
use molt_common::problem::Problem;
use molt_common::sandbox_change::Wanted;
use worker::Env;

/// Saves the disk of a user's running sandbox. Where nothing changed since the newest snapshot, the job's result names that one.
///
/// The answer comes at once; the job is read at `pollUrl`. The same `Idempotency-Key` with the same body answers with the same job; with another
/// body it is refused.
#[utoipa::path(post, path = "/api/super/users/{id}/backups", tag = "backups", request_body = BackupRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn save(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<BackupRequest>,
) -> Answered {
    begin(&env, &caller, &parameters, &headers, &body).await
}

/// The same under the name that older scripts know.
#[utoipa::path(post, path = "/api/super/users/{id}/sync-async", tag = "backups", request_body = BackupRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = SyncAccepted), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn sync_async(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<BackupRequest>,
) -> Result<(StatusCode, Json<SyncAccepted>), Failure> {
    synced(begin(&env, &caller, &parameters, &headers, &body).await?)
}

/// The same under another old name; it was a GET, which changes nothing any more.
#[utoipa::path(post, path = "/api/super/users/{id}/force-sync", tag = "backups", request_body = BackupRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = SyncAccepted), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn force_sync(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<BackupRequest>,
) -> Result<(StatusCode, Json<SyncAccepted>), Failure> {
    synced(begin(&env, &caller, &parameters, &headers, &body).await?)
}

/// The same under the name that an older timer calls.
#[utoipa::path(post, path = "/api/super/users/{id}/backup-safe", tag = "backups", request_body = BackupRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = SyncAccepted), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn backup_safe(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<BackupRequest>,
) -> Result<(StatusCode, Json<SyncAccepted>), Failure> {
    synced(begin(&env, &caller, &parameters, &headers, &body).await?)
}

async fn begin(
    env: &Env,
    caller: &Caller,
    parameters: &Parameters,
    headers: &HeaderMap,
    body: &BackupRequest,
) -> Answered {
    let user = parameters.user()?;
    let ask = Ask {
        wanted: Wanted::Save,
        discard_disk: false,
        timeout_ms: body.timeout_ms,
    };
    accept(env, caller, user, headers, ask).await
}

fn synced(
    (status, Json(accepted)): (StatusCode, Json<ChangeAccepted>),
) -> Result<(StatusCode, Json<SyncAccepted>), Failure> {
    let check_status_at = format!("/api/super/users/{}/r2-status", accepted.user_id);
    Ok((
        status,
        Json(SyncAccepted {
            accepted,
            check_status_at,
        }),
    ))
}
