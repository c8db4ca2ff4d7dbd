//! Reading a repository again, and removing what nothing needs.

use super::{accept, entry, named};
use crate::caller::Caller;
use crate::extract::{OptionalBody, Parameters};
use crate::routes::lifecycle::change::{Answered, Ask};
use crate::users;
use axum::extract::State;
use http::HeaderMap;
use molt_common::api::backups::{BackupRequest, VerifyRequest};
use molt_common::api::lifecycle::ChangeAccepted;
use molt_common::problem::Problem;
use molt_common::sandbox_change::{Wanted, WantedUpkeep};
use worker::Env;

/// Reads a snapshot again in the running sandbox and compares it with what was saved: a sample, or everything with `full`.
///
/// `latest` is the newest that counts. The job's result and the snapshot's `verification` tell what was found; a fault fails the job. The same
/// `Idempotency-Key` with the same body answers with the same job; with another body it is refused.
#[utoipa::path(post, path = "/api/super/users/{id}/backups/{snapshot}/verify", tag = "backups", request_body = VerifyRequest,
    params(("id" = String, Path, format = "uuid"), ("snapshot" = String, Path, description = "64 hexadecimal digits, or `latest`"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn verify(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<VerifyRequest>,
) -> Answered {
    let user = parameters.user()?;
    users::find(&env, user).await?;
    let snapshot = named(&env, user, &parameters).await?;
    entry(&env, user, snapshot).await?;
    let work = WantedUpkeep::Verify {
        snapshot: Some(snapshot),
        full: body.full,
    };
    let ask = Ask {
        wanted: Wanted::Upkeep { work },
        discard_disk: false,
        timeout_ms: body.timeout_ms,
    };
    accept(&env, &caller, user, &headers, ask).await
}

/// Removes from a repository what no listed snapshot needs. It may be interrupted anywhere; the next one finishes it.
///
/// The job's result says how many bytes went. The same `Idempotency-Key` with the same body answers with the same job; with another body it is refused.
#[utoipa::path(post, path = "/api/super/users/{id}/backups/prune", tag = "backups", request_body = BackupRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn prune(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<BackupRequest>,
) -> Answered {
    let user = parameters.user()?;
    let ask = Ask {
        wanted: Wanted::Upkeep {
            work: WantedUpkeep::Prune,
        },
        discard_disk: false,
        timeout_ms: body.timeout_ms,
    };
    accept(&env, &caller, user, &headers, ask).await
}
