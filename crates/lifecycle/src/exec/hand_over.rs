//! What is known of handing a command over: whether it was tried, and until when a try that nobody answered may still arrive.

use crate::job::{Doubt, Lease};
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// A call that was made and not answered is over after this long, whatever becomes of it: the gateway gives the supervisor 8 s, and an overloaded
/// object refuses what has waited for 30 s.
pub const CALL_LEASE_MS: u64 = 45_000;
/// The command is handed over again for so long after the first try; later, nobody expects it to start any more.
pub const HAND_OVER_WINDOW_MS: u64 = 180_000;
/// So long after the first try the supervisor still knows what it started, ended or not (its retention is ten minutes after the end, at least).
/// Later, that it does not know the command proves nothing.
pub const REMEMBERED_MS: u64 = 540_000;

/// The tries in the generation that the job is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HandOver {
    /// The newest call about a command of which nothing was heard yet.
    pub(super) lease: Lease,
    /// First hand-over.
    first_at: Option<Millis>,
    /// Whether one may have been accepted.
    pub(super) doubt: Doubt,
    /// The supervisor refused the command for good, while an earlier try was in doubt.
    pub(super) refused: Option<String>,
    /// The time for trying is over.
    pub(super) closed: bool,
}

impl HandOver {
    /// Of a job that a release stored which did not record this: one try may have been made at any time.
    pub(super) fn unrecorded() -> Self {
        Self {
            doubt: Doubt::for_ever(),
            ..Self::default()
        }
    }

    /// For another generation. Attempts are counted on, so that what answers one of this generation is known to be old.
    pub(super) fn anew(&self) -> Self {
        Self {
            lease: self.lease,
            ..Self::default()
        }
    }

    /// A hand-over is about to be made.
    pub(super) fn tried(&mut self, created_at: Millis, now: Millis) {
        let first = if self.doubt.exists() { created_at } else { now };
        self.first_at.get_or_insert(first);
        self.doubt.tried(now, CALL_LEASE_MS);
    }

    /// When it was first handed over, or at the earliest may have been.
    pub(super) fn first_at(&self, created_at: Millis) -> Millis {
        self.first_at.unwrap_or(created_at)
    }

    /// Whether the time for trying is over.
    pub(super) fn is_late(&self, created_at: Millis, now: Millis) -> bool {
        (self.first_at.is_some() || self.doubt.exists()) && now.since(self.first_at(created_at)) >= HAND_OVER_WINDOW_MS
    }

    /// Whether a supervisor that does not know the command may once have known it.
    pub(super) fn may_be_forgotten(&self, created_at: Millis, now: Millis) -> bool {
        self.doubt.exists() && now.since(self.first_at(created_at)) >= REMEMBERED_MS
    }
}
