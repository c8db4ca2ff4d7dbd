//! `serve`'s side of a shim's socket.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use molt_common::control::ExecPage;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::page::{self, OutputQuery};
use super::wire::Request;

/// How long a shim may take to answer anything but `wait`. Longer than any load of the machine excuses; then it counts as gone.
const ANSWER_PATIENCE: Duration = Duration::from_secs(15);

/// Kind of shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShimKind {
    /// Of one command.
    Command,
    /// Of the agent.
    Agent,
}

/// A shim, by its socket.
#[derive(Clone, Debug)]
pub struct Shim {
    socket: PathBuf,
}

impl Shim {
    /// The shim that listens at `socket`, if one does.
    pub const fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Starts a shim and has it start `spec`; returns its first report.
    pub async fn launch<S: Serialize, R: DeserializeOwned>(&self, kind: ShimKind, spec: S) -> io::Result<R> {
        match std::fs::remove_file(&self.socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = StdUnixListener::bind(&self.socket)?;
        let mut command = Command::new(crate::process::own_program::own_program()?);
        command
            .arg(match kind {
                ShimKind::Command => "run-command",
                ShimKind::Agent => "run-agent",
            })
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null());
        if let Ok(level) = std::env::var("RUST_LOG") {
            command.env("RUST_LOG", level);
        }
        // The runtime reaps it when it ends, whether or not anybody waits.
        let child = tokio::process::Command::from(command).spawn()?;
        drop(child);
        // However long a busy machine takes: a shim that is gone breaks the connection.
        self.exchange(&Request::Start { spec }).await
    }

    /// The state as it is now.
    pub async fn report<R: DeserializeOwned>(&self) -> io::Result<R> {
        self.ask(&Request::<()>::Report).await
    }

    /// A page of output, after waiting for what the query asks for.
    pub async fn output(&self, query: OutputQuery) -> io::Result<ExecPage> {
        let patience = ANSWER_PATIENCE + Duration::from_millis(query.wait_ms);
        let answer = tokio::time::timeout(patience, self.transfer(&Request::<()>::Output { query })).await??;
        page::decode(&answer)
    }

    /// Orders the stop.
    pub async fn stop<R: DeserializeOwned>(&self, reason: &str, grace_limit_ms: Option<u64>) -> io::Result<R> {
        self.ask(&Request::<()>::Stop {
            reason: reason.to_owned(),
            grace_limit_ms,
        })
        .await
    }

    /// The final state. An error means that the shim ended without giving one, however long that took.
    pub async fn wait<R: DeserializeOwned>(&self) -> io::Result<R> {
        self.exchange(&Request::<()>::Wait).await
    }

    /// Whether nobody listens any more, and never will again.
    pub async fn is_gone(&self) -> bool {
        let gone = [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound];
        let connected = UnixStream::connect(&self.socket).await;
        connected.is_err_and(|error| gone.contains(&error.kind()))
    }

    /// Whether somebody listens.
    pub async fn is_there(&self) -> bool {
        self.report::<IgnoredAny>().await.is_ok()
    }

    async fn ask<S: Serialize, R: DeserializeOwned>(&self, request: &Request<S>) -> io::Result<R> {
        tokio::time::timeout(ANSWER_PATIENCE, self.exchange(request)).await?
    }

    async fn exchange<S: Serialize, R: DeserializeOwned>(&self, request: &Request<S>) -> io::Result<R> {
        Ok(serde_json::from_slice(&self.transfer(request).await?)?)
    }

    async fn transfer<S: Serialize>(&self, request: &Request<S>) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        if answer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer)
    }
}
