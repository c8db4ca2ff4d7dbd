//! Keeps the agent running and says how it is.

mod ending;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use molt_common::control::SupervisorPhase;
use molt_common::control::provider::HandProviders;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::admission::{Admission, Change};
use super::disk::Disk;
use super::launch::agent_spec;
use super::readiness::{Probe, Readiness};
use super::restarts::Restarts;
use super::{Configuration, HandedProviders, cause, config_file, leftovers, link, locks, port};
use crate::backoff::Backoff;
use crate::process::memory::MemoryKills;
use crate::proxy::Sessions;
use crate::settings::Settings;
use crate::shim::AgentReport;
use crate::shim::client::{Shim, ShimKind};

/// Between two looks at an agent that is starting.
const LOOK_STARTING: Duration = Duration::from_millis(150);
/// Between two looks at an agent that is ready.
const LOOK_READY: Duration = Duration::from_secs(3);
/// First pause before a crashed agent is started again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

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
    disk: watch::Receiver<Disk>,
    restarts: Arc<Restarts>,
    sessions: Arc<Sessions>,
    configuration: Arc<Configuration>,
    providers: Arc<HandedProviders>,
    shim: Shim,
    restarts_file: PathBuf,
    result_file: PathBuf,
}

impl Supervisor {
    /// Socket of the agent's shim.
    fn socket(settings: &Settings) -> PathBuf {
        settings.layout.state_dir.join("run").join("agent")
    }

    /// A supervisor that waits for the `disk`, stops when `stop` becomes true and does the `restarts` that are asked for, and where to watch the agent's state.
    pub fn new(
        settings: Settings,
        stop: watch::Receiver<bool>,
        disk: watch::Receiver<Disk>,
        restarts: Arc<Restarts>,
        sessions: Arc<Sessions>,
        configuration: Arc<Configuration>,
        providers: Arc<HandedProviders>,
    ) -> (Self, watch::Receiver<AgentState>) {
        let shim = Shim::at(Self::socket(&settings));
        let folder = settings.layout.state_dir.join("agent");
        let (restarts_file, result_file) = (folder.join("restarts"), folder.join("result.json"));
        let started_again = fs::read_to_string(&restarts_file)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        let phase = match *disk.borrow() {
            Disk::Ready => SupervisorPhase::Configure,
            Disk::Pending | Disk::Failed(_) => SupervisorPhase::Restore,
        };
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
                disk,
                restarts,
                sessions,
                configuration,
                providers,
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
        self.until_disk_is_ready().await;
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

    /// Until the disk holds what it should, or the sandbox stops: without it no agent is ever started.
    async fn until_disk_is_ready(&self) {
        let mut disk = self.disk.clone();
        let ready = async {
            loop {
                match disk.borrow_and_update().clone() {
                    Disk::Ready => return,
                    Disk::Pending => {}
                    Disk::Failed(cause) => self.state.send_modify(|state| state.cause = Some(cause)),
                }
                if disk.changed().await.is_err() {
                    // Nobody can say so any more.
                    std::future::pending::<()>().await;
                }
            }
        };
        self.unless_stopped(ready).await;
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
        let handed = self.providers.take().await;
        let handed = handed.map_err(|error| format!("what it is given could not be noted: {error}"))?;
        let password = self.configure().await?;
        // The agent's process alone has these; whatever it runs itself inherits them, so none opens anything outside this sandbox but a user's own channels.
        spec.launch
            .env
            .extend(handed.iter().flat_map(HandProviders::environment));
        spec.launch.env.insert(link::PASSWORD_VARIABLE.to_owned(), password);
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
        let written = self
            .configuration
            .write_for_start()
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
