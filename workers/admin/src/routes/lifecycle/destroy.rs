//! The end of a sandbox's container: asked for twice.

use super::change::{self, Answered, Ask};
use crate::caller::Caller;
use crate::confirm::{self, Confirmation};
use crate::extract::{JsonBody, Parameters};
use crate::idempotency;
use crate::respond::Failure;
use crate::users;
use axum::extract::State;
use http::HeaderMap;
use molt_common::api::lifecycle::{ChangeAccepted, DestroyRequest};
use molt_common::id::{SandboxId, UserId};
use molt_common::problem::Problem;
use molt_common::sandbox_change::{ChangeView, GetChange, Wanted};
use molt_platform::call;
use worker::Env;

/// Saves and stops a user's sandbox, and its container is gone. Its snapshots stay: its next start restores the newest. Other changes under way end.
///
/// A call without `confirm` does nothing and answers 409 `confirmation_required` with a token in the field `confirm`. The same call with that token
/// within two minutes does it, unless the sandbox was started anew in between. The same `Idempotency-Key` with the same body answers with the same job.
#[utoipa::path(post, path = "/api/super/users/{id}/destroy", tag = "lifecycle", request_body = DestroyRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`confirmation_required` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn destroy(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    JsonBody(body): JsonBody<DestroyRequest>,
) -> Answered {
    let user = parameters.user()?;
    users::find(&env, user).await?;
    // What was confirmed and done once is not asked for again: its token has expired by then.
    if let Some(change) = known(&env, user, &headers).await? {
        return Ok(change::accepted(user, &change));
    }
    confirm::given(
        &env,
        &Confirmation {
            action: Wanted::Destroy.word(),
            user,
            generation: change::state(&env, user).await?.generation,
            says: &format!(
                "This stops the sandbox of {user}; what is on its disk is saved first, unless discardDisk says otherwise."
            ),
        },
        body.confirm.as_deref(),
    )?;
    let ask = Ask {
        wanted: Wanted::Destroy,
        discard_disk: body.discard_disk,
        timeout_ms: body.timeout_ms,
    };
    let change = change::accept(&env, &caller, user, &headers, ask).await?;
    Ok(change::accepted(user, &change))
}

async fn known(env: &Env, user: UserId, headers: &HeaderMap) -> Result<Option<ChangeView>, Failure> {
    if idempotency::key(headers)?.is_none() {
        return Ok(None);
    }
    let get = GetChange {
        id: change::id(headers)?,
    };
    let found = call::make(&call::sandbox(env, &SandboxId::personal(user))?, &get).await?;
    match found {
        Some(change) if change.wanted != Wanted::Destroy => Err(idempotency::reused().into()),
        found => Ok(found),
    }
}
