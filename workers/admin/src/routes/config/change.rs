//! Changing the configuration.

use super::{Tagged, outcome, sandbox, shown, tagged};
use crate::caller::Caller;
use crate::extract::{Asked, IfHash, JsonBody, Parameters};
use crate::respond::Failure;
use crate::{placements, users};
use axum::extract::State;
use molt_common::agent_config::LONGEST_REASON;
use molt_common::api::config::{ConfigChanged, RollbackRequest};
use molt_common::config_call::{Edit, EditConfig};
use molt_common::control::config::Applied;
use molt_common::problem::Problem;
use molt_platform::call;
use serde_json::Value;
use worker::Env;

type Answered = Result<Tagged<ConfigChanged>, Failure>;

/// Replaces the user's part of the configuration.
///
/// The body is the whole of it, as `layers.user` shows it. While the sandbox runs, the agent's own schema checks it and the agent takes it into use at once;
/// otherwise it is staged for the next start. `__MOLT_KEPT__` stands for the secret that is at that place on the disk.
#[utoipa::path(put, path = "/api/super/users/{id}/config", tag = "config", request_body = Object,
    params(("id" = String, Path, format = "uuid"),
           ("If-Match" = Option<String>, Header, description = "Content hash in quotes that is to be changed; whichever is there when absent"),
           ("reason" = Option<String>, Query, description = "Why: 1 to 500 characters")),
    responses((status = 200, body = ConfigChanged, headers(("ETag" = String, description = "Content hash of the user's part, in quotes"))),
              (status = 400, body = Problem, description = "`config_locked`, `config_has_secret`, `invalid_request`"), (status = 404, body = Problem),
              (status = 409, body = Problem, description = "`config_secret_missing`, `config_unreadable` or `owned_by_legacy`"),
              (status = 412, body = Problem, description = "`config_moved`"), (status = 413, body = Problem),
              (status = 422, body = Problem, description = "`config_invalid`: the agent's schema does not take it"),
              (status = 503, body = Problem, description = "`config_not_applied`")))]
#[worker::send]
pub async fn put(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    asked: Asked,
    base: IfHash,
    JsonBody(document): JsonBody<Value>,
) -> Answered {
    let reason = reason(asked.text("reason"))?;
    change(&env, &caller, &parameters, base, Edit::Put { document }, reason).await
}

/// Merges a patch into the user's part of the configuration (RFC 7396).
///
/// Objects merge, arrays and everything else are replaced, `null` takes a key away. Without `If-Match` it is done to whichever is there, and patches that come
/// at the same time are done one after the other.
#[utoipa::path(patch, path = "/api/super/users/{id}/config", tag = "config", request_body = Object,
    params(("id" = String, Path, format = "uuid"),
           ("If-Match" = Option<String>, Header, description = "As for PUT"),
           ("reason" = Option<String>, Query, description = "Why: 1 to 500 characters")),
    responses((status = 200, body = ConfigChanged, headers(("ETag" = String, description = "Content hash of the user's part, in quotes"))),
              (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem),
              (status = 413, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
#[worker::send]
pub async fn patch(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    asked: Asked,
    base: IfHash,
    JsonBody(patch): JsonBody<Value>,
) -> Answered {
    let reason = reason(asked.text("reason"))?;
    change(&env, &caller, &parameters, base, Edit::Patch { patch }, reason).await
}

/// Makes an earlier version count again, as a new version.
#[utoipa::path(post, path = "/api/super/users/{id}/config/rollback", tag = "config", request_body = RollbackRequest,
    params(("id" = String, Path, format = "uuid"),
           ("If-Match" = Option<String>, Header, description = "As for PUT")),
    responses((status = 200, body = ConfigChanged, headers(("ETag" = String, description = "Content hash of the user's part, in quotes"))),
              (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem),
              (status = 422, body = Problem), (status = 503, body = Problem)))]
#[worker::send]
pub async fn rollback(
    State(env): State<Env>,
    caller: Caller,
    parameters: Parameters,
    base: IfHash,
    JsonBody(body): JsonBody<RollbackRequest>,
) -> Answered {
    let reason = reason(body.reason.as_deref())?;
    let version = body.version;
    change(&env, &caller, &parameters, base, Edit::Rollback { version }, reason).await
}

/// Why, within bounds.
pub fn reason(given: Option<&str>) -> Result<Option<String>, Problem> {
    match given.map(str::trim) {
        None => Ok(None),
        Some(text) if text.is_empty() || text.chars().count() > LONGEST_REASON => Err(Problem::invalid(
            "reason",
            format!("must have 1 to {LONGEST_REASON} characters"),
        )),
        Some(text) => Ok(Some(text.to_owned())),
    }
}

async fn change(
    env: &Env,
    caller: &Caller,
    parameters: &Parameters,
    IfHash(base): IfHash,
    edit: Edit,
    reason: Option<String>,
) -> Answered {
    let owner = parameters.user()?;
    users::find(env, owner).await?;
    placements::with_platform(env, owner).await?;
    let asked = EditConfig {
        id: None,
        owner,
        edit,
        base,
        by: caller.author(),
        reason,
    };
    let (view, applied) = outcome(call::make(&sandbox(env, owner)?, &asked).await?)?;
    let message = match applied {
        None => "Staged: the agent gets it when its sandbox starts.",
        Some(Applied::Unchanged) => "It was so already.",
        Some(Applied::Hot) => "The running agent has taken it.",
        Some(Applied::Restarting) => {
            "The running agent has taken it and starts its inner parts again for it, which ends its connections for a moment."
        }
        Some(Applied::Written) => "Its schema takes it; the agent reads it when it comes up.",
    };
    let hash = view.hash.clone();
    let body = ConfigChanged {
        config: shown(owner, view),
        applied,
        success: true,
        message: message.into(),
    };
    Ok(tagged(&hash, body))
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn reasons_have_bounds() {
        assert_eq!(reason(None).ok(), Some(None));
        assert_eq!(reason(Some(" why ")).ok(), Some(Some("why".into())));
        assert!(reason(Some(" ")).is_err() && reason(Some(&"x".repeat(501))).is_err());
    }
}
