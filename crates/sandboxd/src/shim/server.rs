//! The shim's side of its socket.

use std::future::{self, Future};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::page::OutputQuery;
use super::wire::Request;
use crate::process::hardening;

/// How long the answers to those who wait may take once everything is over.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long the order to start may take to arrive.
const ORDER_PATIENCE: Duration = Duration::from_secs(30);

/// What a shim looks after, as its socket shows it.
pub trait Subject: Send + Sync + 'static {
    /// State that is reported.
    type Report: Serialize + Send + Sync;
    /// The state as it is now.
    fn report(&self) -> Self::Report;
    /// A page of output ([`super::page`]), once there is what the query waits for. Nothing where output is not told.
    fn output(&self, _query: OutputQuery) -> impl Future<Output = Option<Vec<u8>>> + Send {
        future::ready(None)
    }
}

/// An order to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopOrder {
    /// For people.
    pub reason: String,
    /// Most time between TERM and KILL, if less than usual.
    pub grace_limit: Option<Duration>,
}

/// The connection that ordered the start; answered when the start has succeeded or failed.
pub struct StartOrder<S> {
    /// What to start.
    pub spec: S,
    stream: UnixStream,
}

impl<S> StartOrder<S> {
    /// Tells `serve` how the start went. A `serve` that is gone by now asks again later.
    pub async fn answer(mut self, report: &impl Serialize) {
        let _ = write_line(&mut self.stream, report).await;
    }
}

/// Runs a shim: prepares the process, takes the socket from standard input, and drives `body` to its end.
pub fn run<F>(body: impl FnOnce(UnixListener) -> F) -> ExitCode
where
    F: Future<Output = io::Result<()>>,
{
    hardening::make_undumpable();
    hardening::adopt_orphans();
    // One thread: the kernel ties "end with your parent" to the thread that started the child, and it must be the main one.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start a runtime");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async move { body(inherited_listener()?).await });
    // Does not wait for a blocked read of a pipe that a daemon still holds.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "shim failed");
            ExitCode::FAILURE
        }
    }
}

/// Standard input is the socket, already listening when the shim was started, so that no connection can come too early.
fn inherited_listener() -> io::Result<UnixListener> {
    let listener = StdUnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Waits for the order to start.
pub async fn accept_start<S: DeserializeOwned>(listener: &UnixListener) -> io::Result<StartOrder<S>> {
    let order = async {
        loop {
            let (stream, _) = listener.accept().await?;
            match read_request(stream).await {
                Ok((stream, Request::Start { spec })) => return Ok(StartOrder { spec, stream }),
                // Only the next `serve` waits for what was not ordered yet: the one that made this shim was killed before it could.
                Ok((_, Request::Wait | Request::Stop { .. })) => {
                    return Err(io::Error::other("never ordered to start"));
                }
                // Others may ask how things are before they begin; they are sent away and ask again.
                Ok(_) | Err(_) => {}
            }
        }
    };
    tokio::time::timeout(ORDER_PATIENCE, order).await?
}

/// Answers until `done` becomes true and everybody who waits has heard so. Orders to stop go to `stop`.
pub async fn answer_until_done<T: Subject>(
    listener: UnixListener,
    subject: Arc<T>,
    stop: mpsc::UnboundedSender<StopOrder>,
    done: watch::Receiver<bool>,
) {
    let mut over = done.clone();
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    conversations.spawn(converse(stream, Arc::clone(&subject), stop.clone(), done.clone()));
                }
            }
            _ = over.wait_for(|over| *over) => break,
            Some(_) = conversations.join_next() => {}
        }
    }
    let farewell = async { while conversations.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        tracing::debug!("someone did not take the farewell");
    }
}

async fn converse<T: Subject>(
    stream: UnixStream,
    subject: Arc<T>,
    stop: mpsc::UnboundedSender<StopOrder>,
    mut done: watch::Receiver<bool>,
) {
    let Ok((mut stream, request)) = read_request::<serde::de::IgnoredAny>(stream).await else {
        return;
    };
    match request {
        Request::Start { .. } => return,
        Request::Report => {}
        Request::Wait => {
            tokio::select! {
                over = done.wait_for(|done| *done) => if over.is_err() { return },
                () = hung_up(&stream) => return,
            }
        }
        Request::Output { query } => {
            let page = tokio::select! {
                page = subject.output(query) => page,
                () = hung_up(&stream) => return,
            };
            if let Some(page) = page {
                let _ = stream.write_all(&page).await;
            }
            return;
        }
        Request::Stop { reason, grace_limit_ms } => {
            let grace_limit = grace_limit_ms.map(Duration::from_millis);
            let _ = stop.send(StopOrder { reason, grace_limit });
        }
    }
    let _ = write_line(&mut stream, &subject.report()).await;
}

/// Until nobody reads the answer any more. There is one request per connection, so whatever becomes readable is the end of it.
async fn hung_up(stream: &UnixStream) {
    while stream.readable().await.is_ok() {
        // Readiness may be stale: the request itself made the stream readable.
        match stream.try_read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}

async fn read_request<S: DeserializeOwned>(stream: UnixStream) -> io::Result<(UnixStream, Request<S>)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let request = serde_json::from_str(&line)?;
    Ok((reader.into_inner(), request))
}

async fn write_line(stream: &mut UnixStream, report: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.shutdown().await
}
