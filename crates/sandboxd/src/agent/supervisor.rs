//! Keeps the agent running and says how it is.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use molt_common::control::SupervisorPhase;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::admission::{Admission, Change};
use super::launch::agent_spec;
use super::readiness::{Probe, Readiness};
use super::restarts::Restarts;
use super::suspension::{self, Rest};
use super::{cause, config_file, leftovers, link, locks, port};
use crate::backoff::Backoff;
use crate::process::memory::MemoryKills;
use crate::proxy::Sessions;
use crate::settings::{AgentKind, Settings};
use crate::shim::AgentReport;
use crate::shim::client::{Shim, ShimKind};

/// Between two looks at an agent that is starting.
const LOOK_STARTING: Duration = Duration::from_millis(150);
/// Between two looks at an agent that is ready.
const LOOK_READY: Duration = Duration::from_secs(3);
/// First pause before a crashed agent is started again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Which part of the time for its stop the agent has to come to rest before it gets TERM.
const PART_FOR_REST: u32 = 4;
/// How long the rest of its tree and its last lines may take after KILL.
const AFTER_KILL: Duration = Duration::from_secs(4);
/// Close code of sockets whose agent is started again or whose sandbox stops: connecting again makes sense (RFC 6455, IANA registry).
const SERVICE_RESTART: u16 = 1012;

/// The agent as the status and the proxy see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentState {
    /// How far it is.
    pub phase: SupervisorPhase,
    /// Why it is not there, when `phase` is `Failed`.
    pub cause: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// How often it was started again in this boot.
    pub restarts: u32,
    /// Last lines of the agent that has ended; those of a running one are asked from its shim.
    pub last_lines: Vec<String>,
}

/// What ended the watch over a running agent.
enum Verdict {
    Ended(io::Result<AgentReport>),
    NeverReady,
    RestartAsked,
    StopAsked,
}

/// The one that keeps it running.
pub struct Supervisor {
    settings: Settings,
    state: watch::Sender<AgentState>,
    stop: watch::Receiver<bool>,
    restarts: Arc<Restarts>,
    sessions: Arc<Sessions>,
    shim: Shim,
    restarts_file: PathBuf,
    result_file: PathBuf,
}

impl Supervisor {
    /// Socket of the agent's shim.
    fn socket(settings: &Settings) -> PathBuf {
        settings.layout.state_dir.join("run").join("agent")
    }

    /// A supervisor that stops when `stop` becomes true and does the `restarts` that are asked for, and where to watch the agent's state.
    pub fn new(
        settings: Settings,
        stop: watch::Receiver<bool>,
        restarts: Arc<Restarts>,
        sessions: Arc<Sessions>,
    ) -> (Self, watch::Receiver<AgentState>) {
        let shim = Shim::at(Self::socket(&settings));
        let folder = settings.layout.state_dir.join("agent");
        let (restarts_file, result_file) = (folder.join("restarts"), folder.join("result.json"));
        let started_again = fs::read_to_string(&restarts_file)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        let phase = SupervisorPhase::Configure;
        let state = watch::Sender::new(AgentState {
            phase,
            cause: None,
            pid: None,
            restarts: started_again,
            last_lines: Vec::new(),
        });
        let watcher = state.subscribe();
        (
            Self {
                settings,
                state,
                stop,
                restarts,
                sessions,
                shim,
                restarts_file,
                result_file,
            },
            watcher,
        )
    }

    /// Last lines of the agent, oldest first.
    pub async fn log_tail(settings: &Settings, state: &AgentState) -> Vec<String> {
        match Shim::at(Self::socket(settings)).report::<AgentReport>().await {
            Ok(report) => report.log_tail,
            Err(_) => state.last_lines.clone(),
        }
    }

    /// Runs until the stop, and then until the agent has ended.
    pub async fn run(self) {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        let mut adopted = self.adopt().await;
        while !*self.stop.borrow() {
            let begun = Instant::now();
            let kills = MemoryKills::now();
            let running = match adopted.take() {
                Some(pid) => Ok(pid),
                None => match self.unless_stopped(self.start()).await {
                    Some(started) => started,
                    None => break,
                },
            };
            self.restarts.started(running.as_ref().copied().map_err(String::as_str));
            let (cause, last_lines) = match running {
                Err(cause) => (cause, Vec::new()),
                Ok(pid) => match self.watch_over(pid).await {
                    Verdict::StopAsked => break,
                    Verdict::RestartAsked => {
                        if self.unless_stopped(self.end_for_restart(pid)).await.is_none() {
                            break;
                        }
                        backoff = Backoff::new(PAUSES.0, PAUSES.1);
                        self.count_restart();
                        continue;
                    }
                    Verdict::Ended(report) => ended(report, kills),
                    Verdict::NeverReady => match self.unless_stopped(self.give_up_on()).await {
                        Some(end) => end,
                        None => break,
                    },
                },
            };
            let pause = backoff.after_failure(begun.elapsed());
            tracing::warn!(cause, pause_ms = pause.as_millis(), "the agent is not there");
            self.state.send_modify(|state| {
                state.phase = SupervisorPhase::Failed;
                state.cause = Some(cause);
                state.pid = None;
                state.last_lines = last_lines;
            });
            let mut stop = self.stop.clone();
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                // Whoever asks for it now does not wait for the crashes before.
                () = self.restarts.asked(None) => backoff = Backoff::new(PAUSES.0, PAUSES.1),
                () = sleep(pause) => {}
            }
            self.count_restart();
        }
        self.stop_agent().await;
    }

    /// What `work` gives; nothing when the sandbox stops first, which does not wait for it.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            done = work => Some(done),
            _ = stop.wait_for(|stop| *stop) => None,
        }
    }

    /// An agent that an earlier `serve` of this boot has started and that still runs.
    async fn adopt(&self) -> Option<u32> {
        let report = self.shim.report::<AgentReport>().await.ok()?;
        let pid = report.pid.filter(|_| report.exit.is_none())?;
        tracing::info!(pid, "found the agent of an earlier serve");
        Some(pid)
    }

    async fn start(&self) -> Result<u32, String> {
        self.enter(SupervisorPhase::Configure, None);
        self.sweep().await?;
        let mut spec = agent_spec(&self.settings).map_err(|error| error.to_string())?;
        if self.settings.agent == AgentKind::Openclaw {
            let password = self.configure().await?;
            spec.launch.env.insert(link::PASSWORD_VARIABLE.to_owned(), password);
        }
        match fs::remove_file(&self.result_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(format!("its last result: {error}")),
            _ => {}
        }
        let launched = self.shim.launch::<_, AgentReport>(ShimKind::Agent, spec).await;
        let report = launched.map_err(|error| format!("its shim did not start: {error}"))?;
        let pid = report
            .pid
            .ok_or_else(|| report.error.unwrap_or_else(|| "it did not start".to_owned()))?;
        tracing::info!(pid, "started the agent");
        Ok(pid)
    }

    /// Nothing of an earlier agent may meet the next one.
    async fn sweep(&self) -> Result<(), String> {
        leftovers::end().await?;
        let layout = &self.settings.layout;
        match locks::sweep(layout).await {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => tracing::info!(?removed, "removed locks of processes that are gone"),
            // The agent itself may still get over them.
            Err(error) => tracing::warn!(%error, "the agent's locks were not looked at"),
        }
        port::free(layout.agent_port)
    }

    /// Writes its configuration; answers the password by which it is to admit us.
    async fn configure(&self) -> Result<String, String> {
        let written = config_file::write(&self.settings)
            .await
            .map_err(|error| format!("its configuration: {error}"))?;
        match &written.outcome {
            config_file::Outcome::SetAside(name) => {
                tracing::warn!(
                    kept_as = name,
                    "the agent's configuration could not be read; it starts with a new one"
                );
            }
            outcome => tracing::info!(?outcome, "configured the agent"),
        }
        let password = written.password.unwrap_or_else(link::new_password);
        link::keep_password(&self.settings.layout.state_dir, &password)
            .map_err(|error| format!("the password of its supervisor: {error}"))?;
        Ok(password)
    }

    /// Watches a running agent until it ends, never becomes ready, or the stop is asked for.
    async fn watch_over(&self, pid: u32) -> Verdict {
        self.enter(SupervisorPhase::Agent, Some(pid));
        let mut stop = self.stop.clone();
        tokio::select! {
            report = self.final_report() => Verdict::Ended(report),
            () = self.follow_readiness(pid) => Verdict::NeverReady,
            () = self.restarts.asked(Some(pid)) => Verdict::RestartAsked,
            _ = stop.wait_for(|stop| *stop) => Verdict::StopAsked,
        }
    }

    /// How the agent ended, once it has. Its shim leaves right after it, and may have left before the question; what it wrote then stands.
    async fn final_report(&self) -> io::Result<AgentReport> {
        match self.shim.wait().await {
            Ok(report) => Ok(report),
            Err(error) => match fs::read(&self.result_file) {
                Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
                Err(_) => Err(error),
            },
        }
    }

    /// Keeps the phase true. Returns when the agent has not been ready for too long.
    async fn follow_readiness(&self, pid: u32) {
        let probe = Probe::new(self.settings.layout.agent_port);
        let begun = Instant::now();
        let mut admission = Admission::new(Duration::from_millis(self.settings.layout.agent_start_timeout_ms));
        loop {
            let readiness = probe.look().await;
            match admission.step(readiness, begun.elapsed()) {
                Change::None => {}
                Change::Opened(after) => {
                    tracing::info!(pid, took_ms = after.as_millis(), ?readiness, "the agent is ready");
                    self.enter(SupervisorPhase::Ready, Some(pid));
                }
                Change::Closed => {
                    tracing::warn!(pid, "the agent does not admit traffic any more");
                    self.enter(SupervisorPhase::Agent, Some(pid));
                }
                Change::GiveUp => return,
            }
            let settled = admission.is_open() && readiness != Readiness::NotReady;
            sleep(if settled { LOOK_READY } else { LOOK_STARTING }).await;
        }
    }

    /// Ends an agent that runs without ever admitting traffic.
    async fn give_up_on(&self) -> (String, Vec<String>) {
        let milliseconds = self.settings.layout.agent_start_timeout_ms;
        let lines = self
            .end(
                "it did not become ready",
                Duration::from_millis(self.settings.layout.agent_stop_grace_ms),
            )
            .await
            .map(|report| report.log_tail)
            .unwrap_or_default();
        (cause::of_slow_start(milliseconds, &lines), lines)
    }

    /// Ends the agent in order, to be started again.
    async fn end_for_restart(&self, pid: u32) {
        tracing::info!(pid, "a restart of the agent was asked for");
        let sockets = self.sessions.close_all(SERVICE_RESTART, "the agent is being restarted");
        tracing::info!(sockets, "sockets are told");
        self.enter(SupervisorPhase::Agent, Some(pid));
        let reason = "it is started again";
        if self.end_in_order(reason).await.is_none() {
            tracing::warn!("the agent's end was not observed");
        }
    }

    async fn stop_agent(&self) {
        let pid = self.state.borrow().pid;
        self.sessions.close_all(SERVICE_RESTART, "the sandbox is being stopped");
        self.enter(SupervisorPhase::Stopping, pid);
        if !self.shim.is_there().await {
            return;
        }
        match self.end_in_order("the sandbox stops").await {
            Some(AgentReport { exit: Some(exit), .. }) => tracing::info!(%exit, "stopped the agent"),
            _ => tracing::warn!("the agent's end was not observed"),
        }
    }

    /// Lets the agent come to rest for a part of its time, and ends it in what is left.
    async fn end_in_order(&self, reason: &str) -> Option<AgentReport> {
        let begun = Instant::now();
        let grace = Duration::from_millis(self.settings.layout.agent_stop_grace_ms);
        if self.settings.agent == AgentKind::Openclaw {
            // One that ends meanwhile does not answer any more.
            let rest = suspension::suspend(&self.settings.layout, &self.settings.boot_id, grace / PART_FOR_REST).await;
            let took_ms = begun.elapsed().as_millis();
            match rest {
                Ok(Rest::Idle) => tracing::info!(took_ms, "the agent has come to rest"),
                Ok(Rest::Working) => tracing::warn!(took_ms, "the agent is ended in the middle of its work"),
                Err(error) => tracing::info!(%error, took_ms, "the agent was not suspended"),
            }
        }
        self.end(reason, grace.saturating_sub(begun.elapsed())).await
    }

    /// Has the shim stop the agent within `grace`, and waits for it.
    async fn end(&self, reason: &str, grace: Duration) -> Option<AgentReport> {
        let limit = u64::try_from(grace.as_millis()).ok();
        let wait = async {
            let (report, _) = tokio::join!(self.final_report(), self.shim.stop::<AgentReport>(reason, limit));
            report.ok()
        };
        timeout(grace + AFTER_KILL, wait).await.ok().flatten()
    }

    fn enter(&self, phase: SupervisorPhase, pid: Option<u32>) {
        self.state.send_modify(|state| {
            state.phase = phase;
            state.cause = None;
            state.pid = pid;
        });
    }

    fn count_restart(&self) {
        if *self.stop.borrow() {
            return;
        }
        self.state
            .send_modify(|state| state.restarts = state.restarts.saturating_add(1));
        let restarts = self.state.borrow().restarts;
        if let Err(error) = fs::write(&self.restarts_file, restarts.to_string()) {
            tracing::warn!(%error, "cannot note the number of restarts");
        }
    }
}

/// Cause and last lines of an end that was not asked for. `kills` were counted before the agent's start.
fn ended(report: io::Result<AgentReport>, kills: MemoryKills) -> (String, Vec<String>) {
    match report {
        Ok(AgentReport {
            exit: Some(exit),
            log_tail,
            ..
        }) => (cause::of_end(exit, kills.since(exit), &log_tail), log_tail),
        Ok(report) => (report.error.unwrap_or_else(|| "it ended".to_owned()), report.log_tail),
        Err(_) => ("the process that watched it was killed".to_owned(), Vec::new()),
    }
}
