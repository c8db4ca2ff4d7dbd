//! One run of `scripts/dev`, and its end.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;

/// Lines of output that a failure shows.
const TAIL: usize = 60;

/// A run of `scripts/dev`.
pub struct Launch {
    /// Process id of the script, which becomes the supervisor.
    pub pid: i32,
    /// File with everything it writes.
    pub log: PathBuf,
    exit: watch::Receiver<Option<ExitStatus>>,
    over: Mutex<mpsc::Receiver<()>>,
}

/// The clone that is tested: the one whose script runs this, else the one that this was built in. Clones share what cargo builds.
#[must_use]
pub fn root() -> PathBuf {
    if let Some(root) = std::env::var_os("MOLT_ROOT") {
        return root.into();
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

impl Launch {
    /// Starts the script with these arguments.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(arguments: &[String], log: PathBuf) -> io::Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = command(arguments, &output)?;
        let (started, start) = mpsc::channel();
        let (ended, exit) = watch::channel(None);
        let (closing, over) = mpsc::channel();
        // The kernel ends the script when the *thread* that started it ends. This one stays for exactly as long as the script.
        thread::spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return drop(started.send(Err(error))),
            };
            drop(started.send(Ok(child.id())));
            ended.send_replace(child.wait().ok());
            drop::<mpsc::Sender<()>>(closing);
        });
        let pid = start.recv().map_err(io::Error::other)??;
        Ok(Self {
            pid: i32::try_from(pid).map_err(io::Error::other)?,
            log,
            exit,
            over: Mutex::new(over),
        })
    }

    /// How it ended; `None` while it runs.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Blocks until it has ended, at most this long.
    pub fn wait(&self, limit: Duration) {
        if let Ok(over) = self.over.lock() {
            // Nothing is ever sent: the other end is dropped with the end of the script.
            let _ = over.recv_timeout(limit);
        }
    }

    /// Sends a signal to `pid`, which is the script or the supervisor that it says it became. One that has ended gets none.
    pub fn signal(pid: i32, signal: Signal) {
        // It may have ended just now, and that is all that was wanted.
        let _ = kill(Pid::from_raw(pid), signal);
    }

    /// The end of what it wrote.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

fn command(arguments: &[String], output: &File) -> io::Result<Command> {
    let mut command = Command::new(root().join("scripts/dev"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command.stdout(output.try_clone()?).stderr(output.try_clone()?);
    // What cargo tells a test about its package would be taken for the stack's own when that builds something.
    let of_cargo = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars().filter(|(name, _)| of_cargo(name) || name == "LD_LIBRARY_PATH") {
        command.env_remove(name);
    }
    // SAFETY: the closure runs in the forked child and makes two system calls; it allocates nothing.
    unsafe {
        command.pre_exec(|| {
            // Ctrl-C in a terminal goes to the test, which ends; then this arrives.
            set_pdeathsig(Signal::SIGTERM)?;
            nix::unistd::setsid()?;
            Ok(())
        });
    }
    Ok(command)
}
