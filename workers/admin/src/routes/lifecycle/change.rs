//! Handing a change to its sandbox, and saying what became of that.

use crate::caller::Caller;
use crate::idempotency;
use crate::respond::Failure;
use crate::users::User;
use crate::{changes, placements, users};
use axum::Json;
use http::{HeaderMap, StatusCode};
use molt_common::api::lifecycle::{
    CHANGE_TIMEOUT_DEFAULT_MS, CHANGE_TIMEOUT_MAX_MS, CHANGE_TIMEOUT_MIN_MS, ChangeAccepted,
};
use molt_common::id::{ExecId, SandboxId, UserId};
use molt_common::job_id::{JobId, JobKind};
use molt_common::problem::Problem;
use molt_common::sandbox_call::{GetState, Lifecycle, SandboxView};
use molt_common::sandbox_change::{ChangeSandbox, ChangeView, Wanted};
use molt_platform::{call, entropy};
use worker::Env;

/// What is asked for.
pub struct Ask {
    /// What.
    pub wanted: Wanted,
    /// It may be stopped although nothing can be saved.
    pub discard_disk: bool,
    /// As the caller gave it.
    pub timeout_ms: Option<u64>,
}

/// A change that was accepted answers 202.
pub type Answered = Result<(StatusCode, Json<ChangeAccepted>), Failure>;

/// Hands a change to the user's sandbox, which answers with the change that it is, old or new.
pub async fn accept(
    env: &Env,
    caller: &Caller,
    user_id: UserId,
    headers: &HeaderMap,
    ask: Ask,
) -> Result<ChangeView, Failure> {
    let id = id(headers)?;
    let timeout_ms = timeout_ms(ask.timeout_ms)?;
    let user = users::find(env, user_id).await?;
    placements::with_platform(env, user_id).await?;
    if user.is_suspended() && may_start(env, user_id, &ask.wanted).await? {
        return Err(suspended(user_id).into());
    }
    let author = caller.author();
    let change = ChangeSandbox {
        id,
        owner: user_id,
        tier: user.tier,
        wanted: ask.wanted,
        discard_disk: ask.discard_disk,
        parent: None,
        request_id: author.request_id.clone(),
        by: author,
        timeout_ms,
    };
    let answer = call::make(&call::sandbox(env, &SandboxId::personal(user_id))?, &change).await?;
    changes::read(answer, &change.wanted).map_err(Failure::from)
}

/// 403 for what would start the sandbox of a suspended user.
pub fn suspended(user: UserId) -> Problem {
    Problem::new(
        403,
        "user_suspended",
        format!("{user} is suspended, and this would start his sandbox. Reinstate him first."),
    )
}

/// Whether a change starts something that does not run now.
async fn may_start(env: &Env, user: UserId, wanted: &Wanted) -> Result<bool, Failure> {
    Ok(match wanted {
        Wanted::Wake | Wanted::Restart { .. } | Wanted::EmergencyReset => true,
        Wanted::Destroy | Wanted::Save | Wanted::Upkeep { .. } => false,
        // A running sandbox is started again; one that does not run is only told what to start with.
        Wanted::Tier { .. } | Wanted::Image { .. } | Wanted::Restore { .. } => matches!(
            state(env, user).await?.lifecycle,
            Lifecycle::Starting | Lifecycle::Running | Lifecycle::Stopping
        ),
    })
}

/// Whether the user's sandbox is up, so that what is done in it starts nothing.
pub async fn runs(env: &Env, user: UserId) -> Result<bool, Failure> {
    let lifecycle = state(env, user).await?.lifecycle;
    Ok(matches!(lifecycle, Lifecycle::Starting | Lifecycle::Running))
}

/// What the user's sandbox has stored.
pub async fn state(env: &Env, user: UserId) -> Result<SandboxView, Failure> {
    Ok(call::make(&call::sandbox(env, &SandboxId::personal(user))?, &GetState {}).await?)
}

/// Of a user who was just found: what his sandbox has stored, with the tier that its first start will have.
pub async fn state_of(env: &Env, id: UserId, user: &User) -> Result<SandboxView, Failure> {
    let mut view = state(env, id).await?;
    if view.generation == 0 {
        view.tier = view.next_tier.unwrap_or(user.tier);
    }
    Ok(view)
}

/// The id of the job: a caller's key names one, so that a repetition is the same job.
pub fn id(headers: &HeaderMap) -> Result<ExecId, Failure> {
    Ok(match idempotency::key(headers)? {
        Some(key) => ExecId::of_key(JobKind::Lifecycle.word(), &key),
        None => ExecId::new(entropy::now(), entropy::bytes()?),
    })
}

/// A time limit within what may be asked.
pub fn timeout_ms(asked: Option<u64>) -> Result<u64, Problem> {
    let timeout_ms = asked.unwrap_or(CHANGE_TIMEOUT_DEFAULT_MS);
    if !(CHANGE_TIMEOUT_MIN_MS..=CHANGE_TIMEOUT_MAX_MS).contains(&timeout_ms) {
        return Err(Problem::invalid(
            "timeoutMs",
            format!("must be from {CHANGE_TIMEOUT_MIN_MS} to {CHANGE_TIMEOUT_MAX_MS}"),
        ));
    }
    Ok(timeout_ms)
}

/// Path of a job.
pub fn poll_url(job: &JobId) -> String {
    format!("/api/super/jobs/{job}")
}

/// The 202.
pub fn accepted(user_id: UserId, change: &ChangeView) -> (StatusCode, Json<ChangeAccepted>) {
    let title = change.wanted.title();
    let message = if change.state.is_terminal() {
        format!("{title}: {}", change.state.word())
    } else {
        format!("{title}: accepted")
    };
    let accepted = ChangeAccepted {
        poll_url: poll_url(&change.job),
        job_id: change.job.clone(),
        state: change.state,
        success: true,
        user_id,
        message,
        check_status_url: format!("/api/super/users/{user_id}/state/v2"),
    };
    (StatusCode::ACCEPTED, Json(accepted))
}

#[cfg(test)]
mod tests {
    use super::timeout_ms;

    #[test]
    fn a_time_limit_has_bounds() {
        assert_eq!(timeout_ms(None).ok(), Some(300_000));
        for (asked, ok) in [
            (0, false),
            (999, false),
            (1_000, true),
            (3_600_000, true),
            (3_600_001, false),
        ] {
            assert_eq!(timeout_ms(Some(asked)).is_ok(), ok, "{asked}");
        }
    }
}
