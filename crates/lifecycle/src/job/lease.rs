//! The right to make one call about a job, for a while.

use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// Which attempt at a step is the newest, and until when it may still arrive or be answered.
///
/// Whoever begins a step stores the lease before making the call. An answer is for one attempt; what answers an older one is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    attempt: u32,
    /// Null when the attempt was answered, or none was made.
    until: Option<Millis>,
}

impl Lease {
    /// Begins an attempt that may arrive or be answered for `ms` milliseconds; answers its number, from 1.
    pub const fn begin(&mut self, now: Millis, ms: u64) -> u32 {
        self.attempt = self.attempt.wrapping_add(1);
        self.until = Some(now.plus(ms));
        self.attempt
    }

    /// The newest attempt was answered. False, and nothing changes, for an older one or a second answer.
    #[must_use]
    pub const fn settle(&mut self, attempt: u32) -> bool {
        let current = self.is_current(attempt);
        if current {
            self.until = None;
        }
        current
    }

    /// Whether that attempt is the newest and not answered yet.
    #[must_use]
    pub const fn is_current(&self, attempt: u32) -> bool {
        self.attempt == attempt && self.until.is_some()
    }

    /// When an attempt that is not answered no longer counts; null when none is under way.
    #[must_use]
    pub const fn until(&self) -> Option<Millis> {
        self.until
    }

    /// Whether the next attempt may begin: none is under way, or its lease has ended.
    #[must_use]
    pub fn is_free(&self, now: Millis) -> bool {
        self.until.is_none_or(|until| now >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::Lease;
    use molt_common::time::Millis;

    #[test]
    fn only_the_newest_attempt_is_answered_and_only_once() {
        let mut lease = Lease::default();
        assert!(lease.is_free(Millis(0)));
        assert!(!lease.settle(0), "nothing was begun");
        let first = lease.begin(Millis(10), 5);
        assert!(!lease.is_free(Millis(14)));
        assert!(lease.is_free(Millis(15)));
        let second = lease.begin(Millis(15), 5);
        assert!(!lease.settle(first), "an older attempt");
        assert_eq!(lease.until(), Some(Millis(20)));
        assert!(lease.settle(second));
        assert!(!lease.settle(second), "answered before");
        assert!(lease.is_free(Millis(15)));
    }
}
