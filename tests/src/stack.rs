//! A running stack: started by the tests in a folder of its own, or the one a developer has up already.

use crate::call::Call;
use crate::engine::Engine;
use crate::launch::{Launch, root};
use crate::processes::{self, Process};
use crate::ready::{Ready, Secrets};
use crate::secrets::{self, used};
use crate::wait::{TimedOut, try_until};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tempfile::TempDir;

/// Variable with the ready file of a stack that is up already.
pub const VARIABLE: &str = "MOLT_E2E_STACK";
/// Variable that, set to anything, has the stack take the workers and tools as they were built last.
pub const NO_BUILD: &str = "MOLT_E2E_NO_BUILD";
/// The first start of a clone builds everything.
const START_LIMIT: Duration = Duration::from_secs(900);
/// Starts that are tried where somebody else has taken the port.
const ATTEMPTS: u32 = 3;
/// From TERM to the end. The stack itself gives sandboxes 30 s and each program 15 s.
const STOP_LIMIT: Duration = Duration::from_secs(75);
/// From the end of the supervisor to the end of the last process.
const LEAK_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// It could not be started or read.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// It ended while it started.
    #[error("scripts/dev ended with {0} before it was ready\n{1}")]
    Ended(ExitStatus, String),
    /// It took too long.
    #[error("{0}\n{1}")]
    Late(TimedOut, String),
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
    /// [`VARIABLE`] names no ready file.
    #[error("{VARIABLE}={0} is no ready file of a running stack")]
    NotReady(PathBuf),
}

/// A state folder that goes away with its last owner, so that a stack can be started on it twice.
pub type StateDir = Arc<TempDir>;

/// A stack that answers.
pub struct Stack {
    /// What it says about itself.
    pub ready: Ready,
    /// Its secrets.
    pub secrets: Secrets,
    /// Its engine.
    pub engine: Engine,
    pub(crate) http: reqwest::Client,
    pub(crate) nothing_starts: AtomicBool,
    launch: Option<Launch>,
    state: Option<StateDir>,
}

/// How a stop went.
pub struct Stopped {
    /// How the supervisor ended; `None` when it had to be killed.
    pub status: Option<ExitStatus>,
    /// Processes that were still there afterwards. They are killed by now.
    pub left: Vec<Process>,
    /// Secrets that stand in a log: which and where, not what.
    pub leaked: BTreeSet<String>,
}

impl Stopped {
    /// # Panics
    /// When the supervisor did not end with 0, or something was left.
    pub fn assert_clean(&self) {
        assert!(self.left.is_empty(), "processes were left behind: {:#?}", self.left);
        assert!(self.leaked.is_empty(), "secrets are in the logs: {:#?}", self.leaked);
        let status = self.status.expect("the stack did not end in time after TERM");
        assert!(status.success(), "the stack ended with {status}");
    }
}

/// A new state folder. Its path is short: the engine's sockets lie below it.
///
/// # Errors
/// When it cannot be made.
pub fn state_dir() -> std::io::Result<StateDir> {
    tempfile::Builder::new().prefix("molt-e2e-").tempdir().map(Arc::new)
}

impl Stack {
    /// Starts a stack with these further flags, on free ports; of the echo agent unless they name another.
    ///
    /// # Errors
    /// See [`StackError`]; nothing runs then.
    pub async fn start(flags: &[&str], state: &StateDir) -> Result<Self, StackError> {
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            match Self::try_start(flags, state).await {
                // A port that was free when it was chosen may be somebody else's a moment later.
                Err(StackError::Ended(_, told)) if attempts > 0 && told.contains("Address already in use") => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_start(flags: &[&str], state: &StateDir) -> Result<Self, StackError> {
        let folder = state.path();
        let failed = |error| StackError::Io(folder.to_owned(), error);
        let ready_file = folder.join("e2e-ready.json");
        // One that was killed leaves its own behind.
        match std::fs::remove_file(&ready_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let own = ["--port", "0", "--limits", "test", "--no-open"];
        let agent = if flags.contains(&"--agent") {
            [].as_slice()
        } else {
            &["--agent", "echo"]
        };
        let build = std::env::var_os(NO_BUILD).map(|_| "--no-build");
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let paths = [
            "--state-dir".to_owned(),
            text(&folder.join("s")),
            "--ready-file".to_owned(),
            text(&ready_file),
        ];
        let arguments: Vec<String> = own
            .iter()
            .chain(agent)
            .chain(flags)
            .copied()
            .chain(build)
            .map(str::to_owned)
            .chain(paths)
            .collect();
        let launch = Launch::start(&arguments, folder.join("dev.log")).map_err(failed)?;
        let outcome = try_until("the stack is ready", START_LIMIT, async || match launch.ended() {
            Some(status) => Some(Err(status)),
            None => Ready::read(&ready_file).map(Ok),
        });
        let error = match outcome.await {
            Ok(Ok(ready)) => return Self::with(ready, Some(launch), Some(Arc::clone(state))),
            Ok(Err(status)) => StackError::Ended(status, launch.tail()),
            Err(late) => StackError::Late(late, launch.tail()),
        };
        end(&launch).await;
        Err(error)
    }

    /// The stack that a developer has up.
    ///
    /// # Errors
    /// See [`StackError`].
    pub fn attach(ready_file: &Path) -> Result<Self, StackError> {
        let ready = Ready::read(ready_file).ok_or_else(|| StackError::NotReady(ready_file.to_owned()))?;
        Self::with(ready, None, None)
    }

    fn with(ready: Ready, launch: Option<Launch>, state: Option<StateDir>) -> Result<Self, StackError> {
        let failed = |error| StackError::Io(ready.state_dir.join("secrets.json"), error);
        let secrets = Secrets::read(&ready.state_dir).map_err(failed)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // Shorter than the runtime keeps a connection, so that no request meets one that is being closed.
            .pool_idle_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(100))
            .build()?;
        let engine = Engine::new(ready.engine_socket.as_deref())?;
        secrets
            .all()
            .iter()
            .for_each(|secret| used("a secret of the stack", secret));
        used("the admin secret", &ready.admin_secret);
        ready.users.iter().for_each(|user| used("a seeded token", &user.token));
        Ok(Self {
            ready,
            secrets,
            engine,
            http,
            nothing_starts: AtomicBool::new(false),
            launch,
            state,
        })
    }

    /// A call to the first router; `path` begins with a slash and may have a query.
    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        self.call_at(&self.ready.url, method, path)
    }

    /// A call to one of several routers.
    pub fn call_at(&self, url: &str, method: &str, path: &str) -> Call<'_> {
        Call::new(self, method, &format!("{url}{path}"))
    }

    /// `GET` at the first router.
    pub fn get(&self, path: &str) -> Call<'_> {
        self.call("GET", path)
    }

    /// `POST` at the first router.
    pub fn post(&self, path: &str) -> Call<'_> {
        self.call("POST", path)
    }

    /// `host:port` of the first router.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.ready.url.trim_start_matches("http://")
    }

    /// Whether it was started here, so that it may be stopped.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.launch.is_some()
    }

    /// All processes of the stack, those in sandboxes included.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        processes::tree(self.ready.pid)
    }

    /// Asks the stack to stop, as Ctrl-C does, and looks for processes that are left. A developer's own stack is left alone.
    pub async fn stop(&self) -> Stopped {
        self.end_by(Signal::SIGTERM).await
    }

    /// Kills the supervisor without a word, and looks for processes that are left.
    pub async fn kill(&self) -> Stopped {
        self.end_by(Signal::SIGKILL).await
    }

    async fn end_by(&self, signal: Signal) -> Stopped {
        let (Some(launch), Some(state)) = (&self.launch, &self.state) else {
            return Stopped {
                status: None,
                left: Vec::new(),
                leaked: BTreeSet::new(),
            };
        };
        // What containers wrote goes with them.
        let mut leaked = secrets::found_in(&self.logs());
        let members = self.processes();
        Launch::signal(self.ready.pid, signal);
        let in_time = try_until("the supervisor has ended", STOP_LIMIT, async || launch.ended());
        let status = in_time.await.ok();
        let leftover = || {
            let mut left: Vec<Process> = members.iter().filter(|process| process.lives()).cloned().collect();
            left.extend(
                processes::naming(state.path())
                    .into_iter()
                    .filter(|process| !members.contains(process)),
            );
            left
        };
        let none = try_until("no process is left", LEAK_LIMIT, async || {
            leftover().is_empty().then_some(())
        });
        let left = if none.await.is_ok() { Vec::new() } else { leftover() };
        for process in &left {
            Launch::signal(process.pid, Signal::SIGKILL);
        }
        leaked.extend(secrets::found_in(&self.logs()));
        Stopped { status, left, leaked }
    }

    /// Every file into which the stack or something in it writes what happens.
    #[must_use]
    pub fn logs(&self) -> Vec<PathBuf> {
        let mut logs = secrets::logs_below(&self.ready.state_dir);
        logs.extend(self.launch.iter().map(|launch| launch.log.clone()));
        logs
    }

    /// Copies the logs to `build/logs/e2e-<name>` of the clone, for whoever looks into a failure.
    pub fn keep_logs(&self, name: &str) {
        let target = root().join("build/logs").join(format!("e2e-{name}"));
        let mut logs: Vec<PathBuf> = self.launch.iter().map(|launch| launch.log.clone()).collect();
        let entries = std::fs::read_dir(self.ready.state_dir.join("logs"))
            .into_iter()
            .flatten()
            .flatten();
        logs.extend(entries.map(|entry| entry.path()).filter(|path| path.is_file()));
        if self.launch.is_none() || std::fs::create_dir_all(&target).is_err() {
            return;
        }
        for log in logs {
            if let Some(file) = log.file_name() {
                // A log that cannot be kept must not hide the failure it is about.
                let _ = std::fs::copy(&log, target.join(file));
            }
        }
        eprintln!("logs of the stack: {}", target.display());
    }
}

impl Drop for Stack {
    /// A test that failed did not stop it.
    fn drop(&mut self) {
        if let Some(launch) = self.launch.as_ref().filter(|launch| launch.ended().is_none()) {
            if std::thread::panicking() {
                self.keep_logs("failed");
            }
            Launch::signal(self.ready.pid, Signal::SIGTERM);
            launch.wait(STOP_LIMIT);
        }
    }
}

/// Ends a run that never became ready. By the tree and not by the folder, where another stack may be at home.
async fn end(launch: &Launch) {
    let members = processes::tree(launch.pid);
    Launch::signal(launch.pid, Signal::SIGTERM);
    let ended = try_until("the script has ended", STOP_LIMIT, async || launch.ended()).await;
    if ended.is_err() {
        Launch::signal(launch.pid, Signal::SIGKILL);
    }
    for process in members.iter().filter(|process| process.lives()) {
        Launch::signal(process.pid, Signal::SIGKILL);
    }
}
