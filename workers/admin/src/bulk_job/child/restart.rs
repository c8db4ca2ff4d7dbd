//! A part that is a restart: a change that its user's sandbox keeps and drives.

use crate::bulk_job::calls::RestartWork;
use crate::bulk_job::store::Asked;
use crate::changes;
use molt_common::audit::Author;
use molt_common::id::{ExecId, SandboxId, UserId};
use molt_common::job_id::JobId;
use molt_common::sandbox_change::{CancelChange, ChangeAnswer, ChangeSandbox, ChangeView, GetChange, Wanted};
use molt_lifecycle::bulk::{ChildAnswer, child_key};
use molt_platform::call;
use worker::{Env, Result};

/// A sandbox in which another change is under way is asked again after this long.
const BUSY_MS: u64 = 2_000;

/// Submits it. The same id again answers with the first.
pub async fn submit(env: &Env, asked: &Asked, restart: RestartWork, user: UserId) -> Result<ChildAnswer> {
    let wanted = Wanted::Restart { scope: restart.scope };
    let change = ChangeSandbox {
        id: id(&asked.job_id, user),
        owner: user,
        tier: asked.tier(user),
        wanted,
        discard_disk: restart.discard_disk,
        parent: Some(asked.job_id.clone()),
        by: asked.author.clone(),
        request_id: asked.author.request_id.clone(),
        timeout_ms: restart.timeout_ms,
    };
    let answer = call::make(&call::sandbox(env, &SandboxId::personal(user))?, &change).await?;
    Ok(match answer {
        ChangeAnswer::Busy { job } => ChildAnswer::NotNow {
            error: format!("{job} is under way for this sandbox."),
            retry_after_ms: BUSY_MS,
        },
        answer => match changes::read(answer, &change.wanted) {
            Ok(change) => stands(change),
            Err(problem) => ChildAnswer::Refused { error: problem.detail },
        },
    })
}

/// The id of a part, which no caller's key names: those are of another kind.
fn id(parent: &JobId, user: UserId) -> ExecId {
    ExecId::of_key("part", &child_key(parent, user))
}

/// How it stands.
pub async fn read(env: &Env, job: &JobId) -> Result<ChildAnswer> {
    let get = GetChange {
        id: job.local().clone(),
    };
    told(env, job, &get).await
}

/// Tells it to end.
pub async fn cancel(env: &Env, author: &Author, job: &JobId) -> Result<ChildAnswer> {
    let cancel = CancelChange {
        id: job.local().clone(),
        by: Some(author.clone()),
    };
    told(env, job, &cancel).await
}

async fn told<C>(env: &Env, job: &JobId, ask: &C) -> Result<ChildAnswer>
where
    C: molt_common::object_call::Call<Answer = Option<ChangeView>>,
{
    let Some(user) = job.owner() else {
        return Ok(ChildAnswer::Gone);
    };
    let change = call::make(&call::sandbox(env, &SandboxId::personal(user))?, ask).await?;
    Ok(change.map_or(ChildAnswer::Gone, stands))
}

fn stands(change: ChangeView) -> ChildAnswer {
    ChildAnswer::Stands {
        job: change.job,
        state: change.state,
        exit_code: None,
        error: change.error,
    }
}

#[cfg(test)]
mod tests {
    use super::id;
    use molt_common::id::{ExecId, UserId};
    use molt_common::job_id::{JobId, JobKind};
    use molt_lifecycle::bulk::child_key;

    #[test]
    fn a_part_has_one_id_that_no_caller_can_give() {
        let parent = JobId::fleet(
            JobKind::BulkRestart,
            ExecId::parse("b").unwrap_or_else(|_| unreachable!()),
        );
        let user = UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap_or_else(|_| unreachable!());
        assert_eq!(id(&parent, user), id(&parent, user));
        // As a caller's key names a change (routes/lifecycle/change.rs).
        let key = child_key(&parent, user);
        assert_ne!(id(&parent, user), ExecId::of_key(JobKind::Lifecycle.word(), &key));
    }
}
