//! A patch of the configuration of many users' agents.

use super::{all, limits, named};
use crate::bulk_job::calls::{ConfigWork, Submit, Submitted, Target, Work};
use crate::bulk_job::stub;
use crate::caller::Caller;
use crate::extract::JsonBody;
use crate::idempotency;
use crate::respond::Failure;
use crate::routes::config::change::reason;
use crate::routes::config::outcome;
use crate::users;
use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use molt_common::agent_config::locked::locked;
use molt_common::agent_config::merge::patched;
use molt_common::agent_config::{AGENT_PORT, fits, layers, secret};
use molt_common::api::config::{BulkConfigAccepted, BulkConfigRequest};
use molt_common::config_call::ConfigEditAnswer;
use molt_common::id::ExecId;
use molt_common::job_id::{JobId, JobKind};
use molt_common::problem::Problem;
use molt_lifecycle::bulk::MOST_CHILDREN;
use molt_platform::{call, entropy};
use serde_json::{Value, json};
use worker::Env;

/// Merges a patch into the configuration of many users' agents, some at a time (RFC 7396).
///
/// Without `userIds` that of all active users. It starts and wakes nobody: in a running sandbox the agent takes it into use at once, elsewhere it is staged.
/// A patch with a secret in it, or with a key that is locked for everybody, is refused. What one user's agent does not take is an error of that user, and
/// his configuration stays as it is. The answer comes at once; the
/// job is read at `pollUrl`, each user's result at `/api/super/jobs/{id}/children`. The same `Idempotency-Key` with the same body answers with the same job.
#[utoipa::path(post, path = "/api/super/bulk/config-patch", tag = "config", request_body = BulkConfigRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = BulkConfigAccepted), (status = 400, body = Problem), (status = 413, body = Problem),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn submit(
    State(env): State<Env>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<BulkConfigRequest>,
) -> Result<(StatusCode, Json<BulkConfigAccepted>), Failure> {
    let limits = limits(body.concurrency, body.stop_after_failures, None)?;
    let empty = body.patch.as_object().is_none_or(serde_json::Map::is_empty);
    if empty || !fits(&body.patch) {
        return Err(Problem::invalid(
            "patch",
            "must be a JSON object that is not empty, not too long and not nested too deep",
        )
        .into());
    }
    // The job keeps the patch for as long as it can be read.
    takes(&body.patch)?;
    let work = ConfigWork {
        patch: body.patch.clone(),
        reason: reason(body.reason.as_deref())?,
    };
    let local = match idempotency::key(&headers)? {
        Some(key) => ExecId::of_key(JobKind::BulkConfig.word(), &key),
        None => ExecId::new(entropy::now(), entropy::bytes()?),
    };
    let submit = Submit {
        job_id: JobId::fleet(JobKind::BulkConfig, local),
        work: Work::Config { config: work },
        targets: targets(&env, &body).await?,
        limits,
        fingerprint: body.fingerprint(),
        author: caller.author(),
    };
    match call::make(&stub(&env, &submit.job_id)?, &submit).await? {
        Submitted::Accepted { view } => Ok((
            StatusCode::ACCEPTED,
            Json(BulkConfigAccepted {
                poll_url: format!("/api/super/jobs/{}", view.job_id),
                job_id: view.job_id,
                state: view.state,
                total: view.progress.map_or(0, |progress| progress.total),
                success: true,
            }),
        )),
        Submitted::OtherBody => Err(idempotency::reused().into()),
        Submitted::Refused { error } => Err(Problem::invalid("body", error).into()),
    }
}

/// Refuses what no user's configuration takes, as a change of a single one is refused.
fn takes(patch: &Value) -> Result<(), Problem> {
    // What it takes away it does not say.
    let says = patched(&json!({}), patch);
    let paths = layers::violations(&says, &locked("", &[], AGENT_PORT, &[]));
    if !paths.is_empty() {
        outcome(ConfigEditAnswer::Locked { paths })?;
    }
    let paths = secret::literals(&says);
    if !paths.is_empty() {
        outcome(ConfigEditAnswer::Secret { paths })?;
    }
    Ok(())
}

async fn targets(env: &Env, body: &BulkConfigRequest) -> Result<Vec<Target>, Failure> {
    match &body.user_ids {
        Some(wanted) => named(env, "userIds", wanted).await,
        None => {
            let active = users::active(env, MOST_CHILDREN.saturating_add(1)).await?;
            Ok(all(active, "active user")?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::takes;
    use serde_json::json;

    #[test]
    fn what_nobody_takes_is_refused_before_it_is_kept() {
        let literal = json!({"channels": {"telegram": {"botToken": "12345:abcdefghijklmnopqrst"}}});
        for (patch, code, field) in [
            (literal, "config_has_secret", "channels.telegram.botToken"),
            (json!({"gateway": {"port": 1}}), "config_locked", "gateway.port"),
            (json!({"meta": {"at": 1}}), "config_locked", "meta"),
        ] {
            let problem = takes(&patch).err().unwrap_or_else(|| unreachable!());
            assert_eq!(
                (problem.status, problem.code.as_str(), problem.field.as_deref()),
                (400, code, Some(field))
            );
        }
        for patch in [
            json!({"channels": {"telegram": {"botToken": "${TELEGRAM_BOT_TOKEN}"}}}),
            json!({"gateway": {"port": null}, "logging": {"level": "warn"}}),
        ] {
            assert!(takes(&patch).is_ok(), "{patch}");
        }
    }
}
