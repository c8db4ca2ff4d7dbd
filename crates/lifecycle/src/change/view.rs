//! What others learn of a change.

use super::seen::Seen;
use super::{Change, Goal};
use molt_common::id::UserId;
use molt_common::job_id::JobId;
use molt_common::sandbox_call::{Lifecycle, Phase};
use molt_common::sandbox_change::ChangeView;

impl Change {
    /// Its id as a job.
    #[must_use]
    pub fn job(&self, owner: UserId) -> JobId {
        JobId::lifecycle(owner, self.id.clone())
    }

    /// As callers see it.
    #[must_use]
    pub fn view(&self, owner: UserId) -> ChangeView {
        ChangeView {
            job: self.job(owner),
            parent: self.parent.clone(),
            wanted: self.wanted.clone(),
            state: self.state,
            error: self.error.clone(),
            generation_before: self.generation_before,
            generation: self.generation,
            found: self.found,
            created_at: self.created_at,
            started_at: self.started_at,
            completed_at: self.completed_at,
            outcome: self.outcome.clone().map(Box::new),
        }
    }

    /// Why it has timed out.
    pub(super) fn lateness(&self, seen: &Seen) -> String {
        let aim = match self.goal {
            Goal::Up { .. } => "The sandbox was not seen ready",
            Goal::Gone { .. } => "The sandbox was not seen to be gone",
            Goal::Agent { .. } => "The new agent was not seen ready",
            Goal::Saved { .. } => "No snapshot was seen published",
            Goal::Upkept { .. } => "It was not seen done",
        };
        let stands = match seen.lifecycle {
            _ if seen.waits_for_capacity => "waits for room on the platform",
            Lifecycle::Stopped => "is stopped",
            Lifecycle::Sleeping => "sleeps",
            Lifecycle::Starting if seen.phase == Some(Phase::Agent) => "waits for its agent",
            Lifecycle::Starting => "is starting",
            Lifecycle::Running => "runs",
            Lifecycle::Stopping => "is stopping",
            Lifecycle::Failed => "could not be started",
        };
        let mut text = format!("{aim} within {} s; it {stands}.", self.timeout_ms / 1000);
        if let Some(cause) = &seen.cause {
            text.push(' ');
            text.push_str(cause);
        }
        text
    }
}
