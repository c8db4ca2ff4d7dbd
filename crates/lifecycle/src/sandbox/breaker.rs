//! The crash-loop breaker: a sandbox that ends again and again is left alone for a while.
//!
//! *Closed*, an end costs at most the back-off of failed starts. [`ENDS_TO_OPEN`] ends within [`WINDOW_MS`] *open* it: nothing is started during
//! the pause. After that it is *half open*: one start is tried, and its end opens it again for twice as long. [`HEALTHY_MS`] of
//! running close it.

use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// So many unexpected ends ...
pub const ENDS_TO_OPEN: usize = 5;
/// ... within this span open the breaker.
pub const WINDOW_MS: u64 = 10 * 60_000;
/// A run of this length closes it.
pub const HEALTHY_MS: u64 = 10 * 60_000;
const PAUSE_FIRST_MS: u64 = 30_000;
const PAUSE_LONGEST_MS: u64 = 5 * 60_000;

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Breaker {
    /// Unexpected ends within the window, oldest first; at most [`ENDS_TO_OPEN`].
    #[serde(default)]
    ends: Vec<Millis>,
    /// How often it was opened since it was closed.
    #[serde(default)]
    opened: u32,
}

impl Breaker {
    /// A container ended by itself, or was given up. The pause in milliseconds, when that opens the breaker.
    pub fn ended(&mut self, now: Millis) -> Option<u64> {
        self.note(now);
        (self.opened > 0 || self.ends.len() >= ENDS_TO_OPEN).then(|| self.open())
    }

    /// The agent ended and is started again in its container, whose disk one more end of it is not worth: only many open the breaker.
    pub fn agent_ended(&mut self, now: Millis) -> Option<u64> {
        self.note(now);
        (self.ends.len() >= ENDS_TO_OPEN).then(|| self.open())
    }

    /// It has been running for so long.
    pub fn ran(&mut self, ms: u64) {
        if ms >= HEALTHY_MS {
            self.close();
        }
    }

    /// Forgets everything.
    pub fn close(&mut self) {
        *self = Self::default();
    }

    /// Whether the next start is a trial.
    #[must_use]
    pub const fn is_half_open(&self) -> bool {
        self.opened > 0
    }

    fn note(&mut self, now: Millis) {
        self.ends.retain(|at| now.since(*at) < WINDOW_MS);
        if self.ends.len() >= ENDS_TO_OPEN {
            self.ends.remove(0);
        }
        self.ends.push(now);
    }

    fn open(&mut self) -> u64 {
        let pause = PAUSE_FIRST_MS
            .saturating_mul(1 << self.opened.min(10))
            .min(PAUSE_LONGEST_MS);
        self.opened = self.opened.saturating_add(1);
        self.ends.clear();
        pause
    }
}
