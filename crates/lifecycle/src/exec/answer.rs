//! What answers about a command make of its job.

use super::{ExecJob, HAND_OVER_WINDOW_MS, Next, Turn};
use molt_common::api::JobState;
use molt_common::control::{ExecReport, ExecState};
use molt_common::sandbox_call::ExecAnswer;
use molt_common::time::Millis;

/// So long after a command must have ended by its own limits, its job still looks for the truth.
pub const TRUTH_MARGIN_MS: u64 = 30_000;
/// Past its deadline, a job that nobody has told anything about for so long is lost.
pub const SILENCE_MS: u64 = 60_000;
/// Past its deadline by so much, a command that is still said to run although it was told to stop is given up.
pub const OVERRUN_MS: u64 = 600_000;

impl ExecJob {
    /// Answer to the call of a turn: [`Next::Start`], [`Next::Read`] or [`Next::Cancel`]. What answers an older turn changes nothing.
    pub fn answered(&mut self, turn: &Turn, answer: &ExecAnswer, now: Millis) {
        match (self.state, turn.attempt) {
            (JobState::Starting, Some(attempt)) => {
                if let Some(asked_at) = self.hand_over.lease.settle(attempt) {
                    self.answered_starting(turn, answer, asked_at, now);
                }
            }
            (JobState::Running, None) => self.answered_running(turn, answer, now),
            _ => {}
        }
    }

    /// The sandbox could not even be asked.
    pub fn unreachable(&mut self, why: &str, now: Millis) {
        match self.state {
            JobState::Queued | JobState::Waking => {
                self.patience.failed(now);
                if self.waited_too_long(now) {
                    let error = format!("The sandbox could not be reached: {why}");
                    self.end(JobState::Rejected, Some(error), now);
                }
            }
            JobState::Starting | JobState::Running => self.silent(why, now),
            _ => {}
        }
    }

    fn answered_starting(&mut self, turn: &Turn, answer: &ExecAnswer, asked_at: Millis, now: Millis) {
        match answer {
            ExecAnswer::Report { report } => self.reported(turn, report, now),
            ExecAnswer::Ended { .. } => {
                // The object did not pass this try on; an earlier one may have run in the generation that is over.
                if matches!(turn.next, Next::Start(_)) {
                    self.hand_over.doubt.not_taken();
                }
                if self.hand_over.doubt.exists() {
                    self.lose(
                        "The sandbox went away before it answered the hand-over: the command may have run.",
                        now,
                    );
                } else if self.cancel_wanted {
                    self.end_unstarted(now);
                } else {
                    // Another generation may have it: this one certainly never did.
                    self.state = JobState::Waking;
                    self.generation = None;
                }
            }
            ExecAnswer::NotNow { error } if matches!(turn.next, Next::Start(_)) => {
                self.hand_over.doubt.not_taken();
                self.patience.put_off();
                let late = format!("The sandbox did not take the command: {error}");
                self.not_known(&late, asked_at, now);
            }
            ExecAnswer::Refused { error } if matches!(turn.next, Next::Start(_)) => {
                self.hand_over.doubt.not_taken();
                if self.hand_over.doubt.exists() {
                    // Perhaps refused *because* an earlier try was taken: ask for that.
                    self.hand_over.refused = Some(error.clone());
                } else {
                    self.end(JobState::Rejected, Some(error.clone()), now);
                }
            }
            ExecAnswer::Unknown => {
                self.patience.put_off();
                self.not_known("The command could not be handed over in time.", asked_at, now);
            }
            ExecAnswer::Refused { error } | ExecAnswer::NotNow { error } | ExecAnswer::Unreachable { error } => {
                self.silent(error, now);
            }
        }
    }

    /// The supervisor was there and did not know the command.
    fn not_known(&mut self, late: &str, asked_at: Millis, now: Millis) {
        if self.hand_over.may_be_forgotten(self.created_at, asked_at) {
            self.lose("Nobody answered the hand-over in time: the command may have run.", now);
            return;
        }
        if self.hand_over.may_be_forgotten(self.created_at, now) {
            // Nobody knows when the supervisor said this, before or after it may have forgotten: it is asked again.
            return;
        }
        self.hand_over.doubt.nothing_taken(asked_at);
        if self.hand_over.doubt.exists() {
            return;
        }
        if self.cancel_wanted {
            self.end_unstarted(now);
        } else if let Some(error) = self.hand_over.refused.take() {
            self.end(JobState::Rejected, Some(error), now);
        } else if self.hand_over.closed || self.hand_over.is_late(self.created_at, now) {
            self.end(JobState::Rejected, Some(late.into()), now);
        }
    }

    fn answered_running(&mut self, turn: &Turn, answer: &ExecAnswer, now: Millis) {
        match answer {
            ExecAnswer::Report { report } => self.reported(turn, report, now),
            ExecAnswer::Ended { .. } => self.lose("The sandbox went away while the command ran.", now),
            ExecAnswer::Unknown => self.lose("The sandbox no longer knows the command.", now),
            // It was taken, so these say nothing about it.
            ExecAnswer::Refused { error } | ExecAnswer::NotNow { error } | ExecAnswer::Unreachable { error } => {
                self.silent(error, now);
            }
        }
    }

    fn reported(&mut self, turn: &Turn, report: &ExecReport, now: Millis) {
        if report.exec_id != turn.exec_id {
            self.silent("it told of another command", now);
            return;
        }
        self.patience.answered();
        // The sandbox has a clock of its own.
        let plausible = |at: u64, from: Millis| Millis(at).min(now).max(from);
        let started_at = plausible(report.started_at, self.created_at);
        self.started_at.get_or_insert(started_at);
        let state = match (report.state, report.exit_code) {
            (ExecState::Running, _) => {
                self.runs(turn, now);
                return;
            }
            (ExecState::Succeeded, Some(0)) => JobState::Succeeded,
            (ExecState::Succeeded, _) => {
                self.lose("The sandbox told of a success without its exit code.", now);
                return;
            }
            (ExecState::Failed, _) => JobState::Failed,
            (ExecState::TimedOut, _) => JobState::TimedOut,
            (ExecState::Cancelled, _) => JobState::Cancelled,
            (ExecState::Lost, _) => JobState::Lost,
        };
        self.exit_code = report.exit_code;
        self.signal = report.signal;
        let ended_at = report.completed_at.map_or(now, |at| plausible(at, started_at));
        self.end(state, report.error.clone(), ended_at);
    }

    /// It is said to run.
    fn runs(&mut self, turn: &Turn, now: Millis) {
        self.state = JobState::Running;
        self.running_since.get_or_insert(now);
        if matches!(turn.next, Next::Cancel(_)) {
            self.told_to_stop_at = Some(now);
        }
        // By when it was asked: an answer that was long on its way tells of an earlier time.
        self.overrun |= self.overdue(turn.asked_at);
        if self
            .deadline()
            .is_some_and(|deadline| turn.asked_at >= deadline.plus(OVERRUN_MS))
        {
            self.lose(
                "The command was told to stop long after its time limit and is still said to run.",
                now,
            );
        }
    }

    /// Nobody told anything.
    fn silent(&mut self, why: &str, now: Millis) {
        // Before that nothing follows from silence, and a failure may have been long on its way.
        if !self.overdue(now) {
            self.patience.put_off();
            return;
        }
        self.patience.failed(now);
        if !self.patience.is_over(now, SILENCE_MS) {
            return;
        }
        let since = self.patience.silent_since().unwrap_or(now).iso();
        if self.state == JobState::Starting && !self.hand_over.doubt.exists() {
            let error = format!("The command was never taken, and the sandbox has told nothing since {since}: {why}");
            self.end(JobState::Rejected, Some(error), now);
        } else {
            let error = format!(
                "The command is past its time limit, and the sandbox has told nothing about it since {since}: {why}"
            );
            self.lose(&error, now);
        }
    }

    fn lose(&mut self, why: &str, now: Millis) {
        self.end(JobState::Lost, Some(why.into()), now);
    }
}

// A hand-over that is refused for good late in the window is read for as long as tries may still arrive, well before what the supervisor started is forgotten.
const _: () = assert!(HAND_OVER_WINDOW_MS + 2 * super::CALL_LEASE_MS < super::REMEMBERED_MS);
