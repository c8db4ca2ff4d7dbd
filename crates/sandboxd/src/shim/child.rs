//! Starting what a shim looks after, and taking its output.

use std::fs;
use std::future;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::Pid;
use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until};

use super::wire::Launch;
use crate::process::confine::{StartError, confine};

/// A running program with the shim's ends of its pipes.
pub struct Child {
    /// Its process id, which is also its session and process group.
    pub pid: Pid,
    /// Write end of its standard input, when one was asked for.
    pub stdin: Option<pipe::Sender>,
    /// Read end of its standard output.
    pub stdout: pipe::Receiver,
    /// Read end of its standard error.
    pub stderr: pipe::Receiver,
}

/// Starts `launch`; `with_stdin` asks for a pipe, otherwise standard input is empty.
pub fn start(launch: &Launch, with_stdin: bool) -> Result<Child, StartError> {
    let sort = |error| StartError::new(error, &launch.program, &launch.confinement.cwd);
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.args)
        .env_clear()
        .envs(&launch.env)
        .stdin(if with_stdin { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    confine(&mut command, &launch.confinement).map_err(sort)?;
    // Not `tokio::process`: it would reap by itself, and a shim reaps everything below it.
    let mut child = command.spawn().map_err(sort)?;
    let lost_pipe = || sort(io::Error::other("no pipe"));
    let stdin = child
        .stdin
        .take()
        .map(|pipe| pipe::Sender::from_owned_fd(OwnedFd::from(pipe)))
        .transpose()
        .map_err(sort)?;
    let stdout = child.stdout.take().ok_or_else(lost_pipe)?;
    let stderr = child.stderr.take().ok_or_else(lost_pipe)?;
    Ok(Child {
        pid: Pid::from_raw(child.id().cast_signed()),
        stdin,
        stdout: pipe::Receiver::from_owned_fd(OwnedFd::from(stdout)).map_err(sort)?,
        stderr: pipe::Receiver::from_owned_fd(OwnedFd::from(stderr)).map_err(sort)?,
    })
}

/// Hands everything that arrives on `pipe` to `take`, until all writers are gone.
pub async fn pump(mut pipe: pipe::Receiver, mut take: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => take(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// Waits for `instant`; for ever when there is none.
pub async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => future::pending().await,
    }
}

/// Writes the final report so that a reader sees the whole of it or nothing.
pub fn record(path: &Path, report: &impl Serialize) -> io::Result<()> {
    let mut partial = path.to_owned().into_os_string();
    partial.push(".partial");
    let written = write_whole(Path::new(&partial), report).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // It takes room that the next try may need.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn write_whole(path: &Path, report: &impl Serialize) -> io::Result<()> {
    let file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let mut writer = io::BufWriter::new(file);
    serde_json::to_writer(&mut writer, report)?;
    // Dropped without this it would keep to itself that the disk is full.
    writer.flush()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_full_disk_is_told_and_leaves_the_record_that_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, partial) = (folder.path().join("r.json"), folder.path().join("r.json.partial"));
        record(&path, &"first").unwrap();
        // Below and above what is gathered before it is written.
        for length in [1, 100_000] {
            symlink("/dev/full", &partial).unwrap();
            let refused = record(&path, &"x".repeat(length)).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
            assert_eq!(fs::read_to_string(&path).unwrap(), "\"first\"");
            assert!(partial.symlink_metadata().is_err(), "nothing half written is left");
        }
        record(&path, &"second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "\"second\"");
    }
}
