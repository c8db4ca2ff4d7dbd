//! When something that an isolate holds is asked for again: it has no timer outside a request.

use crate::time::Millis;
use crate::trust::{Freshness, freshness};

/// After a refresh failed, what is held is used for this long before the next is tried.
pub const RETRY_MS: u64 = 2_000;
/// A refresh behind a request is given up after this long.
pub const BEHIND_LIMIT_MS: u64 = 5_000;
/// After a refresh failed, none is waited for again for this long: requests are not to pay for an outage one after the other.
pub const SILENT_MS: u64 = 10_000;

/// What to do before a decision by what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// Use it.
    Nothing,
    /// Use it, and refresh it behind the request.
    Behind,
    /// Refresh it first.
    Before,
}

/// How old what is held is, and how the last attempt went. Ages count from when the question was put, so that they are never too young.
#[derive(Clone, Debug, Default)]
pub struct Age {
    answered_at: Option<Millis>,
    failed_at: Option<Millis>,
    behind_until: Option<Millis>,
}

impl Age {
    /// What to do at `now`.
    #[must_use]
    pub fn refresh(&self, now: Millis) -> Refresh {
        let age = freshness(self.at(now));
        let failure = self.failed_at.map_or(u64::MAX, |at| now.since(at));
        match age {
            Freshness::Fresh => Refresh::Nothing,
            _ if failure < RETRY_MS => Refresh::Nothing,
            Freshness::Old if failure >= SILENT_MS => Refresh::Before,
            _ if self.is_behind(now) => Refresh::Nothing,
            _ => Refresh::Behind,
        }
    }

    /// Its age in milliseconds; `u64::MAX` when nobody ever answered.
    #[must_use]
    pub fn at(&self, now: Millis) -> u64 {
        self.answered_at.map_or(u64::MAX, |at| now.since(at))
    }

    /// When the question was put that was answered last.
    #[must_use]
    pub const fn answered_at(&self) -> Option<Millis> {
        self.answered_at
    }

    /// When the last attempt failed, unless one was answered after that.
    #[must_use]
    pub const fn failed_at(&self) -> Option<Millis> {
        self.failed_at
    }

    /// A question that was put at `asked_at` was answered.
    pub fn answer(&mut self, asked_at: Millis) {
        self.answered_at = self.answered_at.max(Some(asked_at));
        self.failed_at = None;
    }

    /// What is held is another one than was answered last.
    pub const fn forget(&mut self) {
        self.answered_at = None;
    }

    /// There was no answer in time.
    pub fn fail(&mut self, now: Millis) {
        self.failed_at = self.failed_at.max(Some(now));
    }

    /// Whether a refresh behind a request runs. One whose request was cut off never says that it ended, so it counts until its deadline.
    #[must_use]
    pub fn is_behind(&self, now: Millis) -> bool {
        self.behind_until.is_some_and(|until| now < until)
    }

    /// A refresh behind a request begins.
    pub fn begin_behind(&mut self, now: Millis) {
        self.behind_until = Some(now.plus(BEHIND_LIMIT_MS));
    }

    /// It ended.
    pub const fn end_behind(&mut self) {
        self.behind_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::{Age, BEHIND_LIMIT_MS, RETRY_MS, Refresh, SILENT_MS};
    use crate::time::Millis;
    use crate::trust::{AGEING_MS, FRESH_MS};

    const T: Millis = Millis(1_800_000_000_000);

    fn answered() -> Age {
        let mut age = Age::default();
        age.answer(T);
        age
    }

    #[test]
    fn what_decides_is_young_or_refreshed() {
        let age = answered();
        assert_eq!(Age::default().refresh(T), Refresh::Before);
        assert_eq!(age.refresh(T.plus(FRESH_MS - 1)), Refresh::Nothing);
        assert_eq!(age.refresh(T.plus(FRESH_MS)), Refresh::Behind);
        assert_eq!(age.refresh(T.plus(AGEING_MS - 1)), Refresh::Behind);
        assert_eq!(age.refresh(T.plus(AGEING_MS)), Refresh::Before);
    }

    #[test]
    fn one_refresh_runs_behind_and_a_lost_one_blocks_nothing_for_long() {
        let mut age = answered();
        age.begin_behind(T.plus(FRESH_MS));
        assert_eq!(age.refresh(T.plus(FRESH_MS + 1)), Refresh::Nothing);
        let old = age.refresh(T.plus(AGEING_MS));
        assert_eq!(old, Refresh::Before, "never waits for another's");
        assert!(!age.is_behind(T.plus(FRESH_MS + BEHIND_LIMIT_MS)));
        age.end_behind();
        assert_eq!(age.refresh(T.plus(FRESH_MS + 1)), Refresh::Behind);
    }

    #[test]
    fn nobody_waits_again_and_again_for_one_who_is_silent() {
        let mut age = answered();
        let failed = T.plus(AGEING_MS);
        age.fail(failed);
        assert_eq!(age.refresh(failed.plus(RETRY_MS - 1)), Refresh::Nothing);
        assert_eq!(age.refresh(failed.plus(RETRY_MS)), Refresh::Behind);
        age.begin_behind(failed.plus(RETRY_MS));
        assert_eq!(age.refresh(failed.plus(RETRY_MS + 1)), Refresh::Nothing);
        age.end_behind();
        // After a pause, somebody who asks has the right to something young again.
        assert_eq!(age.refresh(failed.plus(SILENT_MS)), Refresh::Before);
        age.answer(failed.plus(SILENT_MS));
        assert_eq!(age.refresh(failed.plus(SILENT_MS)), Refresh::Nothing);
    }
}
