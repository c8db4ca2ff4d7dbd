//! `sandboxd run-agent`: the agent's process, from its start to the last of its children.

use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use tokio::net::UnixListener;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::child::{self, Child};
use super::line_log::{LineCutter, LineLog};
use super::server::{self, Subject};
use super::wire::{AgentReport, AgentSpec};
use crate::process::reaper::{Reaper, Scope};

/// How long its last lines may take to arrive after it has ended.
const DRAIN: Duration = Duration::from_secs(1);
/// How long its children may take to disappear.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// Runs the shim; standard input is its socket.
pub fn run() -> ExitCode {
    server::run(look_after)
}

struct Agent {
    state: Mutex<State>,
}

struct State {
    report: AgentReport,
    log: LineLog,
}

impl Agent {
    /// A panic elsewhere leaves lines that are still true, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject for Agent {
    type Report = AgentReport;

    fn report(&self) -> AgentReport {
        let state = self.state();
        AgentReport {
            log_tail: state.log.tail(),
            ..state.report.clone()
        }
    }
}

async fn look_after(listener: UnixListener) -> io::Result<()> {
    let order = server::accept_start::<AgentSpec>(&listener).await?;
    let mut ended = signal(SignalKind::child())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let spec = order.spec.clone();
    let log = LineLog::open(spec.log_path.clone());
    let agent = Arc::new(Agent {
        state: Mutex::new(State {
            report: AgentReport::default(),
            log,
        }),
    });
    let (stop_sender, mut stop) = mpsc::unbounded_channel();
    let (done_sender, done) = watch::channel(false);

    let Child {
        pid, stdout, stderr, ..
    } = match child::start(&spec.launch, false) {
        Ok(child) => child,
        Err(error) => {
            agent.state().report.error = Some(error.to_string());
            note(&spec, &agent);
            order.answer(&agent.report()).await;
            return Ok(());
        }
    };
    agent.state().report.pid = Some(pid.as_raw().cast_unsigned());
    order.answer(&agent.report()).await;
    let answering = tokio::spawn(server::answer_until_done(
        listener,
        Arc::clone(&agent),
        stop_sender,
        done,
    ));
    let mut output = JoinSet::new();
    output.spawn(take_lines(stdout, Arc::clone(&agent)));
    output.spawn(take_lines(stderr, Arc::clone(&agent)));

    let mut reaper = Reaper::new(pid);
    let mut kill_at: Option<Instant> = None;
    let usual = Duration::from_millis(spec.stop_grace_ms);
    let exit = loop {
        let stop_asked = tokio::select! {
            _ = ended.recv() => match reaper.reap() {
                Some(exit) => break exit,
                None => None,
            },
            Some(order) = stop.recv() => Some(order.grace_limit.unwrap_or(usual).min(usual)),
            _ = terminated.recv() => Some(usual),
            () = child::until(kill_at) => {
                reaper.kill(Scope::All);
                kill_at = Some(Instant::now() + Duration::from_millis(100));
                None
            }
        };
        if let Some(grace) = stop_asked {
            // A second order can only hasten the end, and TERM is said once: to some programs the second means at once.
            let wanted = Instant::now() + grace;
            let first = kill_at.is_none();
            kill_at = Some(kill_at.map_or(wanted, |kill_at| kill_at.min(wanted)));
            if !first {
                continue;
            }
            // Only the main process: it ends its children itself, in the order that keeps its data whole.
            let _ = kill(pid, Signal::SIGTERM);
        }
    };
    end_children(&mut reaper).await;
    let _ = timeout(DRAIN, async { while output.join_next().await.is_some() {} }).await;
    output.abort_all();
    agent.state().report.exit = Some(exit);
    note(&spec, &agent);
    let _ = done_sender.send(true);
    let _ = answering.await;
    Ok(())
}

/// Writes how it ended, for a `serve` that comes later. Who waits now is told from memory, also when the disk is full: that may be why it ended.
fn note(spec: &AgentSpec, agent: &Agent) {
    if let Err(error) = child::record(&spec.result_path, &agent.report()) {
        tracing::error!(%error, "how the agent ended cannot be written");
    }
}

async fn take_lines(pipe: pipe::Receiver, agent: Arc<Agent>) {
    let mut cutter = LineCutter::default();
    child::pump(pipe, |bytes| {
        for line in cutter.push(bytes) {
            agent.state().log.push(&line);
        }
    })
    .await;
    if let Some(line) = cutter.finish() {
        agent.state().log.push(&line);
    }
}

/// Children of an agent that has ended serve nobody, and the next one would find its ports and locks taken.
async fn end_children(reaper: &mut Reaper) {
    let deadline = Instant::now() + KILL_PATIENCE;
    while reaper.kill(Scope::All) > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
}
