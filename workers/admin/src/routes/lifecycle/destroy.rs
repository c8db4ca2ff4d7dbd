//! The end of a sandbox's disk: asked for twice.

use super::change::{self, Answered, Ask};
use crate::caller::Caller;
use crate::extract::{JsonBody, Parameters};
use crate::idempotency;
use crate::respond::Failure;
use crate::{changes, users};
use axum::extract::State;
use http::HeaderMap;
use molt_common::api::lifecycle::{ChangeAccepted, DestroyRequest};
use molt_common::confirmation::{self, Confirmed};
use molt_common::id::{SandboxId, UserId};
use molt_common::problem::Problem;
use molt_common::sandbox_change::{ChangeView, GetChange, Wanted};
use molt_platform::{admitted, call, entropy};
use worker::Env;

/// Stops a user's sandbox at once, and its disk is gone. It stays startable, from nothing, and other changes under way end.
///
/// A call without `confirm` does nothing and answers 409 `confirmation_required` with a token in the field `confirm`. The same call with that token
/// within two minutes does it, unless the sandbox was started anew in between. The same `Idempotency-Key` with the same body answers with the same job.
#[utoipa::path(post, path = "/api/super/users/{id}/destroy", tag = "lifecycle", request_body = DestroyRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`would_discard_disk`, `confirmation_required` or `owned_by_legacy`"),
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
    if !body.discard_disk {
        return Err(changes::would_discard_disk(None, &Wanted::Destroy.title()).into());
    }
    // What was confirmed and done once is not asked for again: its token has expired by then.
    if let Some(change) = known(&env, user, &headers).await? {
        return Ok(change::accepted(user, &change));
    }
    confirmed(&env, user, body.confirm.as_deref()).await?;
    let ask = Ask {
        wanted: Wanted::Destroy,
        discard_disk: true,
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

async fn confirmed(env: &Env, user: UserId, given: Option<&str>) -> Result<(), Failure> {
    let keys = admitted::keys(env).map_err(|error| worker::Error::RustError(error.to_string()))?;
    let what = Confirmed {
        action: Wanted::Destroy.word(),
        user,
        generation: change::state(env, user).await?.generation,
    };
    let now = entropy::now();
    let why = match given.map(|token| confirmation::check(&keys, token, &what, now)) {
        Some(Ok(())) => return Ok(()),
        Some(Err(error)) => format!("confirm {error}."),
        None => format!("This discards all that {user} has in the sandbox."),
    };
    let token = confirmation::token(&keys, &what, now).map_err(|error| worker::Error::RustError(error.to_string()))?;
    Err(Problem::new(
        409,
        "confirmation_required",
        format!("{why} Send the same call with the value of `confirm` of this answer within two minutes."),
    )
    .confirmed_by(&token)
    .into())
}
