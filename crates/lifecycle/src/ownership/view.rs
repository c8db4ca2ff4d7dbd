//! What follows from where a user is: what is to be done, who is answered what, and what others learn.

use super::{Ownership, Stage, Work};
use molt_common::ownership::{Owner, Placement};
use molt_common::sandbox_call::{Lifecycle, Phase, SandboxView};
use molt_common::time::Millis;

/// What a request that came for the sandbox gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It goes in.
    Open,
    /// It waits: soon it is known where the user is.
    Wait,
    /// `LEGACY` answers it.
    Elsewhere,
}

impl Ownership {
    /// Whether the sandbox may be started and run.
    #[must_use]
    pub const fn may_run(&self) -> bool {
        // Somebody who was here before there was a `LEGACY` is fenced off too, but not shut out when that cannot be done.
        matches!(self.stage, Stage::New) && (self.fenced || self.attempts > 0)
    }

    /// What is to be done, if anything is.
    #[must_use]
    pub fn due(&self, now: Millis) -> Option<Work> {
        let owner = match self.stage {
            Stage::Stopping => return Some(Work::StopSandbox),
            Stage::Exporting => {
                let epoch = self.epoch;
                return (now >= self.retry_at).then_some(Work::Export { epoch });
            }
            Stage::Fencing => Owner::New,
            Stage::New if !self.fenced => Owner::New,
            Stage::Unfencing => Owner::Legacy,
            Stage::New | Stage::Legacy => return None,
        };
        (now >= self.retry_at).then_some(Work::SetOwner {
            owner,
            epoch: self.epoch,
        })
    }

    /// When there is something to do next.
    #[must_use]
    pub fn next_alarm(&self) -> Option<Millis> {
        self.due(Millis(u64::MAX)).map(|_| self.retry_at)
    }

    /// What a request gets now.
    #[must_use]
    pub const fn gate(&self) -> Gate {
        match self.stage {
            Stage::New if self.may_run() => Gate::Open,
            Stage::Legacy => Gate::Elsewhere,
            // As far as anybody knows `LEGACY` serves him still, or will be the first to do so again.
            Stage::Fencing | Stage::Unfencing if self.attempts > 0 => Gate::Elsewhere,
            Stage::New | Stage::Fencing | Stage::Stopping | Stage::Exporting | Stage::Unfencing => Gate::Wait,
        }
    }

    /// Whose the user is, as others may know it: the new side's from the confirmation of the fence until the container is gone.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        match self.stage {
            Stage::New | Stage::Stopping | Stage::Exporting => Owner::New,
            Stage::Legacy | Stage::Fencing | Stage::Unfencing => Owner::Legacy,
        }
    }

    /// Adds to what is known of the sandbox where its user is. A sandbox that lets nobody in now is not shown as running.
    pub fn show(&self, view: &mut SandboxView) {
        view.placement = Some(self.placement());
        if self.gate() != Gate::Wait {
            return;
        }
        (view.lifecycle, view.phase) = match self.stage {
            Stage::Stopping | Stage::Exporting | Stage::Unfencing => (Lifecycle::Stopping, None),
            Stage::Fencing | Stage::New | Stage::Legacy => (Lifecycle::Starting, Some(Phase::Fence)),
        };
    }

    /// What others may know.
    #[must_use]
    pub fn placement(&self) -> Placement {
        let refused = self.refused.as_ref().map(|refused| refused.why.clone());
        Placement {
            owner: self.owner(),
            epoch: self.epoch,
            moving: matches!(
                self.stage,
                Stage::Fencing | Stage::Stopping | Stage::Exporting | Stage::Unfencing
            ),
            refused: refused.or_else(|| self.trouble.clone()),
        }
    }
}
