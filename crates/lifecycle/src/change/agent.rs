//! Asking the supervisor for a restart of the agent, a save or a work of upkeep. It knows the id of the change, so that asking again is no second one.

use super::{Change, JobState};
use crate::job::{Doubt, Lease};
use molt_common::sandbox_change::Wanted;
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// Longest time until a call is answered or certainly was not; who makes it gives up earlier.
pub const CALL_LEASE_MS: u64 = 3_000;
/// Pause before asking again.
const PAUSE_MS: u64 = 500;

/// How far asking is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Asking {
    lease: Lease,
    /// Whether the supervisor may have taken it.
    doubt: Doubt,
    not_before: Option<Millis>,
}

/// What came of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is under way, or done.
    Taken,
    /// Certainly not taken now: another one is under way, or the sandbox is stopping.
    NotNow,
    /// Never: this supervisor cannot. Its words.
    Refused(String),
    /// Nobody answered.
    Unreachable,
}

impl Asking {
    pub(super) fn begin(&mut self, now: Millis) -> u32 {
        self.doubt.tried(now, CALL_LEASE_MS);
        self.lease.begin(now, CALL_LEASE_MS)
    }

    /// Whether it may have been done by this, or may still be.
    pub(super) const fn may_be_taken(&self) -> bool {
        self.doubt.exists()
    }

    /// When asking (again) is reasonable.
    pub(super) fn next(&self, now: Millis) -> Millis {
        let lease = self.lease.until().unwrap_or(now);
        lease.max(self.not_before.unwrap_or(now)).max(now)
    }
}

impl Change {
    /// The answer to a step with an attempt ([`Step`](super::Step)). One to an older attempt changes nothing.
    pub fn replied(&mut self, attempt: u32, reply: Reply, now: Millis) {
        if self.state.is_terminal() || self.asking.lease.settle(attempt).is_none() {
            return;
        }
        self.asking.not_before = Some(now.plus(PAUSE_MS));
        match reply {
            Reply::Taken | Reply::Unreachable => {}
            Reply::NotNow => self.asking.doubt.not_taken(),
            Reply::Refused(why) => {
                let what = match self.wanted {
                    Wanted::Save => "take a snapshot",
                    Wanted::Upkeep { .. } => "do this",
                    _ => "restart its agent",
                };
                let text = format!("The supervisor in this sandbox did not {what}: {why}");
                self.end(JobState::Failed, Some(text), now);
            }
        }
    }
}
