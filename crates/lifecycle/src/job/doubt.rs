//! Whether something that was asked for may have been taken, or may still be, without our knowing.

use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// Until when tries that nobody answered may still arrive. While there is doubt, nothing that was tried may be called "never begun".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Doubt {
    until: Option<Millis>,
    /// As it was before the newest try.
    before: Option<Millis>,
}

impl Doubt {
    /// A try may have been made at any time: nothing will show that it was not.
    #[must_use]
    pub const fn for_ever() -> Self {
        let until = Some(Millis(u64::MAX));
        Self { until, before: until }
    }

    /// Whether a try may have been taken, or may still be.
    #[must_use]
    pub const fn exists(&self) -> bool {
        self.until.is_some()
    }

    /// A try is about to be made that may arrive for `ms` milliseconds.
    pub fn tried(&mut self, now: Millis, ms: u64) {
        self.before = self.until;
        self.until = self.until.max(Some(now.plus(ms)));
    }

    /// The newest try was certainly not taken: there is as much doubt as before it.
    pub const fn not_taken(&mut self) {
        self.until = self.before;
    }

    /// Nothing had been taken at some time after `asked_at`: tries that could no longer arrive then never did.
    pub fn nothing_taken(&mut self, asked_at: Millis) {
        self.until = self.until.filter(|until| asked_at < *until);
    }
}

#[cfg(test)]
mod tests {
    use super::Doubt;
    use molt_common::time::Millis;

    #[test]
    fn a_refusal_clears_its_own_try_and_those_that_can_no_longer_arrive() {
        let mut doubt = Doubt::default();
        doubt.tried(Millis(0), 10);
        doubt.not_taken();
        assert!(!doubt.exists());
        doubt.tried(Millis(0), 10);
        doubt.tried(Millis(5), 10);
        doubt.not_taken();
        doubt.nothing_taken(Millis(9));
        assert!(doubt.exists(), "the first may still arrive");
        doubt.nothing_taken(Millis(10));
        assert!(!doubt.exists());
        let mut doubt = Doubt::for_ever();
        doubt.tried(Millis(0), 10);
        doubt.not_taken();
        doubt.nothing_taken(Millis(1_000_000));
        assert!(doubt.exists());
    }
}
