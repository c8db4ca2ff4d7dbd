//! Pause before something that failed is started again.

use std::time::Duration;

/// Doubling pause with an upper limit.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// The first pause, and the longest.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// Counts one failure; `lived` is how long the thing ran before it. What ran longer than the longest pause starts over, so that
    /// one crash a day never waits like the tenth crash of a minute.
    pub fn after_failure(&mut self, lived: Duration) -> Duration {
        if lived > self.longest {
            self.failures = 0;
        }
        let pause = self
            .first
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(self.longest);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_pause_and_never_overflows() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let pauses: Vec<u128> = (0..6)
            .map(|_| backoff.after_failure(Duration::ZERO).as_millis())
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        for _ in 0..100 {
            assert_eq!(backoff.after_failure(Duration::ZERO), Duration::from_secs(1));
        }
    }

    #[test]
    fn a_long_life_starts_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        backoff.after_failure(Duration::ZERO);
        backoff.after_failure(Duration::ZERO);
        assert_eq!(backoff.after_failure(Duration::from_secs(2)).as_millis(), 100);
    }
}
