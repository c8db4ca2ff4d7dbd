//! How long results stay.

use molt_common::time::Millis;

/// Which results are kept. What has not ended is kept always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest submissions.
    pub newest: u32,
    /// For so many milliseconds after the end.
    pub ttl_ms: u64,
}

impl Retention {
    /// Of the commands of one sandbox.
    pub const EXEC: Self = Self {
        newest: 100,
        ttl_ms: 24 * 3_600_000,
    };

    /// Of the changes of one sandbox.
    pub const CHANGES: Self = Self {
        newest: 100,
        ttl_ms: 30 * 24 * 3_600_000,
    };

    /// Results that ended at this point or before are forgotten.
    #[must_use]
    pub const fn ended_by(&self, now: Millis) -> Option<Millis> {
        match now.0.checked_sub(self.ttl_ms) {
            Some(at) => Some(Millis(at)),
            None => None,
        }
    }

    /// When a result that ended then is forgotten.
    #[must_use]
    pub const fn expiry(&self, ended_at: Millis) -> Millis {
        ended_at.plus(self.ttl_ms)
    }

    /// Whether a result is forgotten: `newer` jobs of the same owner were submitted after it.
    #[must_use]
    pub fn forgets(&self, ended_at: Option<Millis>, newer: u32, now: Millis) -> bool {
        ended_at.is_some_and(|ended_at| newer >= self.newest || now >= self.expiry(ended_at))
    }
}

#[cfg(test)]
mod tests {
    use super::Retention;
    use molt_common::time::Millis;

    #[test]
    fn the_newest_stay_for_a_day_and_what_runs_stays() {
        let (kept, end) = (Retention::EXEC, Millis(1_000_000_000));
        assert!(!kept.forgets(Some(end), 99, end));
        assert!(kept.forgets(Some(end), 100, end));
        assert!(!kept.forgets(Some(end), 0, Millis(kept.expiry(end).0 - 1)));
        assert!(kept.forgets(Some(end), 0, kept.expiry(end)));
        assert!(!kept.forgets(None, 1_000, Millis(u64::MAX)));
        assert_eq!(kept.ended_by(kept.expiry(end)), Some(end));
        assert_eq!(kept.ended_by(Millis(1)), None);
    }
}
