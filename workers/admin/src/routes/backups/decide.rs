//! What somebody decides about one snapshot: that it stays, goes, or counts after all.

use super::{entry, named, summary};
use crate::caller::Caller;
use crate::confirm::{self, Confirmation};
use crate::extract::{OptionalBody, Parameters};
use crate::respond::Failure;
use crate::users;
use axum::Json;
use axum::extract::State;
use molt_common::api::backups::{Backup, ForgetRequest};
use molt_common::id::{SandboxId, UserId};
use molt_common::problem::Problem;
use molt_common::snapshot::SnapshotId;
use molt_common::snapshot_call::{DecideSnapshot, Decided, Decision};
use molt_platform::call;
use worker::Env;

/// Takes a snapshot off the list; its data goes with the next prune. The newest that counts stays: it is what the next start restores.
///
/// A call without `confirm` does nothing and answers 409 `confirmation_required` with a token in the field `confirm`. The same call with that token
/// within two minutes does it.
#[utoipa::path(delete, path = "/api/super/users/{id}/backups/{snapshot}", tag = "backups", request_body = ForgetRequest,
    params(("id" = String, Path, format = "uuid"), ("snapshot" = String, Path, description = "64 hexadecimal digits")),
    responses((status = 200, body = Backup, description = "As it was last"), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`confirmation_required` or `backup_needed`")))]
#[worker::send]
pub async fn forget(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    OptionalBody(body): OptionalBody<ForgetRequest>,
) -> Result<Json<Backup>, Failure> {
    let user = parameters.user()?;
    users::find(&env, user).await?;
    let id = named(&env, user, &parameters).await?;
    let found = entry(&env, user, id).await?;
    let action = format!("forget {id}");
    confirm::given(
        &env,
        &Confirmation {
            action: &action,
            user,
            generation: found.sequence,
            says: &format!(
                "This takes the snapshot of {} off the list for good.",
                found.taken_at.iso()
            ),
        },
        body.confirm.as_deref(),
    )?;
    decide(&env, &caller, user, id, Decision::Delete).await
}

/// Pins a snapshot: retention leaves it alone.
#[utoipa::path(post, path = "/api/super/users/{id}/backups/{snapshot}/pin", tag = "backups",
    params(("id" = String, Path, format = "uuid"), ("snapshot" = String, Path, description = "64 hexadecimal digits, or `latest`")),
    responses((status = 200, body = Backup), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
#[worker::send]
pub async fn pin(State(env): State<Env>, caller: Caller, parameters: Parameters) -> Result<Json<Backup>, Failure> {
    one(&env, &caller, &parameters, Decision::Pin).await
}

/// Unpins a snapshot: retention may take it.
#[utoipa::path(post, path = "/api/super/users/{id}/backups/{snapshot}/unpin", tag = "backups",
    params(("id" = String, Path, format = "uuid"), ("snapshot" = String, Path, description = "64 hexadecimal digits, or `latest`")),
    responses((status = 200, body = Backup), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
#[worker::send]
pub async fn unpin(State(env): State<Env>, caller: Caller, parameters: Parameters) -> Result<Json<Backup>, Failure> {
    one(&env, &caller, &parameters, Decision::Unpin).await
}

/// Releases a snapshot that is kept apart: it counts, as the newest.
#[utoipa::path(post, path = "/api/super/users/{id}/backups/{snapshot}/release", tag = "backups",
    params(("id" = String, Path, format = "uuid"), ("snapshot" = String, Path, description = "64 hexadecimal digits")),
    responses((status = 200, body = Backup), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
#[worker::send]
pub async fn release(State(env): State<Env>, caller: Caller, parameters: Parameters) -> Result<Json<Backup>, Failure> {
    one(&env, &caller, &parameters, Decision::Release).await
}

async fn one(env: &Env, caller: &Caller, parameters: &Parameters, decision: Decision) -> Result<Json<Backup>, Failure> {
    let user = parameters.user()?;
    users::find(env, user).await?;
    let id = named(env, user, parameters).await?;
    decide(env, caller, user, id, decision).await
}

async fn decide(
    env: &Env,
    caller: &Caller,
    user: UserId,
    id: SnapshotId,
    decision: Decision,
) -> Result<Json<Backup>, Failure> {
    let author = caller.author();
    let decide = DecideSnapshot {
        id,
        decision,
        request_id: author.request_id.clone(),
        by: author,
    };
    match call::make(&call::sandbox(env, &SandboxId::personal(user))?, &decide).await? {
        Decided::Done { snapshot } => Ok(Json(Backup::of(&snapshot, summary(env, user).await?.head))),
        Decided::Unknown => Err(super::unknown(user, &id.to_string())),
        Decided::Refused { text } => Err(Problem::new(409, "backup_needed", text).into()),
    }
}
