//! `sandboxd run-command`: one command, from its start to its last process.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molt_common::control::{ExecReport, ExecState, WaitFor};
use molt_common::output::StreamName;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::child::{self, Child};
use super::extent::PagePlan;
use super::output::KeptOutput;
use super::page::{self, OutputQuery};
use super::recorded::{Recorded, mark_started};
use super::server::{self, Subject};
use super::watch::{End, Ending, Watch};
use super::wire::{CommandSpec, running_report};
use crate::clock::now_ms;
use crate::process::exit::Exit;
use crate::process::memory::MemoryKills;
use crate::process::reaper::Reaper;

/// Pause before a result that could not be written is written again.
const RECORD_AGAIN: Duration = Duration::from_secs(1);

/// Runs the shim; standard input is its socket.
pub fn run() -> ExitCode {
    server::run(look_after)
}

/// The command as its report shows it.
struct Command {
    state: Mutex<State>,
    /// Told of every change of the state; whoever waits for one subscribes.
    changes: watch::Sender<()>,
}

struct State {
    report: ExecReport,
    stdout: KeptOutput,
    stderr: KeptOutput,
}

impl Command {
    fn new(spec: &CommandSpec) -> Self {
        let report = running_report(&spec.exec_id, now_ms());
        let kept = || KeptOutput::new(spec.max_output_bytes);
        Self {
            state: Mutex::new(State {
                report,
                stdout: kept(),
                stderr: kept(),
            }),
            changes: watch::Sender::new(()),
        }
    }

    /// A panic elsewhere leaves output that is still true, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn took(&self, stream: StreamName, bytes: &[u8]) {
        let state = &mut *self.state();
        match stream {
            StreamName::Stdout => state.stdout.push(bytes),
            StreamName::Stderr => state.stderr.push(bytes),
        }
        self.changes.send_replace(());
    }

    fn finish(&self, outcome: Outcome) {
        let report = &mut self.state().report;
        report.state = outcome.state;
        report.exit_code = outcome.exit.and_then(|exit| exit.code);
        report.signal = outcome.exit.and_then(|exit| exit.signal);
        report.completed_at = Some(outcome.at);
        report.error = outcome.error;
        self.changes.send_replace(());
    }

    /// Whether there is what `query` waits for.
    fn has(&self, query: &OutputQuery) -> bool {
        let state = self.state();
        let more = || {
            state.stdout.extent().kept_after(query.after.stdout) + state.stderr.extent().kept_after(query.after.stderr)
                > 0
        };
        state.report.state != ExecState::Running || (query.wait_for == WaitFor::Output && more())
    }

    fn record(&self, folder: &Path) -> io::Result<()> {
        let state = self.state();
        Recorded::write(folder, &state.told(), &state.stdout, &state.stderr)
    }
}

impl State {
    /// The report with its counts.
    fn told(&self) -> ExecReport {
        let (stdout, stderr) = (self.stdout.extent(), self.stderr.extent());
        ExecReport {
            stdout_bytes: stdout.total,
            stderr_bytes: stderr.total,
            truncated: stdout.truncated() || stderr.truncated(),
            ..self.report.clone()
        }
    }
}

impl Subject for Command {
    type Report = ExecReport;

    fn report(&self) -> ExecReport {
        self.state().told()
    }

    async fn output(&self, query: OutputQuery) -> Option<Vec<u8>> {
        let mut changes = self.changes.subscribe();
        let there = async { while !self.has(&query) && changes.changed().await.is_ok() {} };
        let _ = timeout(Duration::from_millis(query.wait_ms), there).await;
        let state = self.state();
        let plan = PagePlan::new(
            &state.stdout.extent(),
            &state.stderr.extent(),
            query.after,
            query.limit_bytes,
        );
        Some(page::encode(state.told(), plan, |stream, range, bytes| match stream {
            StreamName::Stdout => state.stdout.copy(range, bytes),
            StreamName::Stderr => state.stderr.copy(range, bytes),
        }))
    }
}

struct Outcome {
    state: ExecState,
    exit: Option<Exit>,
    error: Option<String>,
    at: u64,
}

/// What an observed end means. A stop that was asked for stays one whatever code the command answered it with.
fn outcome_of(exit: Option<Exit>, ending: Option<Ending>, timeout_ms: u64, at: u64) -> Outcome {
    let (state, error) = match (ending, exit) {
        (Some(Ending::TimedOut), _) => (ExecState::TimedOut, Some(format!("stopped after {timeout_ms} ms"))),
        (Some(Ending::Cancelled(reason)), _) => (ExecState::Cancelled, Some(reason)),
        (None, Some(Exit { code: Some(0), .. })) => (ExecState::Succeeded, None),
        (None, Some(Exit { code: Some(_), .. })) => (ExecState::Failed, None),
        (None, Some(exit)) => (ExecState::Failed, Some(format!("ended by {exit}"))),
        (None, None) => (ExecState::Lost, Some("its end was not observed".to_owned())),
    };
    Outcome { state, exit, error, at }
}

async fn look_after(listener: UnixListener) -> io::Result<()> {
    let order = server::accept_start::<CommandSpec>(&listener).await?;
    // Before the start, or an end could go unnoticed.
    let ended = signal(SignalKind::child())?;
    let terminated = signal(SignalKind::terminate())?;
    let spec = order.spec.clone();
    mark_started(&spec.folder)?;
    let command = Arc::new(Command::new(&spec));
    let (stop_sender, stop) = mpsc::unbounded_channel();
    let (done_sender, done) = watch::channel(false);
    let memory = MemoryKills::now();

    let child = match child::start(&spec.launch, spec.stdin.is_some()) {
        Ok(child) => child,
        Err(error) => {
            command.finish(Outcome {
                state: ExecState::Failed,
                exit: None,
                error: Some(error.to_string()),
                at: now_ms(),
            });
            order.answer(&command.report()).await;
            let answering = server::answer_until_done(listener, Arc::clone(&command), stop_sender, done);
            let recording = async {
                record_at_last(&command, &spec).await;
                done_sender.send_replace(true);
            };
            tokio::join!(answering, recording);
            return Ok(());
        }
    };
    order.answer(&command.report()).await;
    let answering = tokio::spawn(server::answer_until_done(
        listener,
        Arc::clone(&command),
        stop_sender,
        done,
    ));

    let Child {
        pid,
        stdin,
        stdout,
        stderr,
    } = child;
    feed(stdin, spec.stdin.clone());
    let mut output = JoinSet::new();
    let (taker, other) = (Arc::clone(&command), Arc::clone(&command));
    output.spawn(child::pump(stdout, move |bytes| taker.took(StreamName::Stdout, bytes)));
    output.spawn(child::pump(stderr, move |bytes| other.took(StreamName::Stderr, bytes)));

    let mut watch = Watch {
        main: pid,
        reaper: Reaper::new(pid),
        ended,
        terminated,
        stop,
        kill_grace: Duration::from_millis(spec.kill_grace_ms),
    };
    let time_up = Instant::now() + Duration::from_millis(spec.timeout_ms);
    let End { exit, at, ending } = watch.until_ended(time_up, &mut output).await;
    output.abort_all();
    let mut outcome = outcome_of(Some(exit), ending, spec.timeout_ms, at);
    if outcome.state == ExecState::Failed
        && let Some(shortage) = memory.since(exit)
    {
        outcome.error = Some(shortage);
    }
    command.finish(outcome);
    record_at_last(&command, &spec).await;
    done_sender.send_replace(true);
    let _ = answering.await;
    Ok(())
}

/// Writes the result. While the disk does not take it, it is told from memory and tried again: it is true whether or not it is written.
async fn record_at_last(command: &Command, spec: &CommandSpec) {
    let mut said = false;
    while let Err(error) = command.record(&spec.folder) {
        if !said {
            tracing::error!(exec_id = spec.exec_id, %error, "the result cannot be written; trying again");
            said = true;
        }
        sleep(RECORD_AGAIN).await;
    }
}

/// Writes standard input beside everything else: a command that never reads must not block its shim.
fn feed(pipe: Option<pipe::Sender>, text: Option<String>) {
    if let (Some(mut pipe), Some(text)) = (pipe, text) {
        tokio::spawn(async move {
            // A command may end without reading all of it.
            let _ = pipe.write_all(text.as_bytes()).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn code(code: i32) -> Option<Exit> {
        Some(Exit {
            code: Some(code),
            signal: None,
        })
    }

    #[test]
    fn an_outcome_is_what_was_observed() {
        let state = |exit, ending| outcome_of(exit, ending, 5, 9).state;
        assert_eq!(state(code(0), None), ExecState::Succeeded);
        assert_eq!(state(code(7), None), ExecState::Failed);
        assert_eq!(
            state(
                Some(Exit {
                    code: None,
                    signal: Some(9)
                }),
                None
            ),
            ExecState::Failed
        );
        assert_eq!(state(code(0), Some(Ending::TimedOut)), ExecState::TimedOut);
        assert_eq!(
            state(code(0), Some(Ending::Cancelled("x".into()))),
            ExecState::Cancelled
        );
        assert_eq!(state(None, None), ExecState::Lost);
    }

    #[test]
    fn a_signal_is_named() {
        let outcome = outcome_of(
            Some(Exit {
                code: None,
                signal: Some(9),
            }),
            None,
            5,
            9,
        );
        assert_eq!(outcome.error.as_deref(), Some("ended by signal 9 (SIGKILL)"));
    }
}
