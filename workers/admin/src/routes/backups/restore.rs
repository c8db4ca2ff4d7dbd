//! Going back: the whole disk, one file or folder, or only a look at what that would change.

use super::{accept, entry, named};
use crate::caller::Caller;
use crate::extract::{OptionalBody, Parameters};
use crate::routes::lifecycle::change::{Answered, Ask};
use crate::users;
use axum::extract::State;
use http::HeaderMap;
use molt_common::api::backups::RestoreRequest;
use molt_common::api::lifecycle::ChangeAccepted;
use molt_common::problem::Problem;
use molt_common::sandbox_change::Wanted;
use molt_common::snapshot::Standing;
use worker::Env;

/// Restores a snapshot; `latest` is the newest that counts.
///
/// Without a body the whole disk: a running sandbox is saved, stopped and started again with the snapshot as a new generation, one at rest takes it at its
/// next start. With `path` that file or folder alone, into the running sandbox. With `dryRun` nothing: the job's result lists what would change.
///
/// The answer comes at once; the job is read at `pollUrl`. The same `Idempotency-Key` with the same body answers with the same job; with another
/// body it is refused.
#[utoipa::path(post, path = "/api/super/users/{id}/backups/{snapshot}/restore", tag = "backups", request_body = RestoreRequest,
    params(("id" = String, Path, format = "uuid"), ("snapshot" = String, Path, description = "64 hexadecimal digits, or `latest`"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem),
              (status = 403, body = Problem, description = "`user_suspended`, while the sandbox runs"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`backup_quarantined`, `would_discard_disk`, `change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn restore(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<RestoreRequest>,
) -> Answered {
    let user = parameters.user()?;
    users::find(&env, user).await?;
    let snapshot = named(&env, user, &parameters).await?;
    let wanted = body.wanted(snapshot)?;
    let found = entry(&env, user, snapshot).await?;
    if found.standing == Standing::Quarantined && matches!(wanted, Wanted::Restore { .. }) {
        let why = found.why.unwrap_or_else(|| "somebody has to decide about it".into());
        let text = format!("This snapshot is kept apart: {why}. Release it first.");
        return Err(Problem::new(409, "backup_quarantined", text).into());
    }
    let ask = Ask {
        wanted,
        discard_disk: body.discard_disk,
        timeout_ms: body.timeout_ms,
    };
    accept(&env, &caller, user, &headers, ask).await
}
