//! How long until the next attempt.

use std::time::Duration;

/// Pauses that double up to a limit, with jitter so that many who lost the same server do not come back at once.
#[derive(Clone, Debug)]
pub struct Patience {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(15))
    }
}

impl Patience {
    /// Pauses from `first` to `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// The attempt was a success: the next pause is the first again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many attempts in a row failed.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The pause after one more failure. What the server asks is the least, as long as it asks for at most a minute. `jitter` is from 0 to 1.
    pub fn pause(&mut self, asked: Option<Duration>, jitter: f64) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1_u32.checked_shl(self.failures.min(31)).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(self.longest).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        asked
            .map_or(pause, |asked| asked.min(Duration::from_secs(60)) + pause.min(asked / 4))
            .max(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::Patience;
    use std::time::Duration;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut patience = Patience::new(ms(100), ms(1_000));
        let full: Vec<Duration> = (0..6).map(|_| patience.pause(None, 1.0)).collect();
        assert_eq!(full, [ms(100), ms(200), ms(400), ms(800), ms(1_000), ms(1_000)]);
        for _ in 0..100 {
            assert_eq!(patience.pause(None, 0.0), ms(500), "it never overflows");
        }
        patience.reset();
        assert_eq!(patience.pause(None, 0.0), ms(50));
    }

    #[test]
    fn what_the_server_asks_is_the_least() {
        let mut patience = Patience::new(ms(100), ms(1_000));
        let pause = patience.pause(Some(ms(5_000)), 0.5);
        assert!((ms(5_000)..ms(6_300)).contains(&pause), "{pause:?}");
        let pause = patience.pause(Some(Duration::from_secs(86_400)), 0.5);
        assert!(
            pause < Duration::from_secs(90),
            "nobody is put off for a day: {pause:?}"
        );
    }
}
