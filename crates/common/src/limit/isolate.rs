//! The counters of one isolate, and when they are shared through KV.
//!
//! A request is decided by what its isolate knows, at once. At the first sight of a counter the isolate reads what others wrote; a second later,
//! and after that at most once a second while the counter goes on being used, it reads again, joins, and writes. All of that happens behind the
//! request: KV neither delays nor fails one. Several isolates therefore admit up to N each before they have heard of one another; within a
//! location that takes about a second, between locations KV takes up to a minute.

use super::{CounterKey, Policy, Standing, WindowLog};
use crate::time::Millis;
use lru::LruCache;
use std::num::NonZeroUsize;

/// What the keys in KV begin with.
pub const KV_PREFIX: &str = "limit:";
/// KV keeps nothing for less than this many seconds.
pub const LEAST_TTL_S: u64 = 60;
/// Counters of an isolate: with up to 128 places of 16 bytes, some 9 MB of the 128 MB that it has. The one that was not used for longest goes
/// first; what it had counted lies in KV, but for the last second.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);
/// Sharing that was not heard of for this long was cut off with its request.
const SHARING_LIMIT_MS: u64 = 20_000;
/// Trouble with KV is reported at most this often.
const REPORT_MS: u64 = 60_000;

/// What is to be done behind a request about its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Nothing: it is being done, or there is nothing new.
    None,
    /// Read at once, then share after a pause.
    ReadAndShare,
    /// Share after a pause.
    Share,
}

#[derive(Debug, Default)]
struct Counter {
    log: WindowLog,
    /// Counts that nobody has written.
    unwritten: bool,
    sharing_until: Option<Millis>,
}

/// Plain data.
#[derive(Debug)]
pub struct IsolateCounters {
    counters: LruCache<CounterKey, Counter>,
    reported_at: Option<Millis>,
}

impl Default for IsolateCounters {
    fn default() -> Self {
        Self::holding(MOST)
    }
}

impl IsolateCounters {
    fn holding(most: NonZeroUsize) -> Self {
        Self {
            counters: LruCache::new(most),
            reported_at: None,
        }
    }

    /// Counts a request if it is not one too many. A [`Duty`] other than `None` is given to one request at a time.
    pub fn take(&mut self, key: &CounterKey, policy: Policy, now: Millis) -> (Standing, Duty) {
        let known = self.counters.contains(key);
        let counter = self.counters.get_or_insert_mut(key.clone(), Counter::default);
        let standing = counter.log.take(policy, now);
        counter.unwritten |= standing.admitted;
        let sharing = counter.sharing_until.is_some_and(|until| now < until);
        if sharing || !counter.unwritten {
            return (standing, Duty::None);
        }
        counter.sharing_until = Some(now.plus(SHARING_LIMIT_MS));
        (standing, if known { Duty::Share } else { Duty::ReadAndShare })
    }

    /// Adds what KV holds. Nothing for a counter that has gone meanwhile, and nothing for a text that is no log.
    pub fn join(&mut self, key: &CounterKey, policy: Policy, text: &str, now: Millis) {
        if let (Some(counter), Some(stored)) = (self.counters.peek_mut(key), WindowLog::read(text)) {
            counter.log.join(&stored, policy, now);
        }
    }

    /// What is to be written, and for how many seconds it is good; `None` when there is nothing new. It counts as written from here on: what
    /// is counted while KV is busy is written the next time.
    pub fn write(&mut self, key: &CounterKey, policy: Policy, now: Millis) -> Option<(String, u64)> {
        let counter = self.counters.peek_mut(key).filter(|counter| counter.unwritten)?;
        counter.unwritten = false;
        let left_s = counter.log.ends(policy)?.since(now).div_ceil(1_000);
        let text = serde_json::to_string(&counter.log).ok()?;
        Some((text, left_s.max(LEAST_TTL_S)))
    }

    /// The counter has been shared, or could not be.
    pub fn shared(&mut self, key: &CounterKey) {
        if let Some(counter) = self.counters.peek_mut(key) {
            counter.sharing_until = None;
        }
    }

    /// Whether trouble with KV is to be reported: a log line for every counter and second would help nobody.
    pub fn reports(&mut self, now: Millis) -> bool {
        let due = self.reported_at.is_none_or(|at| now.since(at) >= REPORT_MS);
        if due {
            self.reported_at = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::{Duty, IsolateCounters, SHARING_LIMIT_MS};
    use crate::limit::{Class, CounterKey, Policy, Subject};
    use crate::time::Millis;
    use std::num::NonZeroUsize;

    const POLICY: Policy = Policy::new(5, 60);
    const BEGIN: u64 = 1_767_225_600_000;

    fn key(number: u8) -> CounterKey {
        CounterKey::of(Class::Page, &Subject::V4([203, 0, 113, number]))
    }

    fn at(ms: u64) -> Millis {
        Millis(BEGIN + ms)
    }

    #[test]
    fn one_request_at_a_time_shares_and_only_what_is_new() {
        let mut counters = IsolateCounters::default();
        let take = |counters: &mut IsolateCounters, ms| counters.take(&key(1), POLICY, at(ms)).1;
        assert_eq!(take(&mut counters, 0), Duty::ReadAndShare);
        assert_eq!(take(&mut counters, 1), Duty::None);
        let (text, ttl) = counters.write(&key(1), POLICY, at(1_000)).unwrap();
        assert!(text.contains(&(BEGIN + 1).to_string()), "{text}");
        assert_eq!(ttl, 60);
        // While that is being written.
        assert_eq!(take(&mut counters, 1_001), Duty::None);
        counters.shared(&key(1));
        assert_eq!(take(&mut counters, 1_002), Duty::Share);
        counters.write(&key(1), POLICY, at(2_000)).unwrap();
        counters.shared(&key(1));
        assert_eq!(counters.write(&key(1), POLICY, at(2_001)), None);
        // The fifth is admitted, the sixth is not: nothing to tell.
        assert_eq!(take(&mut counters, 2_002), Duty::Share);
        counters.write(&key(1), POLICY, at(2_003)).unwrap();
        counters.shared(&key(1));
        assert_eq!(take(&mut counters, 2_004), Duty::None);
    }

    #[test]
    fn what_others_counted_counts() {
        let (mut here, mut there) = (IsolateCounters::default(), IsolateCounters::default());
        for ms in 0..4 {
            assert!(there.take(&key(1), POLICY, at(ms)).0.admitted);
        }
        let (text, _) = there.write(&key(1), POLICY, at(5)).unwrap();
        assert_eq!(here.take(&key(1), POLICY, at(6)).0.remaining, 4);
        here.join(&key(1), POLICY, &text, at(7));
        assert!(!here.take(&key(1), POLICY, at(8)).0.admitted);
        assert!(here.take(&key(2), POLICY, at(8)).0.admitted);
        // Neither a foreign counter nor nonsense changes anything.
        here.join(&key(3), POLICY, &text, at(9));
        here.join(&key(2), POLICY, "nonsense", at(9));
        assert_eq!(here.take(&key(2), POLICY, at(10)).0.remaining, 3);
        assert_eq!(here.take(&key(3), POLICY, at(10)).0.remaining, 4);
    }

    #[test]
    fn sharing_that_was_cut_off_begins_again() {
        let mut counters = IsolateCounters::default();
        let mut duty = |ms| counters.take(&key(1), Policy::new(5, 3_600), at(ms)).1;
        assert_eq!(duty(0), Duty::ReadAndShare);
        assert_eq!(duty(SHARING_LIMIT_MS - 1), Duty::None);
        assert_eq!(duty(SHARING_LIMIT_MS), Duty::Share);
    }

    #[test]
    fn a_long_window_is_kept_as_long() {
        let mut counters = IsolateCounters::default();
        let policy = Policy::new(5, 86_400);
        counters.take(&key(1), policy, at(0));
        assert_eq!(counters.write(&key(1), policy, at(1_000)).unwrap().1, 86_399);
    }

    #[test]
    fn many_addresses_push_out_the_oldest_and_nothing_grows() {
        let mut counters = IsolateCounters::holding(NonZeroUsize::new(3).unwrap());
        for number in 1..=3 {
            counters.take(&key(number), POLICY, at(0));
        }
        assert_eq!(counters.take(&key(1), POLICY, at(1)).0.remaining, 3);
        counters.take(&key(4), POLICY, at(2));
        assert_eq!(counters.counters.len(), 3);
        // 2 was the oldest; 1 was used in between.
        assert_eq!(counters.take(&key(1), POLICY, at(3)).0.remaining, 2);
        assert_eq!(counters.take(&key(2), POLICY, at(3)).0.remaining, 4);
        assert_eq!(counters.counters.len(), 3);
    }

    #[test]
    fn trouble_is_reported_once_a_minute() {
        let mut counters = IsolateCounters::default();
        assert!(counters.reports(at(0)));
        assert!(!counters.reports(at(59_999)));
        assert!(counters.reports(at(60_000)));
    }
}
