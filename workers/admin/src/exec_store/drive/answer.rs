//! What an answer about a command changes: its job, its output, and when to ask again.
//!
//! A job that has ended has all of its output. So an end that is heard before all output was fetched is kept as the *ending*, the job goes on as
//! running, and it ends with the last of its output, or when there is no more to be had.

use super::ask::Answer;
use crate::exec_store::store::jobs::{Active, Ending};
use crate::exec_store::store::output::NewOutput;
use molt_common::control::{ExecReport, ExecState};
use molt_common::output::{OutputCursor, StreamName};
use molt_common::sandbox_call::{ExecAnswer, Followed, FollowedOutput};
use molt_common::time::Millis;
use molt_lifecycle::exec::{Next, OVERRUN_MS, Turn};
use worker::Result;

/// An end is told without the rest of the output when nobody has answered about that for so long.
const REST_MS: u64 = 20_000;

/// What an answer told besides what it made of the job.
#[derive(Default)]
pub struct Told {
    /// Output that follows what was fetched.
    pub output: Option<FollowedOutput>,
    /// How much was written, if that was told.
    pub written: Option<OutputCursor>,
    /// Whether the next call may follow without a pause for what failed.
    pub settled: bool,
    /// Whether more output is there already.
    pub more: bool,
    /// Whether some was dropped before it was fetched: the command writes faster than anybody reads.
    pub flooding: bool,
}

impl Told {
    /// As the store keeps it.
    pub fn new_output(&self, active: &Active) -> NewOutput<'_> {
        let cursor = self.output.as_ref().map_or(active.fetched, |output| output.cursor);
        NewOutput {
            pieces: self.output.as_ref().map_or(&[], |output| &output.pieces),
            cursor,
            written: self.written.unwrap_or(cursor),
            limit: active.start.max_output_bytes,
            last: active.job.state.is_terminal(),
        }
    }
}

/// Tells an answer to the job.
pub fn tell(active: &mut Active, turn: &Turn, asked: Result<Answer>, now: Millis) -> Told {
    match asked {
        Ok(Answer::Sandbox(view)) => {
            active.job.sandbox(&view, now);
            Told {
                settled: active.job.next() != Next::Wake,
                ..Told::default()
            }
        }
        Ok(Answer::Exec(Followed {
            answer: ExecAnswer::Report { report },
            output,
        })) => reported(active, turn, *report, output, now),
        Ok(Answer::Exec(Followed { answer, .. })) => {
            let gone = matches!(answer, ExecAnswer::Ended { .. } | ExecAnswer::Unknown);
            if !give_up(active, turn, gone, now) {
                active.job.answered(turn, &answer, now);
            }
            Told {
                settled: matches!(answer, ExecAnswer::Ended { .. } | ExecAnswer::Refused { .. }),
                ..Told::default()
            }
        }
        Err(error) => {
            if !give_up(active, turn, false, now) {
                active.job.unreachable(&error.to_string(), now);
            }
            Told::default()
        }
    }
}

fn reported(active: &mut Active, turn: &Turn, report: ExecReport, output: Option<FollowedOutput>, now: Millis) -> Told {
    let written = OutputCursor {
        stdout: report.stdout_bytes,
        stderr: report.stderr_bytes,
    };
    let more = output.as_ref().is_some_and(|output| output.more);
    let flooding = output.as_ref().is_some_and(|output| skips(output, active.fetched));
    let whole = match &output {
        Some(output) => !output.more,
        None => active.fetched == written,
    };
    let ended = report.state != ExecState::Running;
    if ended && !whole {
        let ending = active.ending.get_or_insert_with(|| Ending {
            report: report.clone(),
            heard_at: now,
            silent_since: None,
        });
        ending.silent_since = None;
    }
    let withheld = (ended && !whole).then(|| active.job.clone());
    let told = if withheld.is_some() {
        running(report.clone())
    } else {
        report.clone()
    };
    active.job.answered(turn, &answer(told), now);
    if let Some(before) = withheld.filter(|_| active.job.state.is_terminal()) {
        // It is given up as running for too long, which is not so: its end was observed, and the rest of its output comes.
        active.job = before;
        let heard_at = active.ending.as_ref().map_or(now, |ending| ending.heard_at);
        if now.since(heard_at) >= OVERRUN_MS {
            active.job.answered(turn, &answer(report), now);
        }
    }
    Told {
        output,
        written: Some(written),
        settled: true,
        more,
        flooding,
    }
}

/// Whether a page begins later than what was fetched ends, in either stream.
fn skips(page: &FollowedOutput, fetched: OutputCursor) -> bool {
    StreamName::BOTH.into_iter().any(|stream| {
        let first = page.pieces.iter().find(|piece| piece.stream == stream);
        first.is_some_and(|piece| piece.at > fetched.of(stream))
    })
}

/// An end that was observed stands when the rest of the output cannot be had: it is gone, or nobody has answered for long.
fn give_up(active: &mut Active, turn: &Turn, gone: bool, now: Millis) -> bool {
    let Some(ending) = &mut active.ending else { return false };
    // Not since the end was heard: of that time this object, too, may have been away.
    let silent_since = *ending.silent_since.get_or_insert(now);
    let over = gone || now.since(silent_since) >= REST_MS;
    if over {
        let report = ending.report.clone();
        active.job.answered(turn, &answer(report), now);
    }
    over && active.job.state.is_terminal()
}

fn answer(report: ExecReport) -> ExecAnswer {
    ExecAnswer::Report {
        report: Box::new(report),
    }
}

/// The same before its end.
fn running(report: ExecReport) -> ExecReport {
    ExecReport {
        state: ExecState::Running,
        exit_code: None,
        signal: None,
        completed_at: None,
        error: None,
        ..report
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
