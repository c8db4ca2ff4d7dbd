//! A program of the stack as the supervisor sees it: started under a guard, its output logged.

use std::io::{self, PipeWriter};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::log::{LogFile, pump};
use crate::terminal::Terminal;

/// What to start and how.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Name in messages, logs and the ready file.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The whole environment of the program.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub directory: PathBuf,
    /// File that receives the output.
    pub log: PathBuf,
    /// File that receives the process id.
    pub pid_file: PathBuf,
    /// Time between TERM and KILL when it is stopped.
    pub grace: Duration,
}

/// A program that was started.
#[derive(Debug)]
pub struct GuardedChild {
    guard: Child,
    guard_pid: i32,
    pid_file: PathBuf,
    /// Its end tells the guard that the stack is gone. Held, never written to.
    _lifeline: PipeWriter,
    output: JoinHandle<()>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    code: i32,
}

impl Ended {
    /// Whether it ended with exit code 0.
    pub fn is_success(self) -> bool {
        self.code == 0
    }
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        Self {
            code: status
                .code()
                .or(status.signal().map(|signal| 128 + signal))
                .unwrap_or(-1),
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            code @ 129..=192 => write!(f, "signal {}", code - 128),
            code => write!(f, "exit code {code}"),
        }
    }
}

impl GuardedChild {
    /// Starts the program.
    ///
    /// # Errors
    /// When the log cannot be opened or the guard cannot be started. A program that cannot be executed shows as an early end.
    pub fn start(launch: &Launch, terminal: &Terminal) -> io::Result<Self> {
        let (lifeline_end, lifeline) = io::pipe()?;
        let (output, output_end) = io::pipe()?;
        let log = LogFile::open(&launch.log)?;
        // One left by a guard that was killed names a process that is gone.
        let _ = std::fs::remove_file(&launch.pid_file);
        let guard = Command::new("/proc/self/exe")
            .args(["guard", "--pid-file"])
            .arg(&launch.pid_file)
            .args(["--grace-ms", &launch.grace.as_millis().to_string(), "--"])
            .args(&launch.command)
            .env_clear()
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&launch.directory)
            .stdin(Stdio::from(lifeline_end))
            .stdout(Stdio::from(output_end.try_clone()?))
            .stderr(Stdio::from(output_end))
            .process_group(0)
            .spawn()?;
        let guard_pid = guard.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        let output = tokio::spawn(pump(output, log, launch.name.clone(), terminal.clone()));
        Ok(Self {
            guard,
            guard_pid,
            pid_file: launch.pid_file.clone(),
            _lifeline: lifeline,
            output,
        })
    }

    /// Process id of the guard.
    pub fn guard_pid(&self) -> i32 {
        self.guard_pid
    }

    /// Process id of the program itself, once the guard has written it down.
    pub fn program_pid(&self) -> Option<i32> {
        std::fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok()
    }

    /// Waits for the end of the program and everything below it. Cancel-safe.
    pub async fn wait(&mut self) -> Ended {
        self.guard.wait().await.map_or(Ended { code: -1 }, Ended::from)
    }

    /// Waits until its last output is in the log, for at most a second: a stranger may hold the pipe.
    pub async fn drain_output(&mut self) {
        if !self.output.is_finished() {
            let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.output).await;
        }
    }

    /// Asks the program to end, see [`Stopper::terminate`].
    pub fn terminate(&self) {
        self.stopper().terminate();
    }

    /// A handle that can ask for the end while somebody waits for it.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            guard: self.guard.id().and(Some(self.guard_pid)),
        }
    }
}

/// Asks a program to end. To be dropped before the next one is started.
#[derive(Clone, Copy, Debug)]
pub struct Stopper {
    guard: Option<i32>,
}

impl Stopper {
    /// Asks the program to end; the guard kills it after the grace. A second call means at once.
    pub fn terminate(&self) {
        if let Some(guard) = self.guard {
            let _ = kill(Pid::from_raw(guard), Signal::SIGTERM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_as_signal_or_code() {
        let told = |raw| Ended::from(ExitStatus::from_raw(raw)).to_string();
        assert_eq!(told(9), "signal 9");
        assert_eq!(told((128 + 15) << 8), "signal 15");
        assert_eq!(told(3 << 8), "exit code 3");
        assert!(Ended::from(ExitStatus::from_raw(0)).is_success());
    }
}
