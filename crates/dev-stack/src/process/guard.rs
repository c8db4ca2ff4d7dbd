//! The guard: one small process above each program of the stack, so that nothing of it stays behind, however the stack ends.
//!
//! Everything the program starts and leaves is adopted by the guard (it is a *subreaper*), so the whole tree below it can be found and
//! killed. The guard's standard input is a pipe that nobody writes to: its end means that the stack is gone, even by KILL. The program
//! is killed by the kernel when the guard itself is killed; what it leaves then is adopted by the stack.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::tree;

/// How long the program gets to end by itself when the stack has gone without a word.
const ORPHAN_GRACE: Duration = Duration::from_secs(2);
/// How long killed processes get to disappear. Only one that hangs in the kernel takes longer.
const SWEEP_LIMIT: Duration = Duration::from_secs(10);
/// How often the tree is looked at again while it is being killed.
const SWEEP_PAUSE: Duration = Duration::from_millis(10);

/// What a guard is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardOrder {
    /// File that receives the process id of the program, removed at its end.
    pub pid_file: PathBuf,
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// Program and arguments.
    pub command: Vec<String>,
}

/// Why a guard could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// A call to the system failed.
    #[error("guard: {0}")]
    System(#[from] nix::Error),
    /// The program could not be started or its process id not be written down.
    #[error("guard: {0}")]
    Io(#[from] io::Error),
}

/// Runs the program to its end and returns its exit code, 128 + n when signal n ended it.
pub fn run(order: &GuardOrder) -> Result<u8, GuardError> {
    prctl::set_child_subreaper(true)?;
    let mut wanted = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        wanted.add(signal);
    }
    wanted.thread_block()?;
    let signals = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;

    // The file itself and not its path, which may belong to a newer build by now.
    let program = Command::new("/proc/self/exe")
        .args(["enter", "--guard", &getpid().to_string(), "--"])
        .args(&order.command)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()?;
    let pid = i32::try_from(program.id()).map_or(Pid::from_raw(-1), Pid::from_raw);
    fs::write(&order.pid_file, format!("{pid}\n"))?;

    let code = Watch {
        program: pid,
        grace: order.grace,
        kill_at: None,
        stack_is_there: true,
    }
    .until_end(&signals)?;
    sweep();
    let _ = fs::remove_file(&order.pid_file);
    Ok(code)
}

struct Watch {
    program: Pid,
    grace: Duration,
    kill_at: Option<Instant>,
    stack_is_there: bool,
}

impl Watch {
    fn until_end(mut self, signals: &SignalFd) -> Result<u8, GuardError> {
        loop {
            if let Some(code) = reap(self.program) {
                return Ok(code);
            }
            self.wait(signals)?;
            while let Some(signal) = signals.read_signal()? {
                let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
                if number != Signal::SIGCHLD as i32 {
                    self.stop(self.grace);
                }
            }
            if self.kill_at.is_some_and(|at| at <= Instant::now()) {
                let _ = kill(self.program, Signal::SIGKILL);
            }
        }
    }

    /// Until a signal comes, the stack goes, or it is time to kill.
    fn wait(&mut self, signals: &SignalFd) -> Result<(), GuardError> {
        let stdin = io::stdin();
        let mut sources = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if self.stack_is_there {
            sources.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        let timeout = match self.kill_at {
            None => PollTimeout::NONE,
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now()).max(SWEEP_PAUSE);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
        };
        match poll(&mut sources, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let lifeline_event = sources
            .get(1)
            .and_then(PollFd::revents)
            .is_some_and(|events| !events.is_empty());
        if lifeline_event {
            self.stack_is_there = false;
            self.stop(ORPHAN_GRACE.min(self.grace));
        }
        Ok(())
    }

    /// The first call asks the program to end, a second one means that there is no time left.
    fn stop(&mut self, grace: Duration) {
        let now = Instant::now();
        if self.kill_at.is_none() {
            let _ = kill(self.program, Signal::SIGTERM);
            self.kill_at = Some(now + grace);
        } else if self.stack_is_there {
            self.kill_at = Some(now);
        } else {
            self.kill_at = self.kill_at.min(Some(now + grace));
        }
    }
}

/// Reaps whatever has ended, and returns the exit code of `program` when it is among it.
fn reap(program: Pid) -> Option<u8> {
    let mut code = None;
    loop {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == program => code = Some(u8::try_from(status).unwrap_or(255)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => {
                code = Some(u8::try_from(128 + signal as i32).unwrap_or(255));
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return code,
            Ok(_) => {}
        }
    }
}

/// Kills everything that the program left behind, again and again until nothing is: a process may fork while it is being killed.
fn sweep() {
    let me = getpid().as_raw();
    let deadline = Instant::now() + SWEEP_LIMIT;
    loop {
        let left = tree::descendants(me, &tree::snapshot(), &|_| false);
        tree::kill_all(&left);
        reap(Pid::from_raw(-1));
        if left.is_empty() || Instant::now() >= deadline {
            return;
        }
        thread::sleep(SWEEP_PAUSE);
    }
}
