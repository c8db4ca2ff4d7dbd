//! Keeps the agent running and says how it is.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use molt_common::control::SupervisorPhase;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::admission::{Admission, Change};
use super::config_file;
use super::launch::agent_spec;
use super::readiness::{Probe, Readiness};
use crate::backoff::Backoff;
use crate::settings::{AgentKind, Settings};
use crate::shim::AgentReport;
use crate::shim::client::{Shim, ShimKind};

/// Between two looks at an agent that is starting.
const LOOK_STARTING: Duration = Duration::from_millis(150);
/// Between two looks at an agent that is ready.
const LOOK_READY: Duration = Duration::from_secs(3);
/// Lines of its output that go into the cause of a failure, and characters of them, the last ones.
const CAUSE_LINES: usize = 8;
const CAUSE_CHARS: usize = 1500;

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
    StopAsked,
}

/// The one that keeps it running.
pub struct Supervisor {
    settings: Settings,
    state: watch::Sender<AgentState>,
    stop: watch::Receiver<bool>,
    shim: Shim,
    restarts_file: PathBuf,
    result_file: PathBuf,
}

impl Supervisor {
    /// Socket of the agent's shim.
    fn socket(settings: &Settings) -> PathBuf {
        settings.layout.state_dir.join("run").join("agent")
    }

    /// A supervisor that stops when `stop` becomes true, and where to watch the agent's state.
    pub fn new(settings: Settings, stop: watch::Receiver<bool>) -> (Self, watch::Receiver<AgentState>) {
        let shim = Shim::at(Self::socket(&settings));
        let folder = settings.layout.state_dir.join("agent");
        let (restarts_file, result_file) = (folder.join("restarts"), folder.join("result.json"));
        let restarts = fs::read_to_string(&restarts_file)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        let phase = SupervisorPhase::Configure;
        let state = watch::Sender::new(AgentState {
            phase,
            cause: None,
            pid: None,
            restarts,
            last_lines: Vec::new(),
        });
        let watcher = state.subscribe();
        (
            Self {
                settings,
                state,
                stop,
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
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let mut adopted = self.adopt().await;
        while !*self.stop.borrow() {
            let begun = Instant::now();
            let running = match adopted.take() {
                Some(pid) => Ok(pid),
                None => self.start().await,
            };
            let (cause, last_lines) = match running {
                Err(cause) => (cause, Vec::new()),
                Ok(pid) => match self.watch_over(pid).await {
                    Verdict::StopAsked => break,
                    Verdict::Ended(report) => ended(report),
                    Verdict::NeverReady => self.give_up_on().await,
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
            let _ = timeout(pause, stop.wait_for(|stop| *stop)).await;
            self.count_restart();
        }
        self.stop_agent().await;
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
        if self.settings.agent == AgentKind::Openclaw {
            let outcome = config_file::write(&self.settings)
                .await
                .map_err(|error| format!("its configuration: {error}"))?;
            match &outcome {
                config_file::Outcome::SetAside(name) => {
                    tracing::warn!(
                        kept_as = name,
                        "the agent's configuration could not be read; it starts with a new one"
                    );
                }
                outcome => tracing::info!(?outcome, "configured the agent"),
            }
        }
        let spec = agent_spec(&self.settings).map_err(|error| error.to_string())?;
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

    /// Watches a running agent until it ends, never becomes ready, or the stop is asked for.
    async fn watch_over(&self, pid: u32) -> Verdict {
        self.enter(SupervisorPhase::Agent, Some(pid));
        let mut stop = self.stop.clone();
        tokio::select! {
            report = self.final_report() => Verdict::Ended(report),
            () = self.follow_readiness(pid) => Verdict::NeverReady,
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
            .end("it did not become ready")
            .await
            .map(|report| report.log_tail)
            .unwrap_or_default();
        (with_lines(format!("not ready within {milliseconds} ms"), &lines), lines)
    }

    async fn stop_agent(&self) {
        let pid = self.state.borrow().pid;
        self.enter(SupervisorPhase::Stopping, pid);
        if !self.shim.is_there().await {
            return;
        }
        match self.end("the sandbox stops").await {
            Some(AgentReport { exit: Some(exit), .. }) => tracing::info!(%exit, "stopped the agent"),
            _ => tracing::warn!("the agent's end was not observed"),
        }
    }

    /// Has the shim stop the agent, and waits for it.
    async fn end(&self, reason: &str) -> Option<AgentReport> {
        let wait = async {
            let (report, _) = tokio::join!(self.final_report(), self.shim.stop::<AgentReport>(reason, None));
            report.ok()
        };
        let grace = Duration::from_millis(self.settings.layout.agent_stop_grace_ms);
        timeout(grace + Duration::from_secs(5), wait).await.ok().flatten()
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

/// Cause and last lines of an end that was not asked for.
fn ended(report: io::Result<AgentReport>) -> (String, Vec<String>) {
    match report {
        Ok(AgentReport {
            exit: Some(exit),
            log_tail,
            ..
        }) => (with_lines(exit.to_string(), &log_tail), log_tail),
        Ok(report) => (report.error.unwrap_or_else(|| "it ended".to_owned()), report.log_tail),
        Err(_) => ("the process that watched it was killed".to_owned(), Vec::new()),
    }
}

fn with_lines(mut cause: String, lines: &[String]) -> String {
    let last = lines
        .get(lines.len().saturating_sub(CAUSE_LINES)..)
        .unwrap_or_default()
        .join(" | ");
    if !last.is_empty() {
        let surplus = last.chars().count().saturating_sub(CAUSE_CHARS);
        cause.push_str("; last lines: ");
        cause.extend(last.chars().skip(surplus));
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::exit::Exit;

    #[test]
    fn a_cause_names_the_exit_and_the_last_lines() {
        let exit = Some(Exit {
            code: Some(3),
            signal: None,
        });
        let failed = |log_tail| AgentReport {
            exit,
            log_tail,
            ..AgentReport::default()
        };
        let ten = (1..=10).map(|line| line.to_string()).collect();
        assert_eq!(
            ended(Ok(failed(ten))).0,
            "exit code 3; last lines: 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10"
        );
        let endless = vec!["ä".repeat(5000)];
        let cause = ended(Ok(failed(endless))).0;
        assert_eq!(cause.chars().count(), "exit code 3; last lines: ".len() + CAUSE_CHARS);
        let report = AgentReport {
            exit: Some(Exit {
                code: None,
                signal: Some(9),
            }),
            ..AgentReport::default()
        };
        assert_eq!(ended(Ok(report)).0, "signal 9 (SIGKILL)");
    }
}
