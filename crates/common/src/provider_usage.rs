//! What a call to a provider took, read from its answer while that passes: tokens and model, as both protocols state them, in one JSON document or
//! event by event.
//!
//! Nothing is held back, and what is kept is a few hundred bytes, however long or odd the answer is. The JSON crates that read piece by piece hold whole
//! strings, or give up at one that is longer than their buffer; an answer may be one string of ten megabytes. So [`scanner`] only follows brackets and
//! quotes, and looks at the handful of places that count.

mod events;
mod scanner;
mod stated;

use crate::usage::Tokens;
use events::Events;
use scanner::Scanner;
use stated::Stated;

const EVENT_STREAM: &str = "text/event-stream";

/// Whether a `Content-Type` is that of server-sent events.
#[must_use]
pub fn is_event_stream(content_type: &str) -> bool {
    media_type(content_type) == EVENT_STREAM
}

fn media_type(content_type: &str) -> String {
    let media = content_type.split(';').next().unwrap_or_default();
    media.trim().to_ascii_lowercase()
}

/// Reads one body.
#[derive(Clone, Debug)]
pub struct UsageReader {
    form: Form,
    stated: Stated,
}

#[derive(Clone, Debug)]
enum Form {
    Json(Scanner),
    Events(Events),
    /// Sound, a picture, a form: it states nothing.
    Other,
}

impl UsageReader {
    /// For a body of this `Content-Type`.
    #[must_use]
    pub fn of(content_type: Option<&str>) -> Self {
        let media = content_type.map(media_type).unwrap_or_default();
        let form = match media.as_str() {
            EVENT_STREAM => Form::Events(Events::default()),
            "application/json" | "application/x-ndjson" => Form::Json(Scanner::default()),
            other if other.ends_with("+json") => Form::Json(Scanner::default()),
            _ => Form::Other,
        };
        Self {
            form,
            stated: Stated::default(),
        }
    }

    /// Reads the next bytes, cut anywhere.
    pub fn read(&mut self, piece: &[u8]) {
        match &mut self.form {
            Form::Json(scanner) => scanner.read(piece, &mut self.stated),
            Form::Events(events) => events.read(piece, &mut self.stated),
            Form::Other => {}
        }
    }

    /// The model that the body has named last, at most 128 bytes.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.stated.model.as_deref()
    }

    /// The tokens that it has stated so far; `None` when it stated none.
    #[must_use]
    pub fn tokens(&self) -> Option<Tokens> {
        self.stated.tokens()
    }
}

#[cfg(test)]
#[path = "provider_usage/tests.rs"]
mod tests;
