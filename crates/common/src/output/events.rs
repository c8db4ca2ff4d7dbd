//! Output as server-sent events (WHATWG HTML, section 9.2), and the `Last-Event-ID` by which a client goes on.

use super::chunks::Told;
use super::{NoCursor, OutputCursor};
use crate::api::exec::{ExecChange, ExecEnd};
use serde::Serialize;
use std::fmt::{self, Display, Write as _};
use std::str::FromStr;

/// Content type of a stream of events.
pub const CONTENT_TYPE: &str = "text/event-stream";
/// First words of a stream: when its connection breaks, come back after a second.
pub const GREETING: &str = "retry: 1000\n\n";
/// A comment, so that everything on the way knows that somebody is still there.
pub const HEARTBEAT: &str = ": still here\n\n";
/// Milliseconds of silence after which a heartbeat is due.
pub const HEARTBEAT_MS: u64 = 10_000;

/// Ending of the last event's id.
const END: &str = "-end";

/// What a client was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEvent {
    /// Position after it.
    pub cursor: OutputCursor,
    /// It was the end: nothing follows.
    pub ended: bool,
}

impl FromStr for LastEvent {
    type Err = NoCursor;
    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (cursor, ended) = match text.strip_suffix(END) {
            Some(cursor) => (cursor, true),
            None => (text, false),
        };
        Ok(Self {
            cursor: cursor.parse()?,
            ended,
        })
    }
}

impl Display for LastEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.cursor, if self.ended { END } else { "" })
    }
}

/// Whether a client that accepts this wants events: it names them, and does not name JSON before them. Ranges that it gives no weight
/// (`q=0`) are not wanted; other weights are not compared.
#[must_use]
pub fn are_wanted(accept: &str) -> bool {
    let named = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0))
        });
        (!refused).then_some(name)
    });
    let mut ours = named.filter(|name| name == CONTENT_TYPE || name == "application/json");
    ours.next().is_some_and(|name| name == CONTENT_TYPE)
}

/// Events as they go over the wire.
#[derive(Clone, Debug, Default)]
pub struct Events {
    text: String,
}

impl Events {
    /// Of what a command wrote, or of what was not kept of it.
    pub fn output(&mut self, told: &Told) {
        let name = match told.chunk.gap_bytes {
            Some(_) => "gap",
            None => told.chunk.stream.word(),
        };
        let id = LastEvent {
            cursor: told.after,
            ended: false,
        };
        self.event(name, Some(id), &told.chunk);
    }

    /// Where the command stands now. Without an id: it moves no position.
    pub fn state(&mut self, change: &ExecChange) {
        self.event("state", None, change);
    }

    /// The command ended, and everything was told.
    pub fn end(&mut self, cursor: OutputCursor, end: &ExecEnd) {
        self.event("end", Some(LastEvent { cursor, ended: true }), end);
    }

    /// Nothing of an event can begin a line of its own: names and ids have no line breaks, and JSON escapes them.
    fn event(&mut self, name: &str, id: Option<LastEvent>, data: &impl Serialize) {
        let Ok(data) = serde_json::to_string(data) else { return };
        if let Some(id) = id {
            // Writing into a string does not fail.
            let _ = writeln!(self.text, "id: {id}");
        }
        let _ = write!(self.text, "event: {name}\ndata: {data}\n\n");
    }

    /// As text; empty when there are none.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
