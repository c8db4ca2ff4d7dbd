//! How long to wait before a call is repeated, and since when nobody has answered.

use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// Shortest pause between a call that failed and the next.
const FIRST_PAUSE_MS: u64 = 250;
/// Longest.
const LONGEST_PAUSE_MS: u64 = 5_000;
/// With fewer failures in a row it was a moment, however long the clock says that it was.
const SILENT_FAILURES: u32 = 3;

/// Pause after so many failures in a row, for steps that may be repeated: doubling from 250 ms to 5 s, and spread over its upper half by `jitter`
/// (any random number), so that many jobs do not come back at once.
#[must_use]
pub const fn pause_ms(failures: u32, jitter: u32) -> u64 {
    let doublings = failures.saturating_sub(1);
    let doublings = if doublings > 8 { 8 } else { doublings };
    let doubled = FIRST_PAUSE_MS << doublings;
    let whole = if doubled < LONGEST_PAUSE_MS {
        doubled
    } else {
        LONGEST_PAUSE_MS
    };
    let half = whole / 2;
    whole - half + half * (jitter as u64) / (u32::MAX as u64)
}

/// Failures in a row of the calls about a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Patience {
    failures: u32,
    since: Option<Millis>,
}

impl Patience {
    /// A call was answered.
    pub const fn answered(&mut self) {
        *self = Self {
            failures: 0,
            since: None,
        };
    }

    /// A call came to nothing, and that is no silence: the next one waits longer.
    pub const fn put_off(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.since = None;
    }

    /// A call was not answered.
    pub fn failed(&mut self, now: Millis) {
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert(now);
    }

    /// Failures in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// When the first of the calls in a row was that were not answered; null after an answer.
    #[must_use]
    pub const fn silent_since(&self) -> Option<Millis> {
        self.since
    }

    /// Whether nobody has answered for `ms` milliseconds, in several tries.
    #[must_use]
    pub fn is_over(&self, now: Millis, ms: u64) -> bool {
        self.failures >= SILENT_FAILURES && self.since.is_some_and(|since| now.since(since) >= ms)
    }
}

#[cfg(test)]
mod tests {
    use super::{Patience, pause_ms};
    use molt_common::time::Millis;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_and_are_spread() {
        let longest: Vec<u64> = (0..8).map(|failures| pause_ms(failures, u32::MAX)).collect();
        assert_eq!(longest, [250, 250, 500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(pause_ms(1, 0), 125);
    }

    proptest! {
        #[test]
        fn a_pause_is_never_none_and_never_long(failures: u32, jitter: u32) {
            prop_assert!((125..=5_000).contains(&pause_ms(failures, jitter)));
        }
    }

    #[test]
    fn a_moment_is_no_silence() {
        let mut patience = Patience::default();
        patience.failed(Millis(0));
        assert!(
            !patience.is_over(Millis(1_000_000), 60_000),
            "one failure, and a clock that jumped"
        );
        patience.failed(Millis(1));
        patience.failed(Millis(2));
        assert!(!patience.is_over(Millis(59_999), 60_000));
        assert!(patience.is_over(Millis(60_000), 60_000));
        patience.answered();
        assert!(!patience.is_over(Millis(60_000), 60_000));
    }
}
