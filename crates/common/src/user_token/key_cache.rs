//! When an issuer's keys are used, asked for, or waited for. Pure: the clock is an argument and nothing is fetched here.
//!
//! One of these per issuer and isolate. What it promises:
//! - A request whose key is held never waits, whether the set is fresh or being asked for again.
//! - A set is used for a day while its issuer does not answer, and no longer.
//! - An id nobody knows costs at most one fetch a minute, however many such ids arrive; one that a fetch did not find costs none for
//!   five minutes.
//! - One fetch at a time: the others wait for its result, each by its own clock.

use super::key::PublicKey;
use super::key_set::KeySet;
use crate::time::Millis;

/// A fetch that has not reported after this is counted as lost; the fetch itself gives up a little earlier.
pub const FETCH_LIMIT_MS: u64 = 3_500;
/// A set is not used longer than this after it was fetched.
const KEPT_MS: u64 = 24 * 3_600_000;
/// Between two fetches for ids that are not in the set, and between two attempts to renew a set that is still good.
const INTERVAL_MS: u64 = 60_000;
/// Between two attempts while there is no set at all and nobody can be let in.
const RETRY_MS: u64 = 5_000;
/// How long an id that a fetch did not find is not asked for again.
const MISSING_MS: u64 = 300_000;
/// Ids that are remembered as missing; the oldest goes.
const MOST_MISSING: usize = 64;

/// Why keys are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There are none that may be used.
    None,
    /// They are still good, but it is time to ask again.
    Renew,
    /// A token names one that is not among them: a cached answer would not help.
    UnknownKey,
}

/// What a request does that needs the key of some id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Uses this key, and has the set renewed behind its back if told so.
    Use {
        /// The key.
        key: PublicKey,
        /// Whether this request starts a fetch for the others.
        renew: bool,
    },
    /// Starts a fetch, then asks again.
    Fetch(Reason),
    /// Asks again in a moment: a fetch is under way.
    Wait,
    /// The issuer has no such key.
    Unknown,
    /// Nobody can say; seconds after which asking again makes sense.
    Unavailable(u32),
}

#[derive(Clone, Debug)]
struct Held {
    keys: KeySet,
    at: Millis,
}

/// What an isolate knows of one issuer's keys.
#[derive(Clone, Debug)]
pub struct KeyCache {
    fresh_ms: u64,
    held: Option<Held>,
    /// Start of the fetch that is under way.
    begun: Option<Millis>,
    /// Start of the last fetch.
    attempted: Option<Millis>,
    /// End of the last fetch, if it failed.
    failed: Option<Millis>,
    /// Start of the last fetch for an id that was not in the set.
    searched: Option<Millis>,
    missing: Vec<(String, Millis)>,
}

impl KeyCache {
    /// Nothing known yet. A set is renewed after `fresh_ms`.
    #[must_use]
    pub const fn new(fresh_ms: u64) -> Self {
        Self {
            fresh_ms,
            held: None,
            begun: None,
            attempted: None,
            failed: None,
            searched: None,
            missing: Vec::new(),
        }
    }

    /// What to do for a token that names `kid`. Nothing changes by asking; whoever is told to fetch calls [`Self::begin`].
    #[must_use]
    pub fn decide(&self, kid: &str, now: Millis) -> Decision {
        let under_way = within(self.begun, FETCH_LIMIT_MS, now);
        let Some(held) = self.held.as_ref().filter(|held| now.since(held.at) < KEPT_MS) else {
            if under_way {
                return Decision::Wait;
            }
            return match remaining(self.failed, RETRY_MS, now) {
                Some(ms) => Decision::Unavailable(whole_seconds(ms)),
                None => Decision::Fetch(Reason::None),
            };
        };
        if let Some(key) = held.keys.get(kid) {
            let due = now.since(held.at) >= self.fresh_ms && !within(self.attempted, INTERVAL_MS, now);
            return Decision::Use {
                key: key.clone(),
                renew: due && !under_way,
            };
        }
        let is_missing = |(id, at): &(String, Millis)| id == kid && now.since(*at) < MISSING_MS;
        if self.missing.iter().any(is_missing) {
            return Decision::Unknown;
        }
        if under_way {
            return Decision::Wait;
        }
        match remaining(self.searched, INTERVAL_MS, now) {
            None => Decision::Fetch(Reason::UnknownKey),
            // The search failed or was lost, so this may be a new key of the issuer as well as nonsense.
            Some(ms) if self.failed.is_some() || self.begun.is_some() => Decision::Unavailable(whole_seconds(ms)),
            Some(_) => Decision::Unknown,
        }
    }

    /// A fetch begins.
    pub fn begin(&mut self, reason: Reason, now: Millis) {
        self.begun = Some(now);
        self.attempted = Some(now);
        if reason == Reason::UnknownKey {
            self.searched = Some(now);
        }
    }

    /// A fetch for a token that named `kid` brought this set.
    pub fn succeed(&mut self, keys: KeySet, kid: &str, now: Millis) {
        self.begun = None;
        self.failed = None;
        self.missing.retain(|(id, at)| now.since(*at) < MISSING_MS && id != kid);
        if keys.get(kid).is_none() {
            if self.missing.len() >= MOST_MISSING {
                self.missing.remove(0);
            }
            self.missing.push((kid.to_owned(), now));
        }
        self.held = Some(Held { keys, at: now });
    }

    /// A fetch failed. What is held stays.
    pub fn fail(&mut self, now: Millis) {
        self.begun = None;
        self.failed = Some(now);
    }
}

/// Milliseconds that are left of a period since `start`.
fn remaining(start: Option<Millis>, period: u64, now: Millis) -> Option<u64> {
    period.checked_sub(now.since(start?)).filter(|left| *left > 0)
}

fn within(start: Option<Millis>, period: u64, now: Millis) -> bool {
    remaining(start, period, now).is_some()
}

fn whole_seconds(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "key_cache_tests.rs"]
mod tests;
