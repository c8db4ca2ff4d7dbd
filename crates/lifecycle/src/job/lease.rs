//! The right to make one call about a job, for a while.

use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// Which attempt at a step is the newest, and until when it may still arrive or be answered.
///
/// Whoever begins a step stores the lease before making the call. An answer is for one attempt; what answers an older one is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    attempt: u32,
    /// Begun and end of the lease; null when the attempt was answered, or none was made.
    call: Option<(Millis, Millis)>,
}

impl Lease {
    /// Begins an attempt that may arrive or be answered for `ms` milliseconds; answers its number, from 1.
    pub const fn begin(&mut self, now: Millis, ms: u64) -> u32 {
        self.attempt = self.attempt.wrapping_add(1);
        self.call = Some((now, now.plus(ms)));
        self.attempt
    }

    /// The newest attempt was answered; answers when it was begun. Null, and nothing changes, for an older one or a second answer.
    pub fn settle(&mut self, attempt: u32) -> Option<Millis> {
        let (begun_at, _) = self.call.filter(|_| self.attempt == attempt)?;
        self.call = None;
        Some(begun_at)
    }

    /// Whoever waited for the newest attempt is gone: its answer will not be known, and the next may begin at once if the step may be repeated.
    pub const fn abandon(&mut self) {
        self.call = None;
    }

    /// When an attempt that is not answered no longer counts; null when none is under way.
    #[must_use]
    pub fn until(&self) -> Option<Millis> {
        self.call.map(|(_, until)| until)
    }

    /// Whether the next attempt may begin: none is under way, or its lease has ended.
    #[must_use]
    pub fn is_free(&self, now: Millis) -> bool {
        self.until().is_none_or(|until| now >= until)
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
        assert_eq!(lease.settle(0), None, "nothing was begun");
        let first = lease.begin(Millis(10), 5);
        assert!(!lease.is_free(Millis(14)));
        assert!(lease.is_free(Millis(15)));
        let second = lease.begin(Millis(15), 5);
        assert_eq!(lease.settle(first), None, "an older attempt");
        assert_eq!(lease.until(), Some(Millis(20)));
        assert_eq!(lease.settle(second), Some(Millis(15)));
        assert_eq!(lease.settle(second), None, "answered before");
        assert!(lease.is_free(Millis(15)));
        let abandoned = lease.begin(Millis(20), 5);
        lease.abandon();
        assert!(lease.is_free(Millis(20)));
        assert_eq!(lease.settle(abandoned), None);
    }
}
