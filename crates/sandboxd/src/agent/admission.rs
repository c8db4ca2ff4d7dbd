//! When an agent counts as ready, from one look at it to the next. Pure: time is an argument.

use std::time::Duration;

use super::readiness::Readiness;

/// For how long a started agent may call itself unwell before it gets traffic all the same. Right after the start it is unwell because it
/// still prepares something; later it is because of something that only its user can mend, on its own page.
const DEGRADED_GRACE: Duration = Duration::from_secs(10);
/// Looks in a row that have to fail before a ready agent counts as not ready: one slow answer is no outage.
const MISSES: u32 = 2;

/// What a look has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It admits traffic now, after this long without.
    Opened(Duration),
    /// It does not any more.
    Closed,
    /// It has not admitted traffic for as long as is bearable.
    GiveUp,
}

/// What is known from the looks so far. Times are measured from the start of the watch.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    patience: Duration,
    closed_since: Option<Duration>,
    degraded_since: Option<Duration>,
    misses: u32,
}

impl Admission {
    /// Not ready yet; `patience` is how long that may last, at any time.
    pub const fn new(patience: Duration) -> Self {
        Self {
            patience,
            closed_since: Some(Duration::ZERO),
            degraded_since: None,
            misses: 0,
        }
    }

    /// Whether it admits traffic.
    pub const fn is_open(&self) -> bool {
        self.closed_since.is_none()
    }

    /// Takes one look into account.
    pub fn step(&mut self, readiness: Readiness, now: Duration) -> Change {
        self.degraded_since = match readiness {
            Readiness::Degraded => self.degraded_since.or(Some(now)),
            Readiness::Ready | Readiness::NotReady => None,
        };
        let unwell_for_long = self
            .degraded_since
            .is_some_and(|since| now.saturating_sub(since) >= DEGRADED_GRACE);
        let good = match readiness {
            Readiness::Ready => true,
            Readiness::Degraded => self.is_open() || unwell_for_long,
            Readiness::NotReady => false,
        };
        self.misses = if good { 0 } else { self.misses.saturating_add(1) };
        match self.closed_since {
            Some(since) if good => {
                self.closed_since = None;
                Change::Opened(now.saturating_sub(since))
            }
            Some(since) if now.saturating_sub(since) >= self.patience => Change::GiveUp,
            None if self.misses >= MISSES => {
                self.closed_since = Some(now);
                Change::Closed
            }
            _ => Change::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_good_look_opens() {
        let mut admission = Admission::new(at(60));
        assert_eq!(admission.step(Readiness::NotReady, at(1)), Change::None);
        assert_eq!(admission.step(Readiness::Ready, at(8)), Change::Opened(at(8)));
        assert_eq!(admission.step(Readiness::Ready, at(11)), Change::None);
    }

    #[test]
    fn one_bad_look_closes_nothing_and_two_do() {
        let mut admission = Admission::new(at(60));
        admission.step(Readiness::Ready, at(1));
        assert_eq!(admission.step(Readiness::NotReady, at(2)), Change::None);
        assert_eq!(admission.step(Readiness::Ready, at(3)), Change::None);
        assert_eq!(admission.step(Readiness::NotReady, at(4)), Change::None);
        assert_eq!(admission.step(Readiness::NotReady, at(5)), Change::Closed);
        assert_eq!(admission.step(Readiness::Ready, at(9)), Change::Opened(at(4)));
    }

    #[test]
    fn a_broken_channel_neither_keeps_the_user_out_nor_locks_him_out() {
        let mut admission = Admission::new(at(60));
        assert_eq!(admission.step(Readiness::Degraded, at(5)), Change::None);
        assert_eq!(admission.step(Readiness::Degraded, at(14)), Change::None);
        assert_eq!(admission.step(Readiness::Degraded, at(15)), Change::Opened(at(15)));
        for now in 16..40 {
            assert_eq!(admission.step(Readiness::Degraded, at(now)), Change::None);
        }
        assert!(admission.is_open());
    }

    #[test]
    fn an_agent_that_is_never_ready_is_given_up() {
        let mut admission = Admission::new(at(60));
        assert_eq!(admission.step(Readiness::NotReady, at(59)), Change::None);
        assert_eq!(admission.step(Readiness::NotReady, at(60)), Change::GiveUp);
        let mut admission = Admission::new(at(60));
        admission.step(Readiness::Ready, at(50));
        admission.step(Readiness::NotReady, at(100));
        assert_eq!(admission.step(Readiness::NotReady, at(101)), Change::Closed);
        assert_eq!(admission.step(Readiness::NotReady, at(160)), Change::None);
        assert_eq!(admission.step(Readiness::NotReady, at(161)), Change::GiveUp);
    }
}
