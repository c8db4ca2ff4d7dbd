//! Starting a container's first process, and watching it until it ends.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::enter::ENTERED;
use super::spawner::Spawner;
use super::spec::LaunchSpec;
use crate::cgroup::Cgroup;
use crate::logs::LogFile;

/// How long bubblewrap may take to build the sandbox.
const BUILDING: Duration = Duration::from_secs(20);
/// Bytes of output that explain why a start failed.
const EXPLANATION: u64 = 1_000;

/// Why a container did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The sandbox could not be built, or the program is not in it.
    #[error("the sandbox did not start: {0}")]
    Sandbox(String),
    /// Something on the host failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A first process that runs.
#[derive(Debug)]
pub struct FirstProcess {
    /// Its process id on the host.
    pub pid: u32,
    /// Absent when it had ended before we could take hold of it.
    handle: Option<OwnedFd>,
}

impl FirstProcess {
    /// Sends a signal. KILL ends everything in the container; others do what the first process makes of them.
    pub fn signal(&self, signal: nix::sys::signal::Signal) -> io::Result<()> {
        let signal = rustix::process::Signal::from_named_raw(signal as i32)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        match &self.handle {
            Some(handle) => Ok(pidfd_send_signal(handle, signal)?),
            None => Err(rustix::io::Errno::SRCH.into()),
        }
    }
}

/// Bubblewrap's parent side, which ends when the container has ended.
#[derive(Debug)]
pub struct Supervision {
    child: Child,
    output: [tokio::task::JoinHandle<()>; 2],
}

impl Supervision {
    /// The exit code of the first process, once everything in the container has ended and its output has arrived.
    pub async fn wait(mut self) -> i32 {
        let code = match self.child.wait().await {
            Ok(status) => exit_code(status),
            Err(error) => {
                tracing::error!(%error, "a container's end was not observed");
                255
            }
        };
        for output in self.output {
            drop(output.await);
        }
        code
    }
}

/// As a shell counts: 128 + n for signal n.
fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(255)
}

/// Starts the program of `spec` in its sandbox and in `cgroup`, and waits until it runs. `engine` is this engine's executable.
pub async fn start(
    spawner: &Spawner,
    engine: &Path,
    mut spec: LaunchSpec,
    cgroup: &Cgroup,
    log: &Arc<LogFile>,
) -> Result<(FirstProcess, Supervision), StartError> {
    let (info, info_writer) = pipe_pair()?;
    let (report, report_writer) = pipe_pair()?;
    (spec.info_fd, spec.report_fd) = (info_writer.as_raw_fd(), report_writer.as_raw_fd());
    let mut command = Command::new(engine);
    command
        .arg0("local-engine")
        .arg("__launch")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let inherited = [spec.info_fd, spec.report_fd];
    // SAFETY: runs between fork and exec and makes only system calls, on descriptors that are open then.
    unsafe {
        command.pre_exec(move || {
            for fd in inherited {
                let kept = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
                nix::fcntl::fcntl(std::os::fd::BorrowedFd::borrow_raw(fd), kept)?;
            }
            Ok(())
        });
    }
    let mut child = spawner.spawn(command).await?;
    drop((info_writer, report_writer));
    let output = [
        tokio::spawn(drain(child.stdout.take(), Arc::clone(log))),
        tokio::spawn(drain(child.stderr.take(), Arc::clone(log))),
    ];
    // The launcher waits for its orders, so nothing of the container has run before the bounds hold.
    if let Some(pid) = child.id() {
        cgroup.add(pid)?;
    }
    if let Some(mut orders) = child.stdin.take() {
        // A launcher that has failed already says why in its output.
        drop(
            orders
                .write_all(&serde_json::to_vec(&spec).map_err(io::Error::from)?)
                .await,
        );
    }
    let supervision = Supervision { child, output };
    let starting = async { tokio::join!(first_process(info), outcome(report)) };
    let reason = match tokio::time::timeout(BUILDING, starting).await {
        Ok((Some(first), Ok(()))) => return Ok((first, supervision)),
        Ok((_, Err(Some(reason)))) => reason,
        Ok(_) => {
            let code = supervision.wait().await;
            let said = log.tail(EXPLANATION);
            if said.is_empty() {
                format!("exit code {code}")
            } else {
                said
            }
        }
        // Dropping the supervision kills what there is.
        Err(_) => format!("not ready after {} s", BUILDING.as_secs()),
    };
    Err(StartError::Sandbox(reason))
}

async fn drain(stream: Option<impl tokio::io::AsyncRead + Unpin>, log: Arc<LogFile>) {
    if let Some(stream) = stream {
        log.drain(stream).await;
    }
}

fn pipe_pair() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    Ok((pipe::Receiver::from_owned_fd(reader)?, writer))
}

/// The first process, by what bubblewrap tells; `None` if it ended without a word.
async fn first_process(mut info: pipe::Receiver) -> Option<FirstProcess> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Info {
        child_pid: u32,
    }
    let mut text = Vec::new();
    let number = loop {
        if info.read_buf(&mut text).await.ok()? == 0 {
            return None;
        }
        if let Ok(info) = serde_json::from_slice::<Info>(&text) {
            break info.child_pid;
        }
    };
    let pid = i32::try_from(number).ok().and_then(rustix::process::Pid::from_raw)?;
    Some(FirstProcess {
        pid: number,
        handle: pidfd_open(pid, PidfdFlags::empty()).ok(),
    })
}

/// Waits until the program of the container runs. The error holds the reason if the last step gave one.
async fn outcome(mut report: pipe::Receiver) -> Result<(), Option<String>> {
    let mut text = String::new();
    let read = report.read_to_string(&mut text).await;
    read.map_err(|error| Some(error.to_string()))?;
    match text.strip_prefix(ENTERED) {
        None => Err(None),
        Some("") => Ok(()),
        Some(reason) => Err(Some(reason.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_counts_from_128() {
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_code(ExitStatus::from_raw(0)), 0);
        assert_eq!(exit_code(ExitStatus::from_raw(9)), 137);
        assert_eq!(exit_code(ExitStatus::from_raw(15)), 143);
    }
}
