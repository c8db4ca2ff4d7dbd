//! One command or change in the sandboxes of many users: a parent whose children are jobs of their own (`crate::exec`, `crate::change`), driven elsewhere.
//!
//! The parent submits a child, reads it until it has ended, and cancels it. Each of these calls may be repeated: a submission carries a key that is the
//! child's alone. [`BulkJob::next`] says what to call, and takes leases on it; **the job is stored before the calls are made**, so that a parent which
//! is read again between any two of them goes on where it was.

mod answer;
mod child;

pub use answer::{ChildAnswer, READ_EVERY_MS, SILENCE_MS, SUBMIT_DEADLINE_MS};
pub use child::{Child, child_key};

use crate::job::Lease;
use molt_common::api::JobState;
use molt_common::api::jobs::Progress;
use molt_common::id::UserId;
use molt_common::job_id::JobId;
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Most users of one job: its stored form stays far below the 2 MB that a row may have.
pub const MOST_CHILDREN: usize = 1_000;
/// Most children under way at once.
pub const MOST_AT_ONCE: u32 = 50;
/// A call about a child that is not answered within this is made again. The slowest may take effect so late: a change of a configuration waits 25 s for
/// its turn, 5 s for what is there and 30 s for the agent.
pub const CALL_LEASE_MS: u64 = 65_000;

/// Why a job about many users is not accepted; says which field is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BulkRefusal {
    /// No users, or too many.
    #[error("users must name 1 to {MOST_CHILDREN} users")]
    Users,
    /// A user is named twice.
    #[error("users names a user twice")]
    Twice,
    /// Out of range.
    #[error("concurrency must be 1 to {MOST_AT_ONCE}")]
    Concurrency,
    /// Zero.
    #[error("stopAfterFailures must be at least 1")]
    StopAfterFailures,
}

/// How the children are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BulkLimits {
    /// Children under way at once, 1 to [`MOST_AT_ONCE`].
    pub concurrency: u32,
    /// After so many children that did not end well, no more are begun.
    pub stop_after_failures: Option<u32>,
    /// Milliseconds between the beginning of one child and of the next.
    #[serde(default)]
    pub pause_ms: u64,
}

/// What the parent's object stores.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BulkJob {
    /// Where it stands: queued, running, succeeded, failed or cancelled.
    pub state: JobState,
    /// Submission.
    pub created_at: Millis,
    /// First child.
    pub started_at: Option<Millis>,
    /// End of the last child.
    pub completed_at: Option<Millis>,
    /// Why it ended other than well, with counts.
    pub error: Option<String>,
    /// Somebody wants it cancelled.
    pub cancel_wanted: bool,
    limits: BulkLimits,
    /// Too many children failed.
    halted: bool,
    /// When a child was begun last.
    #[serde(default)]
    begun_at: Option<Millis>,
    children: Vec<Child>,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Submit the command for this user under the child's key ([`child_key`]).
    Submit {
        /// Index of the child.
        child: usize,
        /// Number of the attempt.
        attempt: u32,
        /// In whose sandbox.
        user: UserId,
        /// The job was cancelled: only what an earlier submission came to is wanted now. Where asking for that would do the work, it is not asked, and
        /// the answer is [`ChildAnswer::Refused`].
        cancelled: bool,
    },
    /// Ask how a child stands.
    Read {
        /// Index of the child.
        child: usize,
        /// Number of the attempt.
        attempt: u32,
        /// The child.
        job: JobId,
    },
    /// Cancel a child.
    Cancel {
        /// Index of the child.
        child: usize,
        /// Number of the attempt.
        attempt: u32,
        /// The child.
        job: JobId,
    },
    /// Nothing more until then, unless an answer comes first.
    Wait {
        /// When to ask for steps again.
        until: Millis,
    },
}

impl BulkJob {
    /// A job that was just accepted.
    ///
    /// # Errors
    /// [`BulkRefusal`].
    pub fn new(users: &[UserId], limits: BulkLimits, now: Millis) -> Result<Self, BulkRefusal> {
        if !(1..=MOST_CHILDREN).contains(&users.len()) {
            return Err(BulkRefusal::Users);
        }
        if users.iter().map(ToString::to_string).collect::<HashSet<_>>().len() != users.len() {
            return Err(BulkRefusal::Twice);
        }
        if !(1..=MOST_AT_ONCE).contains(&limits.concurrency) {
            return Err(BulkRefusal::Concurrency);
        }
        if limits.stop_after_failures == Some(0) {
            return Err(BulkRefusal::StopAfterFailures);
        }
        Ok(Self {
            state: JobState::Queued,
            created_at: now,
            started_at: None,
            completed_at: None,
            error: None,
            cancel_wanted: false,
            limits,
            halted: false,
            begun_at: None,
            children: users.iter().copied().map(Child::new).collect(),
        })
    }

    /// The children, in the order in which they were given.
    #[must_use]
    pub fn children(&self) -> &[Child] {
        &self.children
    }

    /// How it was asked to run them.
    #[must_use]
    pub const fn limits(&self) -> BulkLimits {
        self.limits
    }

    /// Counts of the children.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for child in &self.children {
            progress.total = progress.total.saturating_add(1);
            let count = match child.state {
                JobState::Succeeded => &mut progress.succeeded,
                state if state.is_terminal() => &mut progress.failed,
                _ if child.is_begun() => &mut progress.under_way,
                _ => &mut progress.queued,
            };
            *count = count.saturating_add(1);
        }
        progress
    }

    /// What to call now. Takes leases: store the job before making the calls. Ends with a [`Step::Wait`] unless the job has ended; nothing at all then.
    pub fn next(&mut self, now: Millis) -> Vec<Step> {
        if self.state.is_terminal() {
            return vec![];
        }
        if self.state == JobState::Queued {
            self.state = JobState::Running;
            self.started_at = Some(now);
        }
        self.forget_calls(now, |lease| lease.is_free(now));
        if self.state.is_terminal() {
            return vec![];
        }
        let mut free = self.limits.concurrency.saturating_sub(self.progress().under_way);
        let pause_ms = self.limits.pause_ms;
        let mut next_at = self.begun_at.map(|at| at.plus(pause_ms));
        let mut paused = false;
        let mut steps = vec![];
        for (index, child) in self.children.iter_mut().enumerate() {
            if child.state.is_terminal() || !child.is_due(now) {
                continue;
            }
            if !child.is_begun() {
                if free == 0 {
                    continue;
                }
                if next_at.is_some_and(|at| now < at) {
                    paused = true;
                    continue;
                }
                free -= 1;
                self.begun_at = Some(now);
                next_at = Some(now.plus(pause_ms));
            }
            steps.push(child.step(index, self.cancel_wanted, now));
        }
        let due = |child: &Child| child.due_at().filter(|due| !child.state.is_terminal() && *due > now);
        // Nothing is due while every child that has not ended waits for the place of one that has: that one's answer comes first.
        let until = self
            .children
            .iter()
            .filter_map(due)
            .chain(next_at.filter(|_| paused))
            .min();
        steps.push(Step::Wait {
            until: until.unwrap_or_else(|| now.plus(READ_EVERY_MS)),
        });
        steps
    }

    /// The object was begun anew: nobody waits for the calls that were under way. All of them may be repeated, and are at once. Each counts as one that
    /// nobody answered: a child whose calls always last longer than somebody waits for them must come to an end too.
    pub fn resumed(&mut self, now: Millis) {
        if !self.state.is_terminal() {
            self.forget_calls(now, |_| true);
        }
    }

    /// Nobody will hear what became of these calls.
    fn forget_calls(&mut self, now: Millis, which: impl Fn(&Lease) -> bool) {
        for child in &mut self.children {
            if child.lease.until().is_some() && which(&child.lease) {
                child.unanswered(now);
            }
        }
        self.settle(now);
    }

    /// Somebody wants it cancelled: no child is begun any more, and those that have are cancelled and followed to their end.
    pub fn cancel(&mut self, now: Millis) {
        if !self.state.is_terminal() {
            self.cancel_wanted = true;
            for child in &mut self.children {
                child.hurry();
            }
            self.settle(now);
        }
    }

    /// Ends children that will not be begun, and the job with its last child.
    fn settle(&mut self, now: Millis) {
        let failures = self.progress().failed;
        self.halted |= self.limits.stop_after_failures.is_some_and(|most| failures >= most);
        for child in self.children.iter_mut().filter(|child| !child.is_begun()) {
            if self.cancel_wanted {
                child.end(JobState::Cancelled, Some("Cancelled before it was begun.".into()));
            } else if self.halted {
                let error = format!(
                    "Not begun: {} others had not ended well.",
                    self.limits.stop_after_failures.unwrap_or_default()
                );
                child.end(JobState::Rejected, Some(error));
            }
        }
        if self.children.iter().all(|child| child.state.is_terminal()) {
            self.finish(now);
        }
    }

    fn finish(&mut self, now: Millis) {
        let ended_in = |state: JobState| self.children.iter().filter(|child| child.state == state).count();
        self.completed_at = Some(now.max(self.created_at));
        self.state = if ended_in(JobState::Succeeded) == self.children.len() {
            JobState::Succeeded
        } else if self.cancel_wanted && ended_in(JobState::Cancelled) > 0 {
            JobState::Cancelled
        } else {
            JobState::Failed
        };
        if self.state != JobState::Succeeded {
            let counts: Vec<String> = [
                (JobState::Succeeded, "succeeded"),
                (JobState::Failed, "failed"),
                (JobState::TimedOut, "timed out"),
                (JobState::Cancelled, "cancelled"),
                (JobState::Lost, "lost"),
                (JobState::Rejected, "rejected"),
            ]
            .into_iter()
            .map(|(state, word)| (ended_in(state), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
            self.error = Some(format!("Of {}: {}.", self.children.len(), counts.join(", ")));
        }
    }
}

#[cfg(test)]
#[path = "bulk_tests.rs"]
mod tests;
