//! A client of `…/output` as server-sent events: it may be cut off anywhere, comes back with `Last-Event-ID`, and keeps book of what it was told.

use crate::call::Call;
use bytes::Bytes;
use eventsource_stream::{Event, EventStreamError, Eventsource};
use futures_util::stream::{self, BoxStream, StreamExt};
use molt_common::api::exec::OutputChunk;
use molt_common::output::{OutputCursor, StreamName};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Heartbeats come every ten seconds; a stream that is silent for three of them is dead.
const SILENCE: Duration = Duration::from_secs(30);

/// Everything that one watcher was told about one command, over all its connections.
#[derive(Debug, Default)]
pub struct Watch {
    /// Standard output, in order.
    pub stdout: Vec<u8>,
    /// Standard error, in order.
    pub stderr: Vec<u8>,
    /// `state` events, in order.
    pub states: Vec<Value>,
    /// The `end` event.
    pub end: Option<Value>,
    /// What comes back as `Last-Event-ID`.
    pub last_event_id: Option<String>,
    /// Connections that were made and answered with a stream.
    pub connections: u32,
    /// Bytes that the platform said it had not kept, of both streams.
    pub gap_bytes: u64,
    /// Bytes that were left out without a word: a chunk began after the end of what was told before.
    pub missing_bytes: u64,
    /// Bytes that were told a second time.
    pub repeated_bytes: u64,
    /// Time between the end of a connection and the next stream.
    pub without: Duration,
    /// Wrong in some other way, one line each.
    pub faults: Vec<String>,
    position: OutputCursor,
    left: Option<Instant>,
}

/// How one connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Connection {
    /// `end` was told and the stream closed.
    Ended,
    /// It was cut off here, as asked.
    CutOff,
    /// It broke off, or fell silent.
    Broke,
    /// There was no stream but this answer; 204 says that there is nothing more to come.
    Answered(u16),
    /// There was no answer.
    Unreachable,
}

impl Watch {
    /// Listens on one connection until it ends, and at most for this many bytes. The position of the watch is where it begins.
    pub async fn listen(&mut self, call: Call<'_>, most_bytes: Option<usize>) -> Connection {
        let ended = self.connection(call, most_bytes).await;
        self.left.get_or_insert_with(Instant::now);
        ended
    }

    async fn connection(&mut self, call: Call<'_>, most_bytes: Option<usize>) -> Connection {
        let call = call.header("accept", "text/event-stream");
        let call = match &self.last_event_id {
            Some(id) => call.header("last-event-id", id),
            None => call,
        };
        let Ok(response) = call.start().await else {
            return Connection::Unreachable;
        };
        let status = response.status().as_u16();
        if status != 200 {
            return Connection::Answered(status);
        }
        self.connections += 1;
        self.without += self.left.take().map_or(Duration::ZERO, |left| left.elapsed());
        let typed = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        if !typed.is_some_and(|text| text.starts_with("text/event-stream")) {
            self.faults.push(format!("content-type {typed:?}"));
        }
        let mut events = cut(response.bytes_stream().boxed(), most_bytes).eventsource().boxed();
        loop {
            match events.next().await {
                Some(Ok(event)) => self.accept(&event),
                Some(Err(EventStreamError::Transport(Cut::Here))) => return Connection::CutOff,
                None if self.end.is_some() => return Connection::Ended,
                Some(Err(_)) | None => return Connection::Broke,
            }
        }
    }

    /// Comes back until the end was told, for at most this long. Answers of 5xx and broken connections are waited out.
    ///
    /// # Panics
    /// When the end is not told in time, or the stream is refused.
    pub async fn to_the_end<'a>(&mut self, call: impl Fn() -> Call<'a>, limit: Duration) {
        let begun = Instant::now();
        while self.end.is_none() {
            assert!(
                begun.elapsed() < limit,
                "the end was not told within {limit:?}: {:?}",
                self.summary()
            );
            match self.listen(call(), None).await {
                Connection::Answered(status) if status < 500 => panic!("no stream but {status}"),
                Connection::Ended => {}
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Standard output as text, where it is some.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// In one line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} connections, {} + {} bytes, {} missing, {} repeated, {} said not to be kept, faults {:?}, at {:?}",
            self.connections,
            self.stdout.len(),
            self.stderr.len(),
            self.missing_bytes,
            self.repeated_bytes,
            self.gap_bytes,
            self.faults,
            self.last_event_id
        )
    }

    /// # Panics
    /// When anything but the truth was told, or any of it twice.
    pub fn assert_faultless(&self) {
        let wrong = self.missing_bytes + self.repeated_bytes;
        assert!(wrong == 0 && self.faults.is_empty(), "{}", self.summary());
    }

    fn accept(&mut self, event: &Event) {
        if self.end.is_some() {
            self.faults.push(format!("{} after the end", event.event));
        }
        match event.event.as_str() {
            "stdout" | "stderr" | "gap" => match serde_json::from_str::<OutputChunk>(&event.data) {
                Ok(chunk) => self.chunk(event, &chunk),
                Err(error) => self.faults.push(format!("{}: {error}: {}", event.event, event.data)),
            },
            "state" => match serde_json::from_str(&event.data) {
                Ok(state) => self.states.push(state),
                Err(error) => self.faults.push(format!("state: {error}: {}", event.data)),
            },
            "end" => {
                match serde_json::from_str(&event.data) {
                    Ok(end) => self.end = Some(end),
                    Err(error) => self.faults.push(format!("end: {error}: {}", event.data)),
                }
                if event.id != format!("{}-end", self.position) {
                    self.faults
                        .push(format!("end has the id {:?} at {}", event.id, self.position));
                }
            }
            other => self.faults.push(format!("an event called {other:?}")),
        }
        if !event.id.is_empty() {
            self.last_event_id = Some(event.id.clone());
        }
    }

    fn chunk(&mut self, event: &Event, chunk: &OutputChunk) {
        let expected = self.position.of(chunk.stream);
        self.missing_bytes += chunk.at.saturating_sub(expected);
        self.repeated_bytes += expected.saturating_sub(chunk.at);
        let bytes = match (&chunk.text, &chunk.base64, chunk.gap_bytes) {
            (Some(text), None, None) => text.clone().into_bytes(),
            (None, Some(base64), None) => decode(base64).unwrap_or_else(|| {
                self.faults.push(format!("no base64: {base64:.80}"));
                Vec::new()
            }),
            (None, None, Some(gap)) => {
                self.gap_bytes += gap;
                self.position.set(chunk.stream, chunk.at + gap);
                Vec::new()
            }
            _ => {
                return self
                    .faults
                    .push(format!("not exactly one of text, base64 and gapBytes: {}", event.data));
            }
        };
        let named = if chunk.gap_bytes.is_some() {
            "gap"
        } else {
            chunk.stream.word()
        };
        if event.event != named {
            self.faults
                .push(format!("{} tells {}", event.event, chunk.stream.word()));
        }
        if chunk.gap_bytes.is_none() {
            self.position.set(chunk.stream, chunk.at + bytes.len() as u64);
        }
        match chunk.stream {
            StreamName::Stdout => self.stdout.extend(bytes),
            StreamName::Stderr => self.stderr.extend(bytes),
        }
        if event.id != self.position.to_string() {
            self.faults
                .push(format!("the id is {:?} at {}", event.id, self.position));
        }
    }
}

fn decode(base64: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(base64).ok()
}

/// Why a body ended before it was whole.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("as asked")]
    Here,
    #[error("not even a heartbeat came")]
    Silent,
    #[error(transparent)]
    Broke(#[from] reqwest::Error),
}

/// The body up to a number of bytes, then [`Cut::Here`].
fn cut(
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    most: Option<usize>,
) -> BoxStream<'static, Result<Bytes, Cut>> {
    let left = most.unwrap_or(usize::MAX);
    stream::unfold((body, Some(left)), async |(mut body, left)| match left? {
        0 => Some((Err(Cut::Here), (body, None))),
        left => match tokio::time::timeout(SILENCE, body.next()).await {
            Ok(Some(Ok(mut bytes))) => {
                bytes.truncate(left);
                let left = left - bytes.len();
                Some((Ok(bytes), (body, Some(left))))
            }
            Ok(Some(Err(error))) => Some((Err(error.into()), (body, None))),
            Ok(None) => None,
            Err(_) => Some((Err(Cut::Silent), (body, None))),
        },
    })
    .boxed()
}
