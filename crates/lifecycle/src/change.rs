//! One change of a sandbox: `queued → running → succeeded | failed | timed_out | cancelled`.
//!
//! A change says what is to be true, not which calls are to be made: at every step it compares that with what the sandbox's object knows and
//! has last observed, and asks for the one thing that brings it nearer. So it goes on after an eviction at any point, and what somebody else
//! does meanwhile (a request that starts the sandbox, a container that dies) is seen and counted, not done again.
//!
//! It is bound to the generation that it found: only that one is stopped, killed or has its agent restarted. A start that began later is never
//! undone, and nothing is called ready that was not observed to be ready since the change was asked for.

mod admission;
mod agent;
mod course;
mod kept;
mod seen;
mod view;

pub use admission::{Ask, Before, Standing, Verdict, admit};
pub use agent::{CALL_LEASE_MS, Reply};
pub use seen::{Observation, Seen, Told};

use crate::sandbox::disk::BeforeStop;
use agent::Asking;
use course::{Course, Goal};
use molt_common::api::JobState;
use molt_common::id::ExecId;
use molt_common::job_id::JobId;
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::{ChangeOutcome, Wanted};
use molt_common::snapshot::SnapshotId;
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// What does not move is looked at again after this long.
const LOOK_MS: u64 = 1_000;

/// What the object keeps of a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// Last part of its id.
    pub id: ExecId,
    /// What was asked for.
    pub wanted: Wanted,
    /// The job that it is a part of.
    pub parent: Option<JobId>,
    /// Where it stands.
    pub state: JobState,
    /// Why it ended other than well.
    pub error: Option<String>,
    /// What the sandbox was when it was asked for.
    pub found: Lifecycle,
    /// Generation before it.
    pub generation_before: u64,
    /// Generation now, or when it ended.
    pub generation: u64,
    /// Submission.
    pub created_at: Millis,
    /// When the object first took it up.
    pub started_at: Option<Millis>,
    /// Its end.
    pub completed_at: Option<Millis>,
    /// Milliseconds from the submission until it has failed.
    pub timeout_ms: u64,
    /// What came of it, where it has to do with snapshots.
    #[serde(default)]
    pub outcome: Option<ChangeOutcome>,
    /// The platform asked for it by itself: whatever somebody asks for ends it.
    #[serde(default)]
    pub scheduled: bool,
    /// The snapshot that it is about, if it is about one.
    #[serde(default)]
    pub snapshot: Option<SnapshotId>,
    /// The caller gave the disk up: it is not saved before a stop.
    #[serde(default)]
    discard_disk: bool,
    goal: Goal,
    /// What it found was told to end: killed with the memory of failed starts, or to stop and stay so.
    #[serde(default)]
    cleared: bool,
    #[serde(default)]
    asking: Asking,
}

/// The one thing to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Tell the sandbox's machine that it is needed.
    Need,
    /// Tell it to stop, orderly.
    Stop(BeforeStop),
    /// Tell it to kill what there is and to forget failed starts.
    Kill,
    /// Ask the supervisor of the current generation to restart the agent, under the id of the change, once the change is stored; and tell what it says with
    /// the number of the attempt ([`Change::replied`]).
    RestartAgent {
        /// Number of the attempt.
        attempt: u32,
    },
    /// The same of a save.
    Save {
        /// Number of the attempt.
        attempt: u32,
    },
    /// The same of a work of upkeep.
    Upkeep {
        /// Number of the attempt.
        attempt: u32,
    },
    /// Look again then, or when something has happened.
    Wait {
        /// When; something moves when it is not later than now.
        until: Millis,
    },
    /// It has ended.
    Nothing,
}

impl Change {
    /// What is to be done now. Store the change with what comes of it.
    pub fn step(&mut self, seen: &Seen, now: Millis) -> Step {
        if self.state.is_terminal() {
            return Step::Nothing;
        }
        self.state = JobState::Running;
        self.started_at.get_or_insert(now);
        self.generation = self.generation.max(seen.generation);
        let (course, outcome) = self.course(seen, now);
        self.outcome = outcome.or(self.outcome.take());
        // What is true at the deadline has been reached in time, as far as anybody can tell.
        if !matches!(course, Course::End(..)) && now >= self.deadline() {
            self.end(JobState::TimedOut, Some(self.lateness(seen)), now);
            return Step::Nothing;
        }
        match course {
            Course::End(state, error) => {
                self.end(state, error, now);
                Step::Nothing
            }
            Course::Wait(until) => Step::Wait {
                until: until.min(self.deadline()),
            },
            Course::Need => Step::Need,
            Course::Stop => {
                self.cleared = true;
                Step::Stop(if self.discard_disk {
                    BeforeStop::Discard
                } else {
                    BeforeStop::Save
                })
            }
            Course::Kill => {
                self.cleared = true;
                Step::Kill
            }
            Course::RestartAgent => Step::RestartAgent {
                attempt: self.asking.begin(now),
            },
            Course::Save => Step::Save {
                attempt: self.asking.begin(now),
            },
            Course::Upkeep => Step::Upkeep {
                attempt: self.asking.begin(now),
            },
        }
    }

    /// When it has failed if it has not ended.
    #[must_use]
    pub const fn deadline(&self) -> Millis {
        self.created_at.plus(self.timeout_ms)
    }

    /// The generation that it had stopped and will start no other after: that stop is withdrawn
    /// ([`StopWithdrawn`](crate::sandbox::Event::StopWithdrawn)). One that was at rest stays so.
    #[must_use]
    pub const fn withdraws(&self) -> Option<u64> {
        let ended = matches!(self.state, JobState::Failed | JobState::TimedOut | JobState::Cancelled);
        let was_at_rest = matches!(self.found, Lifecycle::Stopped);
        match self.goal {
            Goal::Up { above } if ended && self.cleared && !was_at_rest => Some(above),
            _ => None,
        }
    }

    /// Somebody wants it to end where it stands. What was begun goes on, but for a stop that still waits for its save ([`Change::withdraws`]).
    pub fn cancel(&mut self, reason: &str, now: Millis) {
        if !self.state.is_terminal() {
            self.end(JobState::Cancelled, Some(reason.to_owned()), now);
        }
    }

    fn end(&mut self, state: JobState, error: Option<String>, now: Millis) {
        self.state = state;
        self.error = error;
        self.completed_at = Some(now.max(self.started_at.unwrap_or(self.created_at)));
    }
}

#[cfg(test)]
#[path = "change_kept_tests.rs"]
mod kept_tests;

#[cfg(test)]
#[path = "change_machine_tests.rs"]
mod machine_tests;

#[cfg(test)]
#[path = "change_model_tests.rs"]
mod model_tests;

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
