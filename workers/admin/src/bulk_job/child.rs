//! One call about one part: to what runs it.

mod config;
mod exec;
mod restart;

use super::calls::Work;
use super::store::Asked;
use crate::respond::Failure;
use crate::{placements, users};
use molt_common::audit::Author;
use molt_common::id::{SandboxId, UserId};
use molt_common::job_id::{JobId, JobKind};
use molt_common::ownership::Owner;
use molt_common::sandbox_call::GetState;
use molt_lifecycle::bulk::{ChildAnswer, Step};
use molt_platform::call;
use worker::{Env, Result};

/// One of whom it could not be told whether he is there, or whose sandbox he has, after this long.
const UNKNOWN_MS: u64 = 1_000;

/// Makes the call of a step. It may be repeated.
pub async fn perform(env: &Env, asked: &Asked, canceller: Option<&Author>, step: &Step) -> Option<ChildAnswer> {
    let author = canceller.unwrap_or(&asked.author);
    let answer = match step {
        Step::Submit { cancelled: true, .. } if matches!(asked.work, Work::Config { .. }) => Ok(config::not_again()),
        Step::Submit { user, .. } => submit(env, asked, *user).await,
        Step::Read { job, .. } if is_change(job) => restart::read(env, job).await,
        Step::Read { job, .. } => exec::read(env, job).await,
        Step::Cancel { job, .. } if is_change(job) => restart::cancel(env, author, job).await,
        Step::Cancel { job, .. } => exec::cancel(env, author, job).await,
        Step::Wait { .. } => return None,
    };
    Some(answer.unwrap_or_else(|error| ChildAnswer::Unreachable {
        error: error.to_string(),
    }))
}

fn is_change(job: &JobId) -> bool {
    job.kind() == JobKind::Lifecycle
}

async fn submit(env: &Env, asked: &Asked, user: UserId) -> Result<ChildAnswer> {
    // Who is meant was read when the job was submitted. Whoever was removed since must not get a sandbox again.
    match users::find(env, user).await {
        Ok(_) => {}
        Err(Failure(problem)) if problem.status == 404 => return Ok(ChildAnswer::Refused { error: problem.detail }),
        // Nothing was submitted.
        Err(Failure(problem)) => {
            return Ok(ChildAnswer::NotNow {
                error: problem.detail,
                retry_after_ms: UNKNOWN_MS,
            });
        }
    }
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
                    retry_after_ms: UNKNOWN_MS,
                });
            }
        }
    }
    match &asked.work {
        Work::Exec { request } => exec::submit(env, asked, request, user).await,
        Work::Restart { restart } => restart::submit(env, asked, *restart, user).await,
        Work::Config { config } => config::submit(env, asked, config, user).await,
    }
}
