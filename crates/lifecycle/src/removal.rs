//! The removal of a user: every place is emptied in order, then each is counted, and only what was counted as nothing has been removed.
//!
//! It may be interrupted anywhere: a step that is taken again finds less to do. A place in which something was left, because it was written meanwhile,
//! is emptied again. Until the end the user is suspended, so that nobody writes any more.

use molt_common::api::jobs::JobState;
use molt_common::api::removal::{Emptied, Place};
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// Rounds after which something still writes what nobody should.
pub const MOST_ROUNDS: u32 = 5;
/// With nothing but failures for so long it has failed. The user stays suspended, and a new removal takes up where this one stands.
pub const PATIENCE_MS: u64 = 24 * 3_600_000;
/// First and longest pause after a failure.
const FIRST_PAUSE_MS: u64 = 1_000;
const LONGEST_PAUSE_MS: u64 = 60_000;
/// Isolates remember a user's row for ten seconds: until they have forgotten it, the suspension stays.
pub const SETTLE_MS: u64 = 15_000;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Empty the place, or a part of it.
    Empty(Place),
    /// Count what is there.
    Count(Place),
    /// Lift the suspension and note the end.
    Finish,
    /// Nothing before this time.
    Wait(Millis),
    /// It is over.
    Over,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// So much went, and there may be more.
    More {
        /// Things.
        removed: u64,
        /// Bytes.
        bytes: u64,
    },
    /// So much went, and there is no more.
    Done {
        /// Things.
        removed: u64,
        /// Bytes.
        bytes: u64,
    },
    /// Something that was begun elsewhere has not ended: look again then.
    Later {
        /// Milliseconds.
        after_ms: u64,
    },
    /// So much is there.
    Counted {
        /// Things.
        left: u64,
    },
    /// It could not be done.
    Failed {
        /// Why.
        why: String,
    },
}

/// Where a removal stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Running, succeeded or failed.
    pub state: JobState,
    /// What stands in the way, or why it failed.
    pub error: Option<String>,
    /// Submission.
    pub created_at: Millis,
    /// Its end.
    pub completed_at: Option<Millis>,
    /// Every place, in order.
    pub places: Vec<Emptied>,
    /// Places that are empty as far as is known, from the first.
    emptied: usize,
    /// Times that all were counted.
    rounds: u32,
    /// Failures since the last success.
    failures: u32,
    /// When something last went as it should.
    advanced_at: Millis,
    /// Nothing before this time.
    not_before: Millis,
}

impl Removal {
    /// One that was just asked for.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        let empty = |place| Emptied {
            place,
            removed: 0,
            bytes: 0,
            left: None,
        };
        Self {
            state: JobState::Running,
            error: None,
            created_at: now,
            completed_at: None,
            places: Place::ALL.map(empty).to_vec(),
            emptied: 0,
            rounds: 0,
            failures: 0,
            advanced_at: now,
            not_before: now,
        }
    }

    /// What is next.
    #[must_use]
    pub fn next(&self, now: Millis) -> Step {
        if self.state.is_terminal() {
            return Step::Over;
        }
        if now < self.not_before {
            return Step::Wait(self.not_before);
        }
        if let Some(emptied) = self.places.get(self.emptied) {
            return Step::Empty(emptied.place);
        }
        if let Some(uncounted) = self.places.iter().find(|emptied| emptied.left.is_none()) {
            return Step::Count(uncounted.place);
        }
        let settled = self.created_at.plus(SETTLE_MS);
        if now < settled {
            return Step::Wait(settled);
        }
        Step::Finish
    }

    /// Takes in what came of a step.
    pub fn told(&mut self, step: Step, told: Told, now: Millis) {
        if self.state.is_terminal() {
            return;
        }
        let at = match step {
            Step::Empty(place) | Step::Count(place) => self.places.iter().position(|emptied| emptied.place == place),
            Step::Finish => None,
            Step::Wait(_) | Step::Over => return,
        };
        if let Told::Failed { why } = told {
            return self.failed(why, now);
        }
        (self.failures, self.error, self.advanced_at) = (0, None, now);
        match (step, told) {
            (Step::Finish, Told::Done { .. }) => {
                self.state = JobState::Succeeded;
                self.completed_at = Some(now);
            }
            (_, Told::Later { after_ms }) => self.not_before = now.plus(after_ms),
            (Step::Empty(_), Told::More { removed, bytes }) => self.took(at, removed, bytes),
            (Step::Empty(_), Told::Done { removed, bytes }) => {
                self.took(at, removed, bytes);
                self.emptied = at.map_or(self.emptied, |at| at.saturating_add(1));
            }
            (Step::Count(_), Told::Counted { left }) => self.counted(at, left, now),
            _ => {}
        }
    }

    fn took(&mut self, at: Option<usize>, removed: u64, bytes: u64) {
        if let Some(emptied) = at.and_then(|at| self.places.get_mut(at)) {
            emptied.removed = emptied.removed.saturating_add(removed);
            emptied.bytes = emptied.bytes.saturating_add(bytes);
        }
    }

    fn counted(&mut self, at: Option<usize>, left: u64, now: Millis) {
        let Some(emptied) = at.and_then(|at| self.places.get_mut(at)) else {
            return;
        };
        emptied.left = Some(left);
        if left == 0 {
            return;
        }
        let why = format!("{left} left in {}", emptied.place.word());
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds >= MOST_ROUNDS {
            self.state = JobState::Failed;
            self.completed_at = Some(now);
            self.error = Some(format!("{why}: something still writes there"));
            return;
        }
        // What was written there may have written elsewhere too.
        self.error = Some(why);
        self.emptied = 0;
        for emptied in &mut self.places {
            emptied.left = None;
        }
    }

    fn failed(&mut self, why: String, now: Millis) {
        self.error = Some(why);
        if now.since(self.advanced_at) >= PATIENCE_MS {
            self.state = JobState::Failed;
            self.completed_at = Some(now);
            return;
        }
        let pause = FIRST_PAUSE_MS
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST_PAUSE_MS);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.plus(pause);
    }
}

#[cfg(test)]
#[path = "removal_tests.rs"]
mod tests;
