//! A part that is a patch of a configuration: done by one call to the user's sandbox, and over then.

use crate::bulk_job::calls::ConfigWork;
use crate::bulk_job::store::Asked;
use crate::routes::config::outcome;
use molt_common::api::JobState;
use molt_common::config_call::{ConfigEditAnswer, Edit, EditConfig};
use molt_common::id::{SandboxId, UserId};
use molt_lifecycle::bulk::{ChildAnswer, child_key};
use molt_platform::call;
use worker::{Env, Result};

/// A sandbox that could not take it is asked again after this long.
const AGAIN_MS: u64 = 2_000;

/// After a cancel. Asking again what became of it would do it where it was not done.
pub fn not_again() -> ChildAnswer {
    ChildAnswer::Refused {
        error: "the job was cancelled, so it was not asked for again. The user's configuration tells.".into(),
    }
}

/// Does it. The same again is done once.
pub async fn submit(env: &Env, asked: &Asked, work: &ConfigWork, user: UserId) -> Result<ChildAnswer> {
    let edit = EditConfig {
        id: Some(child_key(&asked.job_id, user)),
        owner: user,
        edit: Edit::Patch {
            patch: work.patch.clone(),
        },
        base: None,
        by: asked.author.clone(),
        reason: work.reason.clone(),
    };
    let answer = call::make(&call::sandbox(env, &SandboxId::personal(user))?, &edit).await?;
    Ok(told(answer))
}

fn told(answer: ConfigEditAnswer) -> ChildAnswer {
    match answer {
        // Whether it was taken is as open as without an answer.
        ConfigEditAnswer::NotNow { error, unclear: true } => ChildAnswer::Unreachable { error },
        ConfigEditAnswer::NotNow { error, .. } => ChildAnswer::NotNow {
            error,
            retry_after_ms: AGAIN_MS,
        },
        answer => match outcome(answer) {
            Ok(_) => ChildAnswer::Ended {
                state: JobState::Succeeded,
                error: None,
            },
            Err(problem) => ChildAnswer::Refused { error: problem.detail },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::told;
    use molt_common::config_call::ConfigEditAnswer;
    use molt_lifecycle::bulk::ChildAnswer;

    #[test]
    fn what_the_agent_may_still_do_is_not_told_as_not_done() {
        let answer = |unclear| {
            told(ConfigEditAnswer::NotNow {
                error: "why".into(),
                unclear,
            })
        };
        assert!(matches!(answer(true), ChildAnswer::Unreachable { .. }));
        assert!(matches!(answer(false), ChildAnswer::NotNow { .. }));
        assert!(matches!(told(ConfigEditAnswer::Unfit), ChildAnswer::Refused { .. }));
        // As the release before answers.
        let stored = serde_json::from_str(r#"{"answer": "not_now", "error": "why"}"#);
        let stored: ConfigEditAnswer = stored.unwrap_or_else(|_| unreachable!());
        assert!(matches!(told(stored), ChildAnswer::NotNow { .. }));
    }
}
