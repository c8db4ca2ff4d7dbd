//! One command run for an admin: `queued → waking → starting → running → succeeded | failed | timed_out | cancelled | lost | rejected`.
//!
//! The job is bound to the generation it is handed to *before* it is handed over, so that an unanswered hand-over can be repeated
//! in that generation (the supervisor knows the id) and is `lost`, never run twice, in another. Only a job that was certainly not taken goes back
//! to waking.
//!
//! An object that drives it asks for a [`Turn`], **stores the job**, makes the call and tells the answer together with the turn. No end is
//! told that was not observed: the tests run every order of events against a model of the sandbox.

mod answer;
mod hand_over;

pub use answer::{OVERRUN_MS, SILENCE_MS, TRUTH_MARGIN_MS};
pub use hand_over::{CALL_LEASE_MS, HAND_OVER_WINDOW_MS, HandOver, REMEMBERED_MS};

use crate::job::{Patience, pause_ms};
use crate::sandbox::owner::SHUT_OUT;
use molt_common::api::EXEC_TIMEOUT_MAX_MS;
use molt_common::api::JobState;
use molt_common::api::exec::KILL_GRACE_MAX_MS;
use molt_common::control::ExecStart;
use molt_common::ownership::Owner;
use molt_common::sandbox_call::{Lifecycle, SandboxView};
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// A job that has found no running sandbox this long after its turn came is rejected.
pub const WAKE_DEADLINE_MS: u64 = 180_000;
/// A command that was told to stop and still runs is told again after this much more than its grace.
const TELL_AGAIN_MS: u64 = 10_000;

/// What the store keeps of a job besides its output.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExecJob {
    /// Where it stands.
    pub state: JobState,
    /// Submission.
    pub created_at: Millis,
    /// Start of the process.
    pub started_at: Option<Millis>,
    /// End.
    pub completed_at: Option<Millis>,
    /// The start of the sandbox that it is bound to.
    pub generation: Option<u64>,
    /// Null unless observed.
    pub exit_code: Option<i32>,
    /// Null unless observed.
    pub signal: Option<i32>,
    /// Why it ended other than by itself.
    pub error: Option<String>,
    /// Somebody wants it cancelled.
    #[serde(default)]
    pub cancel_wanted: bool,
    /// When its turn came.
    #[serde(default)]
    begun_at: Option<Millis>,
    /// How far handing it over is. What an older release stored may have been handed over.
    #[serde(default = "HandOver::unrecorded")]
    hand_over: HandOver,
    /// When it was first heard to run, by our clock.
    #[serde(default)]
    running_since: Option<Millis>,
    /// When the supervisor was last told to stop it, and said that it had heard.
    #[serde(default)]
    told_to_stop_at: Option<Millis>,
    /// It was seen to run long after its time limit, and is told to stop for that.
    #[serde(default)]
    overrun: bool,
    /// Its own time limit and grace, once known.
    #[serde(default)]
    limit_ms: Option<u64>,
    #[serde(default)]
    patience: Patience,
}

/// The one call that brings a job on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// Ask the sandbox to wake and how it stands.
    Wake,
    /// Hand the command over to this generation.
    Start(u64),
    /// Ask for its report in this generation.
    Read(u64),
    /// Ask this generation to stop it.
    Cancel(u64),
    /// Nothing: it has ended.
    Nothing,
}

/// The right to make one call. The job that gave it is to be stored before the call is made, when it has changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Turn {
    /// The call.
    pub next: Next,
    exec_id: String,
    asked_at: Millis,
    /// Number of the attempt, for calls about a command of which nothing was heard yet.
    attempt: Option<u32>,
}

impl ExecJob {
    /// A job that was just accepted.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        Self {
            state: JobState::Queued,
            created_at: now,
            started_at: None,
            completed_at: None,
            generation: None,
            exit_code: None,
            signal: None,
            error: None,
            cancel_wanted: false,
            begun_at: None,
            hand_over: HandOver::default(),
            running_since: None,
            told_to_stop_at: None,
            overrun: false,
            limit_ms: None,
            patience: Patience::default(),
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn next(&self) -> Next {
        match (self.state, self.generation) {
            (JobState::Starting, Some(generation)) if self.cancel_wanted => Next::Cancel(generation),
            (JobState::Starting, Some(generation)) if self.hand_over.closed || self.hand_over.refused.is_some() => {
                Next::Read(generation)
            }
            (JobState::Starting, Some(generation)) => Next::Start(generation),
            (JobState::Running, Some(generation)) if self.must_be_told() => Next::Cancel(generation),
            (JobState::Running, Some(generation)) => Next::Read(generation),
            (JobState::Queued | JobState::Waking | JobState::Starting | JobState::Running, _) => Next::Wake,
            _ => Next::Nothing,
        }
    }

    const fn must_be_told(&self) -> bool {
        (self.cancel_wanted || self.overrun) && self.told_to_stop_at.is_none()
    }

    /// Its turn has come, or goes on: what to call now, for the command `start`. Store the job before the call when this has changed it.
    pub fn turn(&mut self, start: &ExecStart, now: Millis) -> Turn {
        if !self.state.is_terminal() {
            self.limit_ms = Some(start.timeout_ms.saturating_add(start.kill_grace_ms));
        }
        if matches!(self.state, JobState::Queued | JobState::Waking) {
            self.state = JobState::Waking;
            self.begun_at.get_or_insert(now);
        }
        if self.state == JobState::Running {
            let patience = start.kill_grace_ms.saturating_add(TELL_AGAIN_MS);
            self.told_to_stop_at = self.told_to_stop_at.filter(|told| now.since(*told) < patience);
        }
        if self.state == JobState::Starting {
            self.hand_over.closed |= self.hand_over.is_late(self.created_at, now);
            if self.hand_over.closed && !self.hand_over.doubt.exists() {
                let error = "The sandbox was too busy to take the command, or stopped, for too long.";
                self.end(JobState::Rejected, Some(error.into()), now);
            }
        }
        let mut attempt = None;
        if self.state == JobState::Starting {
            attempt = Some(self.hand_over.lease.begin(now, CALL_LEASE_MS));
            if matches!(self.next(), Next::Start(_)) {
                self.hand_over.tried(self.created_at, now);
            }
        }
        Turn {
            next: self.next(),
            exec_id: start.exec_id.clone(),
            asked_at: now,
            attempt,
        }
    }

    /// Milliseconds to wait after a turn whose call failed or could not be decided; `jitter` is any random number.
    #[must_use]
    pub const fn pause(&self, jitter: u32) -> u64 {
        pause_ms(self.patience.failures(), jitter)
    }

    /// When the command must have ended by its own limits, by our clock; null before it may have begun.
    #[must_use]
    pub fn deadline(&self) -> Option<Millis> {
        let from = match self.state {
            JobState::Running => self.running_since.unwrap_or(self.created_at),
            JobState::Starting => self.hand_over.first_at(self.created_at),
            _ => return None,
        };
        let limit = self
            .limit_ms
            .unwrap_or_else(|| EXEC_TIMEOUT_MAX_MS.saturating_add(KILL_GRACE_MAX_MS));
        Some(from.plus(limit).plus(TRUTH_MARGIN_MS))
    }

    /// Whether the command must have ended by its own limits, and this job does not say so.
    #[must_use]
    pub fn overdue(&self, now: Millis) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline)
    }

    /// The sandbox said how it stands (answer to [`Next::Wake`]).
    pub fn sandbox(&mut self, view: &SandboxView, now: Millis) {
        if !matches!(self.state, JobState::Queued | JobState::Waking) {
            return;
        }
        self.patience.answered();
        if view.lifecycle == Lifecycle::Running {
            self.state = JobState::Starting;
            self.generation = Some(view.generation);
            self.hand_over = self.hand_over.anew();
        } else if view
            .placement
            .as_ref()
            .is_some_and(|placement| placement.owner == Owner::Legacy && !placement.moving)
        {
            self.end(
                JobState::Rejected,
                Some("The user is with what ran before, so he has no sandbox here.".into()),
                now,
            );
        } else if view.shut_out {
            self.end(JobState::Rejected, Some(SHUT_OUT.into()), now);
        } else if self.waited_too_long(now) {
            let cause = view.cause.as_deref().unwrap_or("it was not ready in time");
            self.end(
                JobState::Rejected,
                Some(format!("The sandbox could not be started: {cause}")),
                now,
            );
        } else {
            self.state = JobState::Waking;
        }
    }

    fn waited_too_long(&self, now: Millis) -> bool {
        now.since(self.begun_at.unwrap_or(self.created_at)) >= WAKE_DEADLINE_MS
    }

    /// Somebody wants it cancelled. What was certainly not handed over ends here; the rest is stopped, and its end is read, not assumed.
    pub fn cancel(&mut self, now: Millis) {
        match self.state {
            JobState::Queued | JobState::Waking => self.end_unstarted(now),
            JobState::Starting if !self.hand_over.doubt.exists() => self.end_unstarted(now),
            JobState::Starting | JobState::Running => self.cancel_wanted = true,
            _ => {}
        }
    }

    fn end_unstarted(&mut self, now: Millis) {
        self.end(JobState::Cancelled, Some("Cancelled before it started.".into()), now);
    }

    fn end(&mut self, state: JobState, error: Option<String>, at: Millis) {
        self.state = state;
        self.completed_at = Some(at.max(self.started_at.unwrap_or(self.created_at)));
        self.error = error;
    }
}

#[cfg(test)]
#[path = "exec_model_tests.rs"]
mod model_tests;

#[cfg(test)]
#[path = "exec_tests.rs"]
mod tests;
