//! A restart of the sandboxes of many users.

use super::{all, limits, named};
use crate::bulk_job::calls::{RestartWork, Submit, Submitted, Target, Work};
use crate::bulk_job::stub;
use crate::caller::Caller;
use crate::extract::OptionalBody;
use crate::idempotency;
use crate::respond::Failure;
use crate::routes::lifecycle::change;
use crate::users;
use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use molt_common::api::lifecycle::{BulkRestartAccepted, BulkRestartRequest};
use molt_common::id::ExecId;
use molt_common::job_id::{JobId, JobKind};
use molt_common::problem::Problem;
use molt_lifecycle::bulk::{BulkLimits, MOST_CHILDREN};
use molt_platform::{call, entropy};
use worker::Env;

/// What one restart takes, as older scripts guess it.
const ONE_TAKES_MS: u64 = 5_000;

/// Restarts the sandboxes of many users, some at a time.
///
/// Without `userIds` those of all active users that run or are being started, as they last announced themselves. A user who is named and whose sandbox
/// does not run has it started. The answer comes at once; the job is read at `pollUrl`, its parts at `/api/super/jobs/{id}/children`. Each part is a job of
/// its own. A sandbox in which another change is under way waits for its end, up to a quarter of an hour. The same `Idempotency-Key` with the same
/// body answers with the same job; with another body it is refused.
#[utoipa::path(post, path = "/api/super/bulk/restart", tag = "jobs", request_body = BulkRestartRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 202, body = BulkRestartAccepted), (status = 400, body = Problem),
              (status = 413, body = Problem),
              (status = 422, body = Problem, description = "The key was used with another body")))]
#[worker::send]
pub async fn submit(
    State(env): State<Env>,
    caller: Caller,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<BulkRestartRequest>,
) -> Result<(StatusCode, Json<BulkRestartAccepted>), Failure> {
    let limits = limits(body.concurrency, body.stop_after_failures, body.delay_ms)?;
    let work = RestartWork {
        scope: body.scope.unwrap_or_default(),
        discard_disk: body.discard_disk,
        timeout_ms: change::timeout_ms(body.timeout_ms)?,
    };
    let local = match idempotency::key(&headers)? {
        Some(key) => ExecId::of_key(JobKind::BulkRestart.word(), &key),
        None => ExecId::new(entropy::now(), entropy::bytes()?),
    };
    let submit = Submit {
        job_id: JobId::fleet(JobKind::BulkRestart, local),
        work: Work::Restart { restart: work },
        targets: targets(&env, &body).await?,
        limits,
        fingerprint: body.fingerprint(),
        author: caller.author(),
    };
    match call::make(&stub(&env, &submit.job_id)?, &submit).await? {
        Submitted::Accepted { view } => {
            let total = view.progress.map_or(0, |progress| progress.total);
            Ok((
                StatusCode::ACCEPTED,
                Json(BulkRestartAccepted {
                    poll_url: change::poll_url(&view.job_id),
                    job_id: view.job_id,
                    state: view.state,
                    total,
                    success: true,
                    message: format!("{}: accepted for {total}", view.title),
                    delay_ms: limits.pause_ms,
                    estimated_duration_ms: estimated_ms(total, limits),
                    check_status_url: "/api/super/state/dashboard".into(),
                }),
            ))
        }
        Submitted::OtherBody => Err(idempotency::reused().into()),
        Submitted::Refused { error } => Err(Problem::invalid("body", error).into()),
    }
}

fn estimated_ms(total: u32, limits: BulkLimits) -> u64 {
    let rounds = u64::from(total.div_ceil(limits.concurrency.max(1)));
    let pauses = u64::from(total).saturating_mul(limits.pause_ms);
    rounds
        .saturating_mul(ONE_TAKES_MS)
        .max(pauses.saturating_add(ONE_TAKES_MS))
}

async fn targets(env: &Env, body: &BulkRestartRequest) -> Result<Vec<Target>, Failure> {
    let (field, wanted) = match (&body.user_ids, &body.users) {
        (Some(_), Some(_)) => return Err(Problem::invalid("users", "and userIds exclude each other").into()),
        (Some(wanted), None) => ("userIds", wanted),
        (None, Some(wanted)) => ("users", wanted),
        (None, None) => {
            let up = users::up(env, MOST_CHILDREN.saturating_add(1)).await?;
            return Ok(all(up, "active user whose sandbox runs")?);
        }
    };
    let targets = named(env, field, wanted).await?;
    let suspended = users::suspended(env, wanted).await?;
    match wanted.iter().position(|user| suspended.contains(user)) {
        None => Ok(targets),
        Some(index) => Err(Problem::invalid(&format!("{field}[{index}]"), "names a suspended user").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::estimated_ms;
    use molt_lifecycle::bulk::BulkLimits;

    #[test]
    fn the_guess_counts_pauses_and_rounds() {
        let guess = |total, concurrency, pause_ms| {
            let limits = BulkLimits {
                concurrency,
                stop_after_failures: None,
                pause_ms,
            };
            estimated_ms(total, limits)
        };
        assert_eq!(guess(10, 5, 0), 10_000);
        assert_eq!(guess(10, 5, 5_000), 55_000);
        assert_eq!(guess(1, 50, 0), 5_000);
    }
}
