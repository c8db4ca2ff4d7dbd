//! One call about one part: to the store of results that runs it.

use super::store::Asked;
use crate::exec_store::announce::ExecJobView;
use crate::exec_store::calls::{Cancel, Idempotency, ReadJob, Submit, Submitted};
use crate::{exec_store, placements};
use molt_common::audit::Author;
use molt_common::id::{ExecId, SandboxId, UserId};
use molt_common::job_id::JobId;
use molt_common::ownership::Owner;
use molt_common::sandbox_call::GetState;
use molt_lifecycle::bulk::{ChildAnswer, Step, child_key};
use molt_platform::{call, entropy};
use worker::{Env, Result};

/// One whose sandbox could not be asked whose it is, after this long.
const UNKNOWN_OWNER_MS: u64 = 1_000;

/// Makes the call of a step. It may be repeated.
pub async fn perform(env: &Env, asked: &Asked, canceller: Option<&Author>, step: &Step) -> Option<ChildAnswer> {
    let answer = match step {
        Step::Submit { user, .. } => submit(env, asked, *user).await,
        Step::Read { job, .. } => read(env, job).await,
        Step::Cancel { job, .. } => cancel(env, canceller.unwrap_or(&asked.author), job).await,
        Step::Wait { .. } => return None,
    };
    Some(answer.unwrap_or_else(|error| ChildAnswer::Unreachable {
        error: error.to_string(),
    }))
}

async fn submit(env: &Env, asked: &Asked, user: UserId) -> Result<ChildAnswer> {
    if placements::legacy_is_bound(env) {
        let sandbox = call::sandbox(env, &SandboxId::personal(user))?;
        match call::make(&sandbox, &GetState {}).await {
            Ok(view) if placements::owner(env, &view) == Owner::Legacy => {
                return Ok(ChildAnswer::Refused {
                    error: "The user is with what ran before, so he has no sandbox here.".into(),
                });
            }
            Ok(_) => {}
            // Nothing was submitted.
            Err(error) => {
                return Ok(ChildAnswer::NotNow {
                    error: error.to_string(),
                    retry_after_ms: UNKNOWN_OWNER_MS,
                });
            }
        }
    }
    let id = ExecId::new(entropy::now(), entropy::bytes()?);
    let start = match asked.request.checked(&id) {
        Ok(start) => start,
        Err(problem) => return Ok(ChildAnswer::Refused { error: problem.detail }),
    };
    let submit = Submit {
        user_id: user,
        tier: asked.tier(user),
        shown: asked.request.shown(),
        start,
        idempotency: Some(Idempotency {
            key: key(&asked.job_id, user),
            fingerprint: asked.request.fingerprint(),
        }),
        parent: Some(asked.job_id.clone()),
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

async fn read(env: &Env, job: &JobId) -> Result<ChildAnswer> {
    let Some(user) = job.owner() else {
        return Ok(ChildAnswer::Gone);
    };
    let exec_id = job.local().clone();
    let read = call::make(&exec_store::stub(env, user)?, &ReadJob { exec_id }).await?;
    Ok(read.map_or(ChildAnswer::Gone, stands))
}

async fn cancel(env: &Env, author: &Author, job: &JobId) -> Result<ChildAnswer> {
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
