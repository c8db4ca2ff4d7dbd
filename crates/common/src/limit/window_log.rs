//! How many requests were admitted lately: a log of when.
//!
//! A log alone can promise never more than N within *any* span of the window's length, tell truly when the next is admitted, and count down one by
//! one; a token bucket admits up to twice N within a span, and a counter per fixed window does at its borders. What a log costs is memory, so
//! entries of one *grain* share a place: 1 ms while N is small (up to N places), else a 128th of the window. A place leaves the window with its
//! newest request, so what is rounded is rounded to the safe side: an older one counts for up to a grain too long, never too short.
//!
//! Logs of several isolates join by the larger count of each grain. That can be done again and in any order with the same outcome, and counts
//! nothing twice and nothing that was not admitted; of what two isolates admitted within the same grain the smaller count is lost.

use super::{Policy, Standing};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// Up to this limit each request has a place of its own; above it the window has this many grains.
const PLACES: u32 = 128;
/// Most places that a log read from elsewhere may have; a longer one is no log of ours.
const LONGEST: usize = 4 * PLACES as usize;

/// Requests that were admitted, oldest first: the newest time of each grain and how many there were in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WindowLog(Vec<(Millis, u32)>);

/// Milliseconds that share a place.
const fn grain(policy: Policy) -> u64 {
    if policy.limit <= PLACES {
        1
    } else {
        let grain = policy.window_ms.div_ceil(PLACES as u64);
        if grain == 0 { 1 } else { grain }
    }
}

impl WindowLog {
    /// Reads a log that another isolate wrote; `None` for what is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let log: Self = serde_json::from_str(text).ok()?;
        (log.0.len() <= LONGEST).then_some(log)
    }

    /// Counts a request at `now` if it is not one too many.
    pub fn take(&mut self, policy: Policy, now: Millis) -> Standing {
        self.forget(policy, now);
        // Clocks of others may be ahead, and ours may have been set back: time does not go backwards in a log.
        let at = self.0.last().map_or(now, |(newest, _)| (*newest).max(now));
        let before = self.count();
        let admitted = before < u64::from(policy.limit);
        if admitted {
            self.add(policy, at);
        }
        let used = before + u64::from(admitted);
        let remaining = u32::try_from(u64::from(policy.limit).saturating_sub(used)).unwrap_or_default();
        Standing {
            admitted,
            remaining,
            wait_ms: self.until_one_more(policy, now),
        }
    }

    /// When the last of what is counted leaves the window; `None` when nothing is counted.
    #[must_use]
    pub fn ends(&self, policy: Policy) -> Option<Millis> {
        self.0.last().map(|(newest, _)| newest.plus(policy.window_ms))
    }

    /// Adds what another isolate admitted.
    pub fn join(&mut self, other: &Self, policy: Policy, now: Millis) {
        let grain = grain(policy);
        let mut other = Self(other.gathered(policy));
        other.forget(policy, now);
        for (at, count) in other.0 {
            match self.0.iter_mut().find(|(mine, _)| mine.0 / grain == at.0 / grain) {
                Some((mine, known)) => {
                    *mine = at.max(*mine);
                    *known = count.max(*known);
                }
                None => {
                    let place = self.0.partition_point(|(mine, _)| *mine < at);
                    self.0.insert(place, (at, count));
                }
            }
        }
        self.forget(policy, now);
        self.shorten(policy);
    }

    /// Places in order of time, one for each grain: what was written under another policy had other grains.
    fn gathered(&self, policy: Policy) -> Vec<(Millis, u32)> {
        let grain = grain(policy);
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let mut gathered: Vec<(Millis, u32)> = Vec::with_capacity(sorted.len());
        for (at, count) in sorted {
            match gathered.last_mut() {
                Some((newest, known)) if newest.0 / grain == at.0 / grain => {
                    *newest = at;
                    *known = known.saturating_add(count);
                }
                _ => gathered.push((at, count)),
            }
        }
        gathered
    }

    /// Drops what has left the window, and what claims to be more than a window ahead, which no clock of ours is.
    fn forget(&mut self, policy: Policy, now: Millis) {
        let ahead = now.plus(policy.window_ms);
        self.0
            .retain(|(at, count)| *count > 0 && at.plus(policy.window_ms) > now && *at <= ahead);
    }

    /// Drops the oldest places that decide nothing: only the newest N requests ever do.
    fn shorten(&mut self, policy: Policy) {
        let mut beyond = self.count().saturating_sub(u64::from(policy.limit));
        let idle = self.0.iter().take_while(|(_, count)| {
            let idle = u64::from(*count) <= beyond;
            if idle {
                beyond -= u64::from(*count);
            }
            idle
        });
        let idle = idle.count();
        self.0.drain(..idle);
    }

    fn add(&mut self, policy: Policy, at: Millis) {
        let grain = grain(policy);
        match self.0.last_mut() {
            Some((newest, count)) if newest.0 / grain == at.0 / grain => {
                *newest = at;
                *count = count.saturating_add(1);
            }
            _ => self.0.push((at, 1)),
        }
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Milliseconds until more is left than now.
    fn until_one_more(&self, policy: Policy, now: Millis) -> u64 {
        let mut counted = self.count();
        let limit = u64::from(policy.limit);
        for (at, count) in &self.0 {
            counted -= u64::from(*count);
            if counted < limit {
                return at.plus(policy.window_ms).since(now);
            }
        }
        0
    }
}

#[cfg(test)]
#[path = "window_log_tests.rs"]
mod tests;
