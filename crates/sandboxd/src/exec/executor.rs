//! All commands of a boot, running and finished.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molt_common::control::{ExecPage, ExecReport, ExecStart, ExecState};

use super::journal::{self, Entry, Journal};
use super::known::{KnownCommands, Progress};
use super::{StartRefusal, validate};
use crate::clock::now_ms;
use crate::process::confine::Confinement;
use crate::process::environment;
use crate::process::rlimits::Rlimits;
use crate::settings::Layout;
use crate::shim::client::{Shim, ShimKind};
use crate::shim::page::OutputQuery;
use crate::shim::{CommandSpec, Launch};

/// Commands go first when memory is short: before the agent, long before the supervisor.
const OOM_SCORE_ADJ: u16 = 800;
/// Commands give way to the agent and to the supervisor, which has to stop them when they fork without end: a third of the weight.
const NICENESS: u8 = 5;
/// How long it may take, after a shim has ended, until its command's outcome is known here.
const SETTLING: Duration = Duration::from_secs(5);
/// Pause before a shim that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Between TERM and KILL when the sandbox stops, whatever the request says: the platform does not wait longer.
const STOP_GRACE_MS: u64 = 5_000;

const UNOBSERVED: &str = "its outcome was not observed: the process that watched it was killed";

/// Starts commands and tells how they went.
pub struct Executor {
    known: Mutex<KnownCommands>,
    journal: Journal,
    layout: Layout,
}

impl Executor {
    /// Picks up what an earlier `serve` of this boot has left: finished commands, and running ones by their shims.
    pub async fn restore(layout: &Layout) -> io::Result<Arc<Self>> {
        let journal = Journal::new(&layout.state_dir);
        let executor = Arc::new(Self {
            known: Mutex::default(),
            journal,
            layout: layout.clone(),
        });
        for (exec_id, entry) in executor.journal.entries()? {
            let progress = match executor.journal.result(&exec_id) {
                Ok(Some(report)) => Progress::Done {
                    at: report.completed_at.unwrap_or_default(),
                },
                // Without a readable result its shim is asked; when there is none, it is lost, or was never begun.
                Ok(None) | Err(_) => Progress::Running,
            };
            executor.known().insert(exec_id.clone(), entry, progress);
            if progress == Progress::Running {
                tracing::info!(exec_id, "found a command of an earlier serve");
                tokio::spawn(Arc::clone(&executor).follow(exec_id));
            }
        }
        Ok(executor)
    }

    /// No await happens under this lock, and a panic under it leaves the table whole.
    fn known(&self) -> MutexGuard<'_, KnownCommands> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shim(&self, exec_id: &str) -> Shim {
        Shim::at(self.journal.socket(exec_id))
    }

    /// Commands that run now.
    pub fn running(&self) -> u32 {
        u32::try_from(self.known().running().count()).unwrap_or(u32::MAX)
    }

    /// Epoch milliseconds at which a command ran last: now while one does.
    pub fn last_active_at(&self) -> Option<u64> {
        self.known().last_active_at(now_ms())
    }

    /// Starts a command, or finds the one that this id has started before.
    pub async fn start(self: &Arc<Self>, request: ExecStart) -> Result<ExecReport, StartRefusal> {
        let digest = journal::digest(&request).map_err(StartRefusal::NotStarted)?;
        let exec_id = request.exec_id.clone();
        let spec = self.spec(request)?;
        let entry = Entry {
            digest,
            taken_at: now_ms(),
        };
        loop {
            if self.known().reserve(&exec_id, &entry)? {
                // On a task of its own: a caller that hangs up in between must not leave a command half started.
                let launching = Arc::clone(self).launch(exec_id.clone(), entry.clone(), spec.clone());
                match tokio::spawn(launching).await {
                    Ok(outcome) => {
                        if let Some(report) = outcome? {
                            return Ok(report);
                        }
                    }
                    Err(error) => return Err(StartRefusal::Unclear(io::Error::other(error))),
                }
            }
            // Nothing when another caller's attempt failed just now, or an earlier serve's was found never to have begun.
            if let Some(report) = self.report(&exec_id).await.map_err(StartRefusal::Unclear)? {
                return Ok(report);
            }
        }
    }

    fn spec(&self, request: ExecStart) -> Result<CommandSpec, validate::InvalidField> {
        let (program, args) = validate::program_of(&request)?;
        let mut env = environment::plain(&self.layout);
        let cwd = request.cwd.map_or_else(|| self.layout.home.clone(), Into::into);
        let mut confinement = Confinement::of_agent_user(&self.layout, cwd, OOM_SCORE_ADJ);
        if let Some(uid) = request.uid {
            confinement = confinement
                .with_user(uid)
                .map_err(|_| validate::invalid("uid", "cannot be chosen where the supervisor is not root"))?;
            if uid != self.layout.agent_uid {
                // Another user is not the agent; the home stays the agent's, where the group may read and perhaps not write.
                for name in ["USER", "LOGNAME"] {
                    env.insert(name.to_owned(), uid.to_string());
                }
            }
        }
        confinement.niceness = NICENESS;
        confinement.rlimits = Rlimits::of_command(&request.limits);
        env.extend(request.env);
        Ok(CommandSpec {
            folder: self.journal.folder(&request.exec_id),
            exec_id: request.exec_id,
            launch: Launch {
                program,
                args,
                env,
                confinement,
            },
            stdin: request.stdin,
            timeout_ms: request.timeout_ms,
            kill_grace_ms: request.kill_grace_ms,
            max_output_bytes: request.max_output_bytes,
        })
    }

    /// Starts a command; answers with its first report, unless its shim did not give one.
    async fn launch(
        self: Arc<Self>,
        exec_id: String,
        entry: Entry,
        spec: CommandSpec,
    ) -> Result<Option<ExecReport>, StartRefusal> {
        if let Err(error) = self.journal.begin(&exec_id, &entry) {
            self.forget(&exec_id);
            return Err(StartRefusal::NotStarted(error));
        }
        let shim = self.shim(&exec_id);
        match shim.launch::<_, ExecReport>(ShimKind::Command, spec).await {
            // Also when the report is final already: its shim tells it until it is written.
            Ok(report) => {
                self.follow_from_now(exec_id);
                Ok(Some(report))
            }
            // It has no shim, and none has marked it: it did not begin and never will.
            Err(error) if shim.is_gone().await && !self.journal.was_started(&exec_id) => {
                tracing::warn!(exec_id, %error, "a command could not be started");
                self.forget(&exec_id);
                Err(StartRefusal::NotStarted(error))
            }
            Err(error) => {
                tracing::error!(exec_id, %error, "the shim did not say that it started the command");
                self.follow_from_now(exec_id);
                Ok(None)
            }
        }
    }

    fn follow_from_now(self: Arc<Self>, exec_id: String) {
        self.known().advance(&exec_id, Progress::Running);
        tokio::spawn(self.follow(exec_id));
    }

    /// Waits for the end of a running command. Only that nobody listens any more means that its shim is gone: one that is slow to answer on
    /// a busy machine is asked again.
    async fn follow(self: Arc<Self>, exec_id: String) {
        let shim = self.shim(&exec_id);
        while let Err(error) = shim.wait::<ExecReport>().await {
            tracing::debug!(exec_id, %error, "the shim did not tell the end");
            if shim.is_gone().await {
                break;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        self.settle(&exec_id);
        for expired in self.known().take_expired(now_ms()) {
            if let Err(error) = self.journal.forget(&expired) {
                tracing::warn!(exec_id = expired, %error, "cannot forget a command");
            }
        }
    }

    /// A shim marks the command before it starts it, and writes the result before it ends. So with no shim there is a result, or none is to
    /// be had: then it was lost, or never begun.
    fn settle(&self, exec_id: &str) {
        let at = match self.journal.result(exec_id) {
            Ok(Some(report)) => report.completed_at.unwrap_or_else(now_ms),
            Ok(None) if !self.journal.was_started(exec_id) => {
                tracing::warn!(exec_id, "the command was never begun");
                return self.forget(exec_id);
            }
            Ok(None) | Err(_) => {
                tracing::warn!(exec_id, "command lost");
                let at = now_ms();
                let started_at = self.known().taken_at(exec_id).unwrap_or(at);
                let report = journal::lost(exec_id, started_at, at, UNOBSERVED);
                if let Err(error) = self.journal.finish(&report) {
                    tracing::error!(exec_id, %error, "cannot record the loss");
                    self.known().keep(exec_id, report);
                }
                at
            }
        };
        self.known().advance(exec_id, Progress::Done { at });
    }

    /// Forgets what did not begin, so that its id is as new.
    fn forget(&self, exec_id: &str) {
        if let Err(error) = self.journal.forget(exec_id) {
            tracing::warn!(exec_id, %error, "cannot forget a command");
        }
        self.known().remove(exec_id, now_ms());
    }

    /// The state of a command, after waiting up to `wait` for its end. `None` for an unknown id.
    pub async fn get(&self, exec_id: &str, wait: Duration) -> io::Result<Option<ExecReport>> {
        self.until_done(exec_id, wait).await;
        self.report(exec_id).await
    }

    /// Stops a command, if it still runs. `None` for an unknown id.
    ///
    /// # Errors
    /// When it runs and the order did not reach its shim.
    pub async fn cancel(&self, exec_id: &str) -> io::Result<Option<ExecReport>> {
        self.stop(exec_id, "cancelled on request", None).await
    }

    async fn stop(&self, exec_id: &str, reason: &str, grace_limit_ms: Option<u64>) -> io::Result<Option<ExecReport>> {
        if self.progress(exec_id).await != Some(Progress::Running) {
            return self.report(exec_id).await;
        }
        let ordered = self.shim(exec_id).stop::<ExecReport>(reason, grace_limit_ms).await;
        let report = self.report(exec_id).await?;
        match ordered {
            Err(error) if report.as_ref().is_some_and(|report| report.state == ExecState::Running) => Err(error),
            // A shim that has ended needs no order; its report says how.
            _ => Ok(report),
        }
    }

    /// Takes no more commands, stops those that run, and waits for their end up to `patience`.
    pub async fn stop_all(&self, patience: Duration) {
        let running: Vec<String> = {
            let mut known = self.known();
            known.stop();
            known.running().cloned().collect()
        };
        let stops = running.iter().map(|exec_id| async move {
            if let Err(error) = self.stop(exec_id, "the sandbox stops", Some(STOP_GRACE_MS)).await {
                tracing::warn!(exec_id, %error, "a command could not be told to stop");
            }
            self.until_done(exec_id, patience).await;
        });
        futures_util::future::join_all(stops).await;
    }

    async fn report(&self, exec_id: &str) -> io::Result<Option<ExecReport>> {
        // Without a wait and without a byte of output.
        let page = self.output(exec_id, OutputQuery::default()).await?;
        Ok(page.map(|page| page.report))
    }

    /// What a command has written after a cursor, and how it stands, after waiting for what the query asks for. `None` for an unknown id.
    ///
    /// # Errors
    /// When neither its shim nor the journal could tell in time. It says nothing about the command.
    pub async fn output(&self, exec_id: &str, query: OutputQuery) -> io::Result<Option<ExecPage>> {
        let Some(progress) = self.progress(exec_id).await else {
            return Ok(None);
        };
        if progress == Progress::Running {
            match self.shim(exec_id).output(query).await {
                Ok(page) => return Ok(Some(page)),
                Err(error) => tracing::debug!(exec_id, %error, "the shim does not answer"),
            }
            // Perhaps it ended just now; whoever follows it is about to know the outcome.
            self.until_done(exec_id, SETTLING).await;
        }
        let unwritten = self.known().unwritten(exec_id);
        if let Some(report) = unwritten {
            return Ok(Some(journal::without_output(report, query.after)));
        }
        let page = self.journal.page(exec_id, &query)?;
        if page.is_none() && self.known().contains(exec_id) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "its shim does not answer"));
        }
        Ok(page)
    }

    /// How far a command is, once it is past its launch.
    async fn progress(&self, exec_id: &str) -> Option<Progress> {
        let mut progress = self.known().progress(exec_id)?;
        let reached = progress.wait_for(|progress| *progress != Progress::Launching).await;
        reached.ok().map(|progress| *progress)
    }

    async fn until_done(&self, exec_id: &str, patience: Duration) {
        let Some(mut progress) = self.known().progress(exec_id) else {
            return;
        };
        let _ = tokio::time::timeout(patience, progress.wait_for(|progress| progress.is_done())).await;
    }
}
