//! A part that is a command: in its user's store of results.

use crate::bulk_job::store::Asked;
use crate::exec_store;
use crate::exec_store::announce::ExecJobView;
use crate::exec_store::calls::{Cancel, Idempotency, ReadJob, Submit, Submitted};
use molt_common::api::ExecRequest;
use molt_common::audit::Author;
use molt_common::id::{ExecId, UserId};
use molt_common::job_id::JobId;
use molt_lifecycle::bulk::{ChildAnswer, child_key};
use molt_lifecycle::sandbox::owner::SHUT_OUT;
use molt_platform::{call, entropy};
use worker::{Env, Result};

/// Submits it. Under its key it may be repeated.
pub async fn submit(env: &Env, asked: &Asked, request: &ExecRequest, user: UserId) -> Result<ChildAnswer> {
    let id = ExecId::new(entropy::now(), entropy::bytes()?);
    let start = match request.checked(&id) {
        Ok(start) => start,
        Err(problem) => return Ok(ChildAnswer::Refused { error: problem.detail }),
    };
    let submit = Submit {
        user_id: user,
        tier: asked.tier(user),
        shown: request.shown(),
        start,
        idempotency: Some(Idempotency {
            key: key(&asked.job_id, user),
            fingerprint: request.fingerprint(),
        }),
        parent: Some(asked.job_id.clone()),
        // Looked at where it would be started.
        shut_out: false,
        author: asked.author.clone(),
    };
    Ok(match call::make(&exec_store::stub(env, user)?, &submit).await? {
        Submitted::Accepted { row } => ChildAnswer::Stands {
            job: JobId::exec(user, row.exec_id),
            state: row.job.state,
            exit_code: row.job.exit_code,
            error: row.job.error,
        },
        Submitted::OtherBody => ChildAnswer::Refused {
            error: "The key of this part was used for another command.".into(),
        },
        Submitted::ShutOut => ChildAnswer::Refused { error: SHUT_OUT.into() },
        Submitted::Full {
            under_way,
            queued,
            retry_after_s,
        } => ChildAnswer::NotNow {
            error: format!("{under_way} commands of this sandbox are under way and {queued} more wait."),
            retry_after_ms: u64::from(retry_after_s).saturating_mul(1_000),
        },
    })
}

/// No key that a caller gives holds a space, so none of them is this one.
fn key(parent: &JobId, user: UserId) -> String {
    format!("job {}", child_key(parent, user))
}

/// How it stands.
pub async fn read(env: &Env, job: &JobId) -> Result<ChildAnswer> {
    let Some(user) = job.owner() else {
        return Ok(ChildAnswer::Gone);
    };
    let exec_id = job.local().clone();
    let read = call::make(&exec_store::stub(env, user)?, &ReadJob { exec_id }).await?;
    Ok(read.map_or(ChildAnswer::Gone, stands))
}

/// Tells it to end.
pub async fn cancel(env: &Env, author: &Author, job: &JobId) -> Result<ChildAnswer> {
    let Some(user) = job.owner() else {
        return Ok(ChildAnswer::Gone);
    };
    let cancel = Cancel {
        exec_id: job.local().clone(),
        author: author.clone(),
    };
    call::make(&exec_store::stub(env, user)?, &cancel).await?;
    read(env, job).await
}

fn stands(job: ExecJobView) -> ChildAnswer {
    ChildAnswer::Stands {
        job: job.view.job_id,
        state: job.view.state,
        exit_code: job.exit_code,
        error: job.view.error,
    }
}

#[cfg(test)]
mod tests {
    use super::key;
    use molt_common::id::{ExecId, UserId};
    use molt_common::job_id::{JobId, JobKind};

    #[test]
    fn no_caller_can_give_the_key_of_a_part() {
        let parent = JobId::fleet(JobKind::BulkExec, ExecId::parse("b").unwrap_or_else(|_| unreachable!()));
        let user = UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap_or_else(|_| unreachable!());
        // Callers' keys are visible ASCII (routes/idempotency.rs).
        assert!(!key(&parent, user).bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
