//! What a router holds of the trust snapshot, when it asks for a newer one, and what it decides about admin keys and flags meanwhile.
//!
//! Only an answer of the admin worker, where the truth is, *confirms* a snapshot. The copy in KV may be minutes old without saying so: it can
//! shut people out but never makes a key good. Ages count from when the question was put, so that they are never too young.

mod flags;

use crate::admin_key::{AdminKey, KeyRecord};
use crate::flag::FlagOverride;
use crate::refresh::Age;
pub use crate::refresh::{BEHIND_LIMIT_MS, Refresh};
use crate::time::Millis;
use crate::trust::{KEYS_LIMIT_MS, TrustSnapshot};

/// Unknown keys make an isolate ask at most this often.
pub const LOOK_UP_MS: u64 = 1_000;
/// A look-up for a key takes at most this long: unlike a user, its caller is not served by what was known last.
pub const LOOK_UP_LIMIT_MS: u64 = 2_000;

/// What a router holds. Plain data.
#[derive(Debug, Default)]
pub struct TrustMemory {
    snapshot: Option<TrustSnapshot>,
    /// Of the snapshot, by answers of the admin worker.
    age: Age,
    asked_at: Option<Millis>,
    /// When the copy in KV last said what is held.
    copied_at: Option<Millis>,
    /// When the admin worker last did not answer, however often it has since.
    silent_at: Option<Millis>,
    /// When somebody last found the snapshot too old to decide by.
    woke_at: Option<Millis>,
    /// The highest that was ever seen.
    over: Option<FlagOverride>,
    over_age: Age,
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

    /// What to do before a decision at `now`.
    #[must_use]
    pub fn refresh(&self, now: Millis) -> Refresh {
        self.age.refresh(now)
    }

    /// What to do about `key`, presented at `arrived`.
    #[must_use]
    pub fn rule(&self, key: &AdminKey, arrived: Millis, now: Millis) -> KeyRuling {
        let young = self.age.at(now) <= KEYS_LIMIT_MS;
        let known = self.snapshot.as_ref().and_then(|snapshot| snapshot.key(key, now));
        if let Some(record) = known.filter(|_| young) {
            return KeyRuling::Admit(record.clone());
        }
        let since_it_came = |at: Option<Millis>| at.is_some_and(|at| at >= arrived);
        if since_it_came(self.age.answered_at()) {
            return KeyRuling::Refuse;
        }
        if since_it_came(self.age.failed_at()) {
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
                let seen_at = self.age.answered_at().max(self.copied_at);
                let newer = held.is_none_or(|held| snapshot.version >= held) || seen_at < Some(asked_at);
                if newer {
                    self.snapshot = Some(snapshot);
                }
                newer
            }
        };
        if confirms {
            self.age.answer(asked_at);
        }
    }

    /// The copy in KV says this.
    pub fn fall_back(&mut self, copy: TrustSnapshot, now: Millis) {
        let held = self.snapshot.as_ref().map(|snapshot| snapshot.version);
        if held.is_none_or(|held| copy.version >= held) {
            self.copied_at = Some(now);
        }
        if held.is_none_or(|held| copy.version > held) {
            self.snapshot = Some(copy);
            // What was confirmed was another one.
            self.age.forget();
        }
    }

    /// The admin worker did not answer in time.
    pub fn fail(&mut self, now: Millis) {
        self.age.fail(now);
        self.silent_at = self.silent_at.max(Some(now));
    }

    /// See [`Age::is_behind`].
    #[must_use]
    pub fn is_behind(&self, now: Millis) -> bool {
        self.age.is_behind(now)
    }

    /// See [`Age::begin_behind`].
    pub fn begin_behind(&mut self, now: Millis) {
        self.age.begin_behind(now);
    }

    /// See [`Age::end_behind`].
    pub const fn end_behind(&mut self) {
        self.age.end_behind();
    }
}

#[cfg(test)]
#[path = "trust_memory_tests.rs"]
mod tests;
