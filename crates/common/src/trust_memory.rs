//! What a router holds of the trust snapshot, when it asks for a newer one, and what it decides about admin keys meanwhile.
//!
//! Only an answer of the admin worker, where the truth is, *confirms* a snapshot. The copy in KV may be minutes old without saying so: it can
//! shut people out but never makes a key good. Ages count from when the question was put, so that they are never too young.

use crate::admin_key::{AdminKey, KeyRecord};
use crate::time::Millis;
use crate::trust::{Freshness, KEYS_LIMIT_MS, TrustSnapshot, freshness};

/// After a refresh failed, the last known is used for this long before the next is tried: not every request of a user is to wait for it.
pub const RETRY_MS: u64 = 2_000;
/// A refresh behind a request is given up after this long.
pub const BEHIND_LIMIT_MS: u64 = 5_000;
/// Unknown keys make an isolate ask at most this often.
pub const LOOK_UP_MS: u64 = 1_000;
/// A look-up for a key takes at most this long: unlike a user, its caller is not served by what was known last.
pub const LOOK_UP_LIMIT_MS: u64 = 2_000;

/// What a router holds. Plain data.
#[derive(Debug, Default)]
pub struct TrustMemory {
    snapshot: Option<TrustSnapshot>,
    confirmed_at: Option<Millis>,
    asked_at: Option<Millis>,
    failed_at: Option<Millis>,
    behind_until: Option<Millis>,
}

/// What to do before a decision about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// Use what is held.
    Nothing,
    /// Use what is held, and refresh it behind the request.
    Behind,
    /// Refresh it first.
    Before,
}

/// What to do about a key that is presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRuling {
    /// It is good.
    Admit(KeyRecord),
    /// It was unknown, expired or revoked after it was presented.
    Refuse,
    /// Ask the admin worker, then rule again.
    LookUp,
    /// Another request asks, or has just asked: rule again after this many milliseconds.
    Wait(u64),
    /// Nobody can tell now.
    Unavailable,
}

/// An answer of the admin worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing changed since this version.
    Unchanged(u64),
    /// The newest.
    Snapshot(TrustSnapshot),
}

impl TrustMemory {
    /// What is known; `None` before anybody ever answered.
    #[must_use]
    pub const fn snapshot(&self) -> Option<&TrustSnapshot> {
        self.snapshot.as_ref()
    }

    /// What to do before a decision about a user at `now`.
    #[must_use]
    pub fn refresh(&self, now: Millis) -> Refresh {
        let age = self.confirmed_at.map_or(u64::MAX, |at| now.since(at));
        let failed = self.failed_at.is_some_and(|at| now.since(at) < RETRY_MS);
        match freshness(age) {
            Freshness::Ageing if !failed && !self.is_behind(now) => Refresh::Behind,
            Freshness::Old if !failed => Refresh::Before,
            Freshness::Fresh | Freshness::Ageing | Freshness::Old => Refresh::Nothing,
        }
    }

    /// What to do about `key`, presented at `arrived`.
    #[must_use]
    pub fn rule(&self, key: &AdminKey, arrived: Millis, now: Millis) -> KeyRuling {
        let young = self.confirmed_at.is_some_and(|at| now.since(at) <= KEYS_LIMIT_MS);
        let known = self.snapshot.as_ref().and_then(|snapshot| snapshot.key(key, now));
        if let Some(record) = known.filter(|_| young) {
            return KeyRuling::Admit(record.clone());
        }
        let since_it_came = |at: Option<Millis>| at.is_some_and(|at| at >= arrived);
        if since_it_came(self.confirmed_at) {
            return KeyRuling::Refuse;
        }
        if since_it_came(self.failed_at) {
            return KeyRuling::Unavailable;
        }
        let asked = self.asked_at.map_or(LOOK_UP_MS, |at| now.since(at));
        match LOOK_UP_MS.saturating_sub(asked) {
            0 => KeyRuling::LookUp,
            wait => KeyRuling::Wait(wait),
        }
    }

    /// The admin worker is being asked.
    pub fn ask(&mut self, now: Millis) {
        self.asked_at = self.asked_at.max(Some(now));
    }

    /// The admin worker answered a question that was put at `asked_at`.
    pub fn confirm(&mut self, answer: Answer, asked_at: Millis) {
        let held = self.snapshot.as_ref().map(|snapshot| snapshot.version);
        let confirms = match answer {
            // Of another version than is held by now: it says nothing about that one.
            Answer::Unchanged(version) => held == Some(version),
            Answer::Snapshot(snapshot) => {
                // An older version is an answer that was overtaken, unless it was asked for later: then the truth began anew.
                let newer = held.is_none_or(|held| snapshot.version >= held) || self.confirmed_at < Some(asked_at);
                if newer {
                    self.snapshot = Some(snapshot);
                }
                newer
            }
        };
        if confirms {
            self.confirmed_at = self.confirmed_at.max(Some(asked_at));
            self.failed_at = None;
        }
    }

    /// The copy in KV says this.
    pub fn fall_back(&mut self, copy: TrustSnapshot) {
        let held = self.snapshot.as_ref().map(|snapshot| snapshot.version);
        if held.is_none_or(|held| copy.version > held) {
            self.snapshot = Some(copy);
            // What was confirmed was another one.
            self.confirmed_at = None;
        }
    }

    /// The admin worker did not answer in time.
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
#[path = "trust_memory_tests.rs"]
mod tests;
