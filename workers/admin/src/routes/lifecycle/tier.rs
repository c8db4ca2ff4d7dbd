//! How much a sandbox gets.

use super::change::{self, Answered, Ask};
use crate::caller::Caller;
use crate::extract::{JsonBody, Parameters};
use axum::extract::State;
use http::HeaderMap;
use molt_common::api::lifecycle::{ChangeAccepted, TierRequest};
use molt_common::problem::Problem;
use molt_common::sandbox_change::Wanted;
use worker::Env;

/// Gives a user's sandbox another tier. A running one is saved, and started again with it and its disk; one that does not run gets it with its next start.
///
/// The same `Idempotency-Key` with the same body answers with the same job; with another body it is refused.
#[utoipa::path(put, path = "/api/super/users/{id}/tier", tag = "lifecycle", request_body = TierRequest,
    params(("id" = String, Path, format = "uuid"),
           ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = ChangeAccepted), (status = 400, body = Problem),
              (status = 403, body = Problem, description = "`user_suspended`, while the sandbox runs"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`change_in_progress` or `owned_by_legacy`"),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn set(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    headers: HeaderMap,
    JsonBody(body): JsonBody<TierRequest>,
) -> Answered {
    let user = parameters.user()?;
    if !(1..=3).contains(&body.tier) {
        return Err(Problem::invalid("tier", "must be 1, 2 or 3").into());
    }
    let ask = Ask {
        wanted: Wanted::Tier { tier: body.tier },
        discard_disk: body.discard_disk,
        timeout_ms: body.timeout_ms,
    };
    let change = change::accept(&env, &caller, user, &headers, ask).await?;
    Ok(change::accepted(user, &change))
}
