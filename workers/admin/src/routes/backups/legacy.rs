//! What the system before this one kept of a user: looked at, and decided about.

use crate::caller::Caller;
use crate::extract::{OptionalBody, Parameters};
use crate::respond::Failure;
use axum::Json;
use axum::extract::State;
use molt_common::api::legacy::{ImportRequest, LegacyImport};
use molt_common::id::SandboxId;
use molt_common::legacy_call::{DecideImport, GetImport, ImportDecided};
use molt_common::problem::Problem;
use molt_platform::call;
use worker::Env;

/// Tells what the system before this one kept of a user, and what his next start would take over. Changes nothing.
///
/// The first start of a user without snapshots takes over what was kept, once: verified, saved and published before his agent starts. When it is not clear
/// which copy counts, or none is whole, the start fails with the cause until somebody has chosen.
#[utoipa::path(get, path = "/api/super/users/{id}/backups/import", tag = "backups",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = LegacyImport), (status = 400, body = Problem), (status = 404, body = Problem)))]
#[worker::send]
pub async fn read(State(env): State<Env>, _: Caller, parameters: Parameters) -> Result<Json<LegacyImport>, Failure> {
    let owner = parameters.user()?;
    let object = call::sandbox(&env, &SandboxId::personal(owner))?;
    let view = call::make(&object, &GetImport { owner }).await?;
    Ok(Json(view.into()))
}

/// Chooses what the next start takes over: another copy, or with `discard` nothing, so that the user starts empty. What was kept is never changed.
///
/// Without a body the platform chooses by itself again.
#[utoipa::path(post, path = "/api/super/users/{id}/backups/import", tag = "backups", request_body = ImportRequest,
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = LegacyImport), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`import_settled`: the user has snapshots of this side already")))]
#[worker::send]
pub async fn decide(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    OptionalBody(body): OptionalBody<ImportRequest>,
) -> Result<Json<LegacyImport>, Failure> {
    let owner = parameters.user()?;
    let decision = body.decision()?;
    let asked = DecideImport {
        owner,
        decision,
        by: caller.author(),
    };
    let object = call::sandbox(&env, &SandboxId::personal(owner))?;
    match call::make(&object, &asked).await? {
        ImportDecided::Done { view } => Ok(Json((*view).into())),
        ImportDecided::Unknown => {
            Err(Problem::invalid("source", "is none of the copies that were kept of this user").into())
        }
        ImportDecided::Refused { text } => Err(Problem::new(409, "import_settled", text).into()),
    }
}
