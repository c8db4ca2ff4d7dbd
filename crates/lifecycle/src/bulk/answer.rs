//! What answers about a child make of it.

use super::{BulkJob, Child, Step};
use crate::job::pause_ms;
use molt_common::api::JobState;
use molt_common::job_id::JobId;
use molt_common::time::Millis;

/// A child that has not ended is asked again after this long.
pub const READ_EVERY_MS: u64 = 1_000;
/// A child whose sandbox accepts nothing for so long is given up.
pub const SUBMIT_DEADLINE_MS: u64 = 900_000;
/// A child about which nobody has told anything for so long is given up.
pub const SILENCE_MS: u64 = 900_000;
/// Longest cause that is kept of a child, in characters.
const LONGEST_ERROR: usize = 300;

/// Answer to a [`Step`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildAnswer {
    /// The child is known: it was accepted now or before, was read, or was told to cancel.
    Stands {
        /// Its id.
        job: JobId,
        /// Where it stands.
        state: JobState,
        /// Null unless observed.
        exit_code: Option<i32>,
        /// Why it ended other than well.
        error: Option<String>,
    },
    /// It was done by the submission itself, and is no job.
    Ended {
        /// How; a state in which nothing follows.
        state: JobState,
        /// Why it ended other than well.
        error: Option<String>,
    },
    /// The submission was refused for good.
    Refused {
        /// Why.
        error: String,
    },
    /// The submission was certainly not accepted, and may be later.
    NotNow {
        /// Why.
        error: String,
        /// Milliseconds to wait.
        retry_after_ms: u64,
    },
    /// There is no such child (any more).
    Gone,
    /// No answer.
    Unreachable {
        /// Why.
        error: String,
    },
}

impl BulkJob {
    /// The answer to a step; `jitter` is any random number. What answers an older attempt changes nothing.
    pub fn answered(&mut self, step: &Step, answer: ChildAnswer, jitter: u32, now: Millis) {
        let (index, attempt) = match step {
            Step::Submit { child, attempt, .. }
            | Step::Read { child, attempt, .. }
            | Step::Cancel { child, attempt, .. } => (*child, *attempt),
            Step::Wait { .. } => return,
        };
        let Some(child) = self.children.get_mut(index) else {
            return;
        };
        let Some(asked_at) = child.lease.settle(attempt) else {
            return;
        };
        if child.state.is_terminal() {
            return;
        }
        let submitted = matches!(step, Step::Submit { .. });
        child.later = None;
        match answer {
            ChildAnswer::Stands { job, .. }
                if job.owner() != Some(child.user) || child.job.as_ref().is_some_and(|known| *known != job) =>
            {
                child.silent("it told of another command", jitter, now);
            }
            ChildAnswer::Stands {
                job,
                state,
                exit_code,
                error,
            } => {
                child.patience.answered();
                child.job = Some(job);
                child.cancel_told |= matches!(step, Step::Cancel { .. });
                if state.is_terminal() {
                    child.exit_code = exit_code;
                    child.end(state, error.map(short));
                } else {
                    child.state = state;
                    // A child that must still be told to cancel is told at once.
                    child.later = (child.cancel_told || !self.cancel_wanted).then(|| now.plus(READ_EVERY_MS));
                }
            }
            ChildAnswer::Ended { state, error } if submitted && state.is_terminal() => {
                child.patience.answered();
                child.end(state, error.map(short));
            }
            ChildAnswer::Ended { .. } => child.silent("it told of an end that there cannot be", jitter, now),
            ChildAnswer::Refused { error } if submitted => {
                child.doubt.not_taken();
                if child.doubt.exists() {
                    let error = format!(
                        "Refused after a submission that nobody answered and that may have been accepted: {error}"
                    );
                    child.end(JobState::Lost, Some(short(error)));
                } else {
                    child.end(JobState::Rejected, Some(short(error)));
                }
            }
            ChildAnswer::NotNow { error, retry_after_ms } if submitted => {
                child.patience.answered();
                child.doubt.not_taken();
                child.doubt.nothing_taken(asked_at);
                child.later = Some(now.plus(retry_after_ms.max(READ_EVERY_MS)));
                let late = child
                    .first_at
                    .is_some_and(|first| now.since(first) >= SUBMIT_DEADLINE_MS);
                if late && !child.doubt.exists() {
                    child.end(JobState::Rejected, Some(short(error)));
                }
            }
            ChildAnswer::Gone if !submitted => {
                child.end(JobState::Lost, Some("Its result is no longer kept.".into()));
            }
            ChildAnswer::Gone => child.silent("there is no such user or command", jitter, now),
            ChildAnswer::Unreachable { error } | ChildAnswer::Refused { error } | ChildAnswer::NotNow { error, .. } => {
                child.silent(&error, jitter, now);
            }
        }
        // Also when it goes on: one that was certainly not accepted is not begun any more once the others are to end.
        self.settle(now);
    }
}

impl Child {
    /// A call has no answer, and none that comes counts any more.
    pub(super) fn unanswered(&mut self, now: Millis) {
        self.lease.abandon();
        self.failed("a call had no answer in time", now);
    }

    /// Nobody told anything.
    fn silent(&mut self, why: &str, jitter: u32, now: Millis) {
        self.failed(why, now);
        self.later = Some(now.plus(pause_ms(self.patience.failures(), jitter)));
    }

    fn failed(&mut self, why: &str, now: Millis) {
        self.patience.failed(now);
        if self.patience.is_over(now, SILENCE_MS) {
            self.end(JobState::Lost, Some(short(format!("Nobody told how it stands: {why}"))));
        }
    }
}

fn short(error: String) -> String {
    match error.char_indices().nth(LONGEST_ERROR) {
        Some((at, _)) => error.get(..at).map(|start| format!("{start}…")).unwrap_or_default(),
        None => error,
    }
}
