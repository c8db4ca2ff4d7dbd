//! One connection to a command's output, read by a thread of its own so that whoever follows can attend to other things.
//!
//! Three ways: server-sent events; long polls where a stream does not come through; the status alone where the deployment has no `…/output`.

use super::target::Target;
use super::told::{Told, ending};
use crate::client::{Client, ClientError, Failed};
use futures_util::{FutureExt, StreamExt, stream};
use molt_common::api::exec::{ExecOutput, OUTPUT_WAIT_MAX_S, OutputChunk};
use molt_common::output::{OutputCursor, StreamName};
use sse_stream::SseByteStream;
use std::cell::Cell;
use std::io::{self, Cursor, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// As much is read ahead of a slow reader, in things told; what comes after it waits in the connection.
const AHEAD: usize = 32;
const READ_BYTES: usize = 64 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How the output is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As server-sent events.
    Stream,
    /// As pages of JSON.
    LongPoll,
    /// With the status, once it ended.
    Status,
}

/// How a connection ended.
#[derive(Debug)]
pub enum Over {
    /// Everything was told.
    Told,
    /// There was nothing more to tell.
    Nothing,
    /// It was cut off.
    Cut(String),
    /// Not a byte came of a stream: somebody in between holds it back.
    Silent,
    /// The answer is no stream.
    NoStream,
    /// There was no answer, or a refusal.
    Failed(Failed),
}

/// What comes from the thread.
#[derive(Debug)]
pub enum Heard {
    /// The platform answers.
    Answer,
    /// It tells something.
    Told(Told),
    /// It was the last.
    Over(Over),
}

/// A connection that is being read.
pub struct Connection(Receiver<Heard>);

impl Connection {
    /// Asks for what follows `after`. A connection without a byte for `silence` is dead: heartbeats are more frequent.
    pub fn open(client: &Client, target: &Target, way: Way, after: OutputCursor, silence: Duration) -> Self {
        let (sender, receiver) = sync_channel(AHEAD);
        let (client, target) = (client.clone(), target.clone());
        // It ends by itself when nobody listens any more: with its next message, or with the silence.
        thread::spawn(move || {
            let tell = Tell(&sender);
            let over = match way {
                Way::Stream => stream_events(&client, &target, after, silence, &tell),
                Way::LongPoll => poll(&client, &target, after, silence, &tell),
                Way::Status => watch_status(&client, &target, after, &tell),
            };
            let over = over.unwrap_or_else(|failed| match failed {
                Stop::Failed(failed) => Over::Failed(failed),
                Stop::NobodyListens => Over::Told,
            });
            let _ = sender.send(Heard::Over(over));
        });
        Self(receiver)
    }

    /// What it says next; `None` when that takes longer.
    pub fn next(&self, longest: Duration) -> Option<Heard> {
        match self.0.recv_timeout(longest) {
            Ok(heard) => Some(heard),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Heard::Over(Over::Cut("the connection ended".into()))),
        }
    }
}

enum Stop {
    Failed(Failed),
    NobodyListens,
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

struct Tell<'a>(&'a SyncSender<Heard>);

impl Tell<'_> {
    fn answer(&self) -> Result<(), Stop> {
        self.0.send(Heard::Answer).map_err(|_| Stop::NobodyListens)
    }

    fn told(&self, told: Told) -> Result<(), Stop> {
        self.0.send(Heard::Told(told)).map_err(|_| Stop::NobodyListens)
    }
}

fn stream_events(
    client: &Client,
    target: &Target,
    after: OutputCursor,
    silence: Duration,
    tell: &Tell<'_>,
) -> Result<Over, Stop> {
    let after = after.to_string();
    let headers = [
        ("accept", "text/event-stream"),
        // A compressed stream is held back until a block of it is full.
        ("accept-encoding", "identity"),
        ("cache-control", "no-cache"),
        ("last-event-id", after.as_str()),
    ];
    let response = match client.open(&target.output(), &headers, silence) {
        Err(failed) if is_silence(&failed) => return Ok(Over::Silent),
        answer => answer?,
    };
    if response.status() == 204 {
        return Ok(Over::Nothing);
    }
    if response.body().mime_type() != Some("text/event-stream") {
        return Ok(Over::NoStream);
    }
    tell.answer()?;
    let mut body = response.into_body().into_reader();
    let came = Cell::new(false);
    let reads = std::iter::from_fn(|| {
        let mut bytes = vec![0; READ_BYTES];
        match body.read(&mut bytes) {
            Ok(0) => None,
            Ok(length) => {
                came.set(true);
                bytes.truncate(length);
                Some(Ok(Cursor::new(bytes)))
            }
            Err(error) => Some(Err(error)),
        }
    });
    let mut events = SseByteStream::new(stream::iter(reads));
    // The iterator waits itself, so the stream is always ready.
    while let Some(event) = events.next().now_or_never().flatten() {
        let event = match event {
            Ok(event) => event,
            Err(sse_stream::Error::Body(cause)) => {
                let timed_out = cause.downcast_ref::<io::Error>().is_some_and(timed_out);
                return Ok(match (timed_out, came.get()) {
                    (true, false) => Over::Silent,
                    _ => Over::Cut(cause.to_string()),
                });
            }
            Err(other) => return Err(unexpected(target, other.to_string()).into()),
        };
        let (name, data) = (event.event.unwrap_or_default(), event.data.unwrap_or_default());
        match Told::event(&name, &data) {
            Ok(None) => {}
            Ok(Some(end @ Told::End(_))) => {
                tell.told(end)?;
                return Ok(Over::Told);
            }
            Ok(Some(told)) => tell.told(told)?,
            Err(error) => return Err(unexpected(target, format!("the event {name}: {error}")).into()),
        }
    }
    Ok(Over::Cut("the stream ended before the command".into()))
}

fn poll(
    client: &Client,
    target: &Target,
    mut after: OutputCursor,
    silence: Duration,
    tell: &Tell<'_>,
) -> Result<Over, Stop> {
    // Its heartbeat is the answer.
    let silence = silence + Duration::from_secs(OUTPUT_WAIT_MAX_S);
    loop {
        let path = format!("{}?after={after}&wait={OUTPUT_WAIT_MAX_S}", target.output());
        let mut response = client.open(&path, &[("accept", "application/json")], silence)?;
        let text = match response.body_mut().with_config().limit(u64::MAX).read_to_string() {
            Ok(text) => text,
            Err(error) => return Ok(Over::Cut(error.to_string())),
        };
        let Ok(page) = serde_json::from_str::<ExecOutput>(&text) else {
            return Err(unexpected(target, text).into());
        };
        tell.answer()?;
        after = page.cursor;
        for told in Told::page(page) {
            let is_end = matches!(told, Told::End(_));
            tell.told(told)?;
            if is_end {
                return Ok(Over::Told);
            }
        }
    }
}

fn watch_status(client: &Client, target: &Target, after: OutputCursor, tell: &Tell<'_>) -> Result<Over, Stop> {
    let mut pause = FIRST_PAUSE;
    loop {
        let status = client.try_get(&target.status())?;
        let ended = ending(&status).map_err(|_| unexpected(target, status.to_string()))?;
        tell.answer()?;
        if let Some(ended) = ended {
            for stream in StreamName::BOTH {
                let text = status.get(stream.word()).and_then(serde_json::Value::as_str);
                // Its text has no offsets: after a part that was told in another way it would be told twice.
                if let (Some(text), 0) = (text, after.of(stream)) {
                    tell.told(Told::Chunk(OutputChunk {
                        stream,
                        at: 0,
                        text: Some(text.to_owned()),
                        base64: None,
                        gap_bytes: None,
                    }))?;
                }
            }
            tell.told(Told::End(ended))?;
            return Ok(Over::Told);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn unexpected(target: &Target, what: String) -> Failed {
    Failed::Lasting(ClientError::Unexpected(target.output(), what))
}

/// Whether nothing came for too long, as the reader of a body reports it.
fn timed_out(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    matches!(inner, Some(ureq::Error::Timeout(_))) || error.kind() == io::ErrorKind::TimedOut
}

fn is_silence(failed: &Failed) -> bool {
    matches!(
        failed.error(),
        ClientError::Unreachable(_, ureq::Error::Timeout(ureq::Timeout::PerRead))
    )
}
