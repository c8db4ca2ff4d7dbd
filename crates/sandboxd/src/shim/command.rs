//! `sandboxd run-command`: one command, from its start to its last process.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molt_common::control::{ExecReport, ExecState, WaitFor};
use molt_common::output::StreamName;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::child::{self, Child};
use super::extent::PagePlan;
use super::output::KeptOutput;
use super::page::{self, OutputQuery};
use super::recorded::Recorded;
use super::server::{self, Subject};
use super::wire::{CommandSpec, running_report};
use crate::clock::now_ms;
use crate::process::exit::Exit;
use crate::process::tree::{living_descendants, signal_descendants};

/// Between TERM and KILL.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long output of background children is still taken after the command itself has exited.
const DRAIN: Duration = Duration::from_secs(1);
/// How long the tree may take to disappear after KILL.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// Runs the shim; standard input is its socket.
pub fn run() -> ExitCode {
    server::run(look_after)
}

/// Why it was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    TimedOut,
    Cancelled(String),
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
    let mut ended = signal(SignalKind::child())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let spec = order.spec.clone();
    let command = Arc::new(Command::new(&spec));
    let (stop_sender, mut stop) = mpsc::unbounded_channel();
    let (done_sender, done) = watch::channel(false);

    let child = match child::start(&spec.launch, spec.stdin.is_some()) {
        Ok(child) => child,
        Err(error) => {
            command.finish(Outcome {
                state: ExecState::Failed,
                exit: None,
                error: Some(error.to_string()),
                at: now_ms(),
            });
            command.record(&spec.folder)?;
            order.answer(&command.report()).await;
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

    let time_up = Instant::now() + Duration::from_millis(spec.timeout_ms);
    let mut ending: Option<Ending> = None;
    let mut kill_at: Option<Instant> = None;
    let exit = loop {
        let reason = tokio::select! {
            _ = ended.recv() => match child::reap(pid) {
                Some(exit) => break exit,
                None => continue,
            },
            () = sleep_until(time_up), if ending.is_none() => Ending::TimedOut,
            Some(reason) = stop.recv(), if ending.is_none() => Ending::Cancelled(reason),
            _ = terminated.recv(), if ending.is_none() => Ending::Cancelled("the sandbox stops".to_owned()),
            () = child::until(kill_at) => {
                signal_descendants(Signal::SIGKILL, |_| true);
                kill_at = Some(Instant::now() + Duration::from_millis(100));
                continue;
            }
        };
        ending = Some(reason);
        kill_at = Some(Instant::now() + STOP_GRACE);
        signal_descendants(Signal::SIGTERM, |_| true);
    };
    let at = now_ms();
    match kill_at {
        Some(kill_at) => end_tree(pid, kill_at).await,
        None => end_session(pid, &mut output).await,
    }
    // What a daemon of another session still writes to the pipe is no longer the command's output.
    let _ = timeout(DRAIN, async { while output.join_next().await.is_some() {} }).await;
    output.abort_all();

    command.finish(outcome_of(Some(exit), ending, spec.timeout_ms, at));
    command.record(&spec.folder)?;
    let _ = done_sender.send(true);
    let _ = answering.await;
    Ok(())
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

/// After a normal exit: takes the output that background children still write, for a moment, then ends the command's session. A process
/// that left the session (`setsid`) was meant to stay and does.
async fn end_session(main: Pid, output: &mut JoinSet<()>) {
    let _ = timeout(DRAIN, async { while output.join_next().await.is_some() {} }).await;
    let deadline = Instant::now() + KILL_PATIENCE;
    while signal_descendants(Signal::SIGKILL, |member| member.session == main.as_raw()) > 0 && Instant::now() < deadline
    {
        sleep(Duration::from_millis(10)).await;
        child::reap(main);
    }
}

/// After a stop: everything below goes, whatever session it made for itself. It had TERM already.
async fn end_tree(main: Pid, kill_at: Instant) {
    let deadline = kill_at.max(Instant::now()) + KILL_PATIENCE;
    while !living_descendants().is_empty() && Instant::now() < deadline {
        if Instant::now() >= kill_at {
            signal_descendants(Signal::SIGKILL, |_| true);
        }
        sleep(Duration::from_millis(20)).await;
        child::reap(main);
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
