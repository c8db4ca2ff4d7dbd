//! All commands of a boot, running and finished.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molt_common::control::{ExecPage, ExecReport, ExecStart, ExecState, WaitFor};
use molt_common::output::OutputCursor;
use tokio::sync::watch;

use super::journal::{self, Entry, Journal};
use super::{retention, text, validate};
use crate::clock::now_ms;
use crate::process::confine::Confinement;
use crate::process::environment;
use crate::settings::Layout;
use crate::shim::client::{Shim, ShimKind};
use crate::shim::page::OutputQuery;
use crate::shim::{CommandSpec, Launch};

/// Commands that may run at the same time; each costs a shim of a few megabytes.
const MAX_RUNNING: usize = 128;
/// Commands go first when memory is short: before the agent, long before the supervisor.
const OOM_SCORE_ADJ: u16 = 800;

/// How long it may take, after a shim has ended, until its command's outcome is known here.
const SETTLING: Duration = Duration::from_secs(5);

const UNOBSERVED: &str = "its outcome was not observed: the process that watched it was killed";

/// Why a command was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartRefusal {
    #[error(transparent)]
    Invalid(#[from] validate::InvalidField),
    #[error("this execId was used for another request")]
    Conflict,
    #[error("the sandbox stops")]
    Stopping,
    #[error("too many commands run at the same time")]
    Busy,
    #[error("the journal cannot be written: {0}")]
    Journal(#[from] io::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Launching,
    Running,
    Done { at: u64 },
}

impl Progress {
    const fn is_done(self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

struct Known {
    entry: Entry,
    progress: watch::Sender<Progress>,
}

#[derive(Default)]
struct Table {
    commands: HashMap<String, Known>,
    stopping: bool,
}

impl Table {
    fn running(&self) -> usize {
        self.commands
            .values()
            .filter(|known| !known.progress.borrow().is_done())
            .count()
    }
}

/// Starts commands and tells how they went.
pub struct Executor {
    table: Mutex<Table>,
    journal: Journal,
    layout: Layout,
}

impl Executor {
    /// Picks up what an earlier `serve` of this boot has left: finished commands, and running ones by their shims.
    pub async fn restore(layout: &Layout) -> io::Result<Arc<Self>> {
        let journal = Journal::new(&layout.state_dir);
        let executor = Arc::new(Self {
            table: Mutex::default(),
            journal,
            layout: layout.clone(),
        });
        for (exec_id, entry) in executor.journal.entries()? {
            let progress = match executor.journal.result(&exec_id) {
                Ok(Some(report)) => Progress::Done {
                    at: report.completed_at.unwrap_or_default(),
                },
                // Without a readable result its shim is asked; when there is none, it is lost.
                Ok(None) | Err(_) => Progress::Running,
            };
            let known = Known {
                entry,
                progress: watch::Sender::new(progress),
            };
            executor.table().commands.insert(exec_id.clone(), known);
            if progress == Progress::Running {
                tracing::info!(exec_id, "found a command of an earlier serve");
                tokio::spawn(Arc::clone(&executor).follow(exec_id));
            }
        }
        Ok(executor)
    }

    /// No await happens under this lock, and a panic under it leaves the table whole.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commands that run now.
    pub fn running(&self) -> u32 {
        u32::try_from(self.table().running()).unwrap_or(u32::MAX)
    }

    /// Starts a command, or finds the one that this id has started before.
    pub async fn start(self: &Arc<Self>, request: ExecStart) -> Result<ExecReport, StartRefusal> {
        let (program, args) = validate::program_of(&request)?;
        let entry = Entry {
            digest: journal::digest(&request)?,
            taken_at: now_ms(),
        };
        let exec_id = request.exec_id.clone();
        if self.reserve(&exec_id, &entry)? {
            let spec = self.spec(request, program, args);
            // On a task of its own: a caller that hangs up in between must not leave a command half started.
            let launching = tokio::spawn(Arc::clone(self).launch(exec_id.clone(), entry, spec));
            match launching.await {
                Ok(outcome) => outcome?,
                Err(error) => return Err(io::Error::other(error).into()),
            }
        }
        let report = self.report(&exec_id).await?;
        Ok(report.unwrap_or_else(|| journal::lost(&exec_id, now_ms(), now_ms(), "it was forgotten")))
    }

    /// True when the id is new and now ours.
    fn reserve(&self, exec_id: &str, entry: &Entry) -> Result<bool, StartRefusal> {
        let mut table = self.table();
        if let Some(known) = table.commands.get(exec_id) {
            return if known.entry.digest == entry.digest {
                Ok(false)
            } else {
                Err(StartRefusal::Conflict)
            };
        }
        if table.stopping {
            return Err(StartRefusal::Stopping);
        }
        if table.running() >= MAX_RUNNING {
            return Err(StartRefusal::Busy);
        }
        let known = Known {
            entry: entry.clone(),
            progress: watch::Sender::new(Progress::Launching),
        };
        table.commands.insert(exec_id.to_owned(), known);
        Ok(true)
    }

    fn spec(&self, request: ExecStart, program: String, args: Vec<String>) -> CommandSpec {
        let mut env = environment::plain(&self.layout);
        env.extend(request.env);
        let cwd = request.cwd.map_or_else(|| self.layout.home.clone(), Into::into);
        let confinement = Confinement::of_agent_user(&self.layout, cwd, OOM_SCORE_ADJ);
        CommandSpec {
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
            max_output_bytes: request.max_output_bytes,
        }
    }

    async fn launch(self: Arc<Self>, exec_id: String, entry: Entry, spec: CommandSpec) -> Result<(), StartRefusal> {
        if let Err(error) = self.journal.begin(&exec_id, &entry) {
            // Nothing was started and nothing is on disk: the id stays free for another try.
            if let Some(known) = self.table().commands.remove(&exec_id) {
                known.progress.send_replace(Progress::Done { at: now_ms() });
            }
            return Err(error.into());
        }
        let shim = Shim::at(self.journal.socket(&exec_id));
        match shim.launch::<_, ExecReport>(ShimKind::Command, spec).await {
            Ok(report) if report.state == ExecState::Running => {
                self.advance(&exec_id, Progress::Running);
                tokio::spawn(self.follow(exec_id));
            }
            Ok(_) => self.advance(&exec_id, Progress::Done { at: now_ms() }),
            Err(error) => {
                tracing::error!(exec_id, %error, "the shim did not say that it started the command");
                // Should it have done so all the same, the command is not to go on behind the caller's back.
                let _ = shim.stop::<ExecReport>("its start was not confirmed").await;
                self.advance(&exec_id, Progress::Running);
                tokio::spawn(self.follow(exec_id));
            }
        }
        Ok(())
    }

    /// Waits for the end of a running command.
    async fn follow(self: Arc<Self>, exec_id: String) {
        let ended = Shim::at(self.journal.socket(&exec_id)).wait::<ExecReport>().await;
        if let Err(error) = &ended {
            tracing::debug!(exec_id, %error, "the shim is gone");
        }
        self.settle(&exec_id);
        self.forget_expired();
    }

    /// A shim writes the result before it ends, so without one there is none to be had.
    fn settle(&self, exec_id: &str) {
        let at = match self.journal.result(exec_id) {
            Ok(Some(report)) => report.completed_at.unwrap_or_else(now_ms),
            Ok(None) | Err(_) => {
                tracing::warn!(exec_id, "command lost");
                let started_at = self
                    .table()
                    .commands
                    .get(exec_id)
                    .map_or(0, |known| known.entry.taken_at);
                let at = now_ms();
                if let Err(error) = self.journal.finish(&journal::lost(exec_id, started_at, at, UNOBSERVED)) {
                    tracing::error!(exec_id, %error, "cannot record the loss");
                }
                at
            }
        };
        self.advance(exec_id, Progress::Done { at });
    }

    fn advance(&self, exec_id: &str, progress: Progress) {
        if let Some(known) = self.table().commands.get(exec_id) {
            known.progress.send_replace(progress);
        }
    }

    /// The state of a command, after waiting up to `wait` for its end. `None` for an unknown id.
    pub async fn get(&self, exec_id: &str, wait: Duration) -> io::Result<Option<ExecReport>> {
        self.until_done(exec_id, wait).await;
        self.report(exec_id).await
    }

    /// Stops a command, if it still runs. `None` for an unknown id.
    pub async fn cancel(&self, exec_id: &str, reason: &str) -> io::Result<Option<ExecReport>> {
        if self.progress(exec_id).await == Some(Progress::Running) {
            // A shim that does not answer has ended; its report says how.
            let _ = Shim::at(self.journal.socket(exec_id)).stop::<ExecReport>(reason).await;
        }
        self.report(exec_id).await
    }

    /// Takes no more commands, stops those that run, and waits for their end up to `patience`.
    pub async fn stop_all(&self, patience: Duration) {
        let running: Vec<String> = {
            let mut table = self.table();
            table.stopping = true;
            let running = table
                .commands
                .iter()
                .filter(|(_, known)| !known.progress.borrow().is_done());
            running.map(|(exec_id, _)| exec_id.clone()).collect()
        };
        let stops = running.iter().map(|exec_id| async move {
            let _ = self.cancel(exec_id, "the sandbox stops").await;
            self.until_done(exec_id, patience).await;
        });
        futures_util::future::join_all(stops).await;
    }

    async fn report(&self, exec_id: &str) -> io::Result<Option<ExecReport>> {
        let everything = OutputQuery {
            after: OutputCursor::default(),
            wait_ms: 0,
            wait_for: WaitFor::Output,
            limit_bytes: 2 * validate::MAX_OUTPUT_BYTES,
        };
        Ok(self.output(exec_id, everything).await?.map(text::with_text))
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
            match Shim::at(self.journal.socket(exec_id)).output(query).await {
                Ok(page) => return Ok(Some(page)),
                Err(error) => tracing::debug!(exec_id, %error, "the shim does not answer"),
            }
            // Perhaps it ended just now; whoever follows it is about to know the outcome.
            self.until_done(exec_id, SETTLING).await;
        }
        let page = self.journal.page(exec_id, &query)?;
        if page.is_none() && self.table().commands.contains_key(exec_id) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "its shim does not answer"));
        }
        Ok(page)
    }

    /// How far a command is, once it is past its launch.
    async fn progress(&self, exec_id: &str) -> Option<Progress> {
        let mut progress = self.table().commands.get(exec_id)?.progress.subscribe();
        let reached = progress.wait_for(|progress| *progress != Progress::Launching).await;
        reached.ok().map(|progress| *progress)
    }

    async fn until_done(&self, exec_id: &str, patience: Duration) {
        let Some(mut progress) = self
            .table()
            .commands
            .get(exec_id)
            .map(|known| known.progress.subscribe())
        else {
            return;
        };
        let _ = tokio::time::timeout(patience, progress.wait_for(|progress| progress.is_done())).await;
    }

    fn forget_expired(&self) {
        let mut table = self.table();
        let finished = table
            .commands
            .iter()
            .filter_map(|(exec_id, known)| match *known.progress.borrow() {
                Progress::Done { at } => Some((exec_id.clone(), at)),
                _ => None,
            })
            .collect();
        for exec_id in retention::expired(finished, now_ms()) {
            table.commands.remove(&exec_id);
            if let Err(error) = self.journal.forget(&exec_id) {
                tracing::warn!(exec_id, %error, "cannot forget a command");
            }
        }
    }
}
