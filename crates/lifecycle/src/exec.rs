//! One command run for an admin: `queued → waking → starting → running → succeeded | failed | timed_out | cancelled | lost | rejected`.
//!
//! The job is bound to the generation it was handed to *before* it is handed over, so that an unanswered hand-over can be repeated
//! in that generation (the supervisor knows the id) and is `lost`, never run twice, in another.

use molt_common::api::JobState;
use molt_common::control::{ExecReport, ExecState};
use molt_common::ownership::Owner;
use molt_common::sandbox_call::{ExecAnswer, Lifecycle, SandboxView};
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// A job that has found no running sandbox after this long is rejected.
pub const WAKE_DEADLINE_MS: u64 = 180_000;

/// What the store keeps of a job besides its output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// The one call that brings a job on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl ExecJob {
    /// A job that was just accepted.
    #[must_use]
    pub const fn new(now: Millis) -> Self {
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
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn next(&self) -> Next {
        match (self.state, self.generation) {
            (JobState::Starting, Some(generation)) => Next::Start(generation),
            (JobState::Running, Some(generation)) if self.cancel_wanted => Next::Cancel(generation),
            (JobState::Running, Some(generation)) => Next::Read(generation),
            (JobState::Queued | JobState::Waking | JobState::Starting | JobState::Running, _) => Next::Wake,
            _ => Next::Nothing,
        }
    }

    /// The sandbox said how it stands (answer to [`Next::Wake`]).
    pub fn sandbox(&mut self, view: &SandboxView, now: Millis) {
        if !matches!(self.state, JobState::Queued | JobState::Waking) {
            return;
        }
        if view.lifecycle == Lifecycle::Running {
            self.state = JobState::Starting;
            self.generation = Some(view.generation);
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
        } else if now.since(self.created_at) >= WAKE_DEADLINE_MS {
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

    /// The sandbox could not even be asked.
    pub fn unreachable(&mut self, why: &str, now: Millis) {
        if matches!(self.state, JobState::Queued | JobState::Waking) && now.since(self.created_at) >= WAKE_DEADLINE_MS {
            self.end(
                JobState::Rejected,
                Some(format!("The sandbox could not be reached: {why}")),
                now,
            );
        }
    }

    /// Answer to [`Next::Start`], [`Next::Read`] or [`Next::Cancel`].
    pub fn answered(&mut self, answer: &ExecAnswer, now: Millis) {
        if !matches!(self.state, JobState::Starting | JobState::Running) {
            return;
        }
        match answer {
            ExecAnswer::Report { report } => self.reported(report, now),
            ExecAnswer::Ended { .. } => {
                self.end(
                    JobState::Lost,
                    Some("The sandbox went away while the command ran.".into()),
                    now,
                );
            }
            ExecAnswer::Unknown if self.state == JobState::Running => {
                self.end(
                    JobState::Lost,
                    Some("The sandbox no longer knows the command.".into()),
                    now,
                );
            }
            ExecAnswer::Refused { error } => self.end(JobState::Rejected, Some(error.clone()), now),
            // Asked again; only the end of the generation decides that it is lost.
            ExecAnswer::Unknown | ExecAnswer::NotNow { .. } | ExecAnswer::Unreachable { .. } => {}
        }
    }

    fn reported(&mut self, report: &ExecReport, now: Millis) {
        self.started_at = Some(Millis(report.started_at));
        let state = match report.state {
            ExecState::Running => {
                self.state = JobState::Running;
                return;
            }
            ExecState::Succeeded => JobState::Succeeded,
            ExecState::Failed => JobState::Failed,
            ExecState::TimedOut => JobState::TimedOut,
            ExecState::Cancelled => JobState::Cancelled,
            ExecState::Lost => JobState::Lost,
        };
        self.exit_code = report.exit_code;
        self.signal = report.signal;
        self.end(state, report.error.clone(), report.completed_at.map_or(now, Millis));
    }

    /// Somebody wants it cancelled. Before it was handed over it ends here.
    pub fn cancel(&mut self, now: Millis) {
        match self.state {
            JobState::Queued | JobState::Waking => {
                self.end(JobState::Cancelled, Some("Cancelled before it started.".into()), now);
            }
            JobState::Starting | JobState::Running => self.cancel_wanted = true,
            _ => {}
        }
    }

    fn end(&mut self, state: JobState, error: Option<String>, at: Millis) {
        self.state = state;
        self.completed_at = Some(at);
        self.error = error;
    }
}

#[cfg(test)]
#[path = "exec_tests.rs"]
mod tests;
