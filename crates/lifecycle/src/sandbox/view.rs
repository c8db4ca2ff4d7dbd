//! What others learn of a sandbox: its alarm, whether a generation lives, and what it shows.

use super::{HEARTBEAT_MS, Sandbox, Stage};
use molt_common::sandbox_call::{Lifecycle, Phase, SandboxView};
use molt_common::time::Millis;

impl Sandbox {
    /// When the object wants to be woken next; `None` when nothing is going on.
    #[must_use]
    pub fn next_alarm(&self, now: Millis) -> Option<Millis> {
        match self.stage {
            Stage::Stopped | Stage::Failed { .. } => None,
            Stage::Starting { .. } | Stage::Stopping { .. } => Some(now),
            // A missed probe is repeated soon.
            Stage::Running if self.misses > 0 => Some(now.plus(1_000)),
            Stage::Running => Some(now.plus(HEARTBEAT_MS)),
        }
    }

    /// Whether the work of `generation` can still go on.
    #[must_use]
    pub fn lives(&self, generation: u64) -> bool {
        self.generation == generation
            && matches!(
                self.stage,
                Stage::Starting { .. } | Stage::Running | Stage::Stopping { .. }
            )
    }

    /// What others may know.
    #[must_use]
    pub fn view(&self) -> SandboxView {
        let (lifecycle, phase, retry_at) = match self.stage {
            Stage::Stopped => (Lifecycle::Stopped, None, None),
            Stage::Starting { phase, .. } => (Lifecycle::Starting, Some(phase), None),
            Stage::Running => (Lifecycle::Running, Some(Phase::Ready), None),
            Stage::Stopping { .. } => (Lifecycle::Stopping, None, None),
            Stage::Failed { retry_at } => (Lifecycle::Failed, None, Some(retry_at)),
        };
        SandboxView {
            owner: self.owner,
            lifecycle,
            phase,
            generation: self.generation,
            since: self.since,
            observed_at: self.observed_at,
            cause: self.cause.clone(),
            retry_at,
            image: self.image.clone(),
            tier: self.tier,
            log_tail: if matches!(self.stage, Stage::Running) {
                vec![]
            } else {
                self.log_tail.clone()
            },
            ..SandboxView::never_started(self.tier)
        }
    }
}
