//! Writing and removing, in a running sandbox only.

use super::Call;
use crate::caller::Caller;
use crate::extract::{Asked, Streamed};
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use molt_common::control::files::{FileWritten, parse_mode};
use molt_common::files_call::PATH;
use molt_common::id::UserId;
use molt_common::problem::Problem;
use molt_platform::entropy;
use serde::Serialize;
use utoipa::ToSchema;
use worker::Env;

/// Something was done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Done<T> {
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
    /// Always true.
    success: bool,
    /// ISO-8601.
    timestamp: String,
    #[serde(flatten)]
    what: T,
}

impl<T> Done<T> {
    /// Just now.
    pub fn now(user_id: UserId, what: T) -> Self {
        Self {
            user_id,
            success: true,
            timestamp: entropy::now().iso(),
            what,
        }
    }
}

/// A path that is no more.
#[derive(Serialize, ToSchema)]
pub struct Removed {
    /// Percent-encoded.
    path: String,
}

/// Writes a file: the body, as it is. It is there as a whole or not at all; folders on the way are made.
///
/// `If-None-Match: *` writes only where nothing is, `If-Match` only over the version that it names. A sandbox that does not run is not
/// started for it: 409 `sandbox_not_running`.
#[utoipa::path(put, path = "/api/super/users/{id}/files/{*path}", tag = "files",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    params(("id" = String, Path, format = "uuid"), ("*path" = String, Path, description = "Below the agent's home, percent-encoded"),
           ("mode" = Option<String>, Query, description = "Permissions in octal digits; those of the file that is replaced, else 644"),
           ("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, body = Done<FileWritten>), (status = 201, body = Done<FileWritten>), (status = 400, body = Problem),
              (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
              (status = 412, body = Problem), (status = 413, body = Problem), (status = 507, body = Problem, description = "`no_space`")))]
#[worker::send]
pub async fn write(
    State(env): State<Env>,
    caller: Caller,
    asked: Asked,
    streamed: Streamed,
) -> Result<(StatusCode, Json<Done<FileWritten>>), Failure> {
    let mut call = Call::read(&env, &caller, &asked, &streamed).await?;
    if call.slash {
        return Err(Problem::invalid("path", "must name a file").into());
    }
    call.query.mode = match asked.text("mode") {
        None => None,
        Some(text) => {
            Some(parse_mode(text).ok_or_else(|| Problem::invalid("mode", "must be octal digits, 000 to 777"))?)
        }
    };
    let (status, written) = call.json(PATH).await?;
    Ok((status, Json(Done::now(call.user, written))))
}

/// Removes a file, a link, or a folder: an empty one, or with `recursive=1` one with everything in it.
#[utoipa::path(delete, path = "/api/super/users/{id}/files/{*path}", tag = "files",
    params(("id" = String, Path, format = "uuid"), ("*path" = String, Path, description = "Below the agent's home, percent-encoded"),
           ("recursive" = Option<String>, Query, description = "`1`: a folder with everything in it")),
    responses((status = 200, body = Done<Removed>), (status = 400, body = Problem), (status = 403, body = Problem),
              (status = 404, body = Problem), (status = 409, body = Problem)))]
#[worker::send]
pub async fn remove(
    State(env): State<Env>,
    caller: Caller,
    asked: Asked,
    streamed: Streamed,
) -> Result<Json<Done<Removed>>, Failure> {
    let mut call = Call::read(&env, &caller, &asked, &streamed).await?;
    call.query.recursive = asked.flag("recursive")?;
    call.make(PATH).await?;
    let path = call.query.path.to_string();
    Ok(Json(Done::now(call.user, Removed { path })))
}
