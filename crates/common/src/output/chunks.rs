//! Output as answers carry it: pieces of bytes become chunks of text where they are text, and what was not kept is said.

use super::{OutputCursor, OutputPiece, StreamName};
use crate::api::exec::OutputChunk;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A character of UTF-8 has at most this many bytes (RFC 3629).
const LONGEST_CHARACTER: usize = 4;
/// Bytes to read beyond a limit, so that of one of the streams there is a whole character to tell.
pub const SPARE_BYTES: u64 = 8;

/// A chunk, and the position after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What is told.
    pub chunk: OutputChunk,
    /// Where somebody goes on who was told this.
    pub after: OutputCursor,
}

/// A part of what a command wrote, as the store reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins.
    pub after: OutputCursor,
    /// What is kept of it, of each stream in order.
    pub pieces: Vec<OutputPiece>,
    /// Where it ends. What lies between a stream's last piece and this was not kept.
    pub end: OutputCursor,
    /// Whether nothing will ever follow it.
    pub last: bool,
}

/// Says a stretch in chunks of `limit` bytes altogether, but of one character at least.
///
/// An incomplete character at the end is held back while more may come: the position of what is told stays before it. In front of a gap and at
/// the end of everything its bytes are told as they are. Read [`SPARE_BYTES`] more than the limit.
#[must_use]
pub fn tell(stretch: &Stretch, limit: u64) -> Vec<Told> {
    let mut teller = Teller {
        position: stretch.after,
        held: [Vec::new(), Vec::new()],
        budget: limit,
        told: Vec::new(),
    };
    for piece in &stretch.pieces {
        if !teller.piece(piece) {
            return teller.told;
        }
    }
    for stream in StreamName::BOTH {
        if teller.skip_to(stream, stretch.end.of(stream)) && stretch.last {
            teller.release(stream);
        }
    }
    teller.told
}

struct Teller {
    /// Of what was told.
    position: OutputCursor,
    /// Bytes after the position that may be the beginning of a character.
    held: [Vec<u8>; 2],
    budget: u64,
    told: Vec<Told>,
}

impl Teller {
    const fn held(&mut self, stream: StreamName) -> &mut Vec<u8> {
        let [stdout, stderr] = &mut self.held;
        match stream {
            StreamName::Stdout => stdout,
            StreamName::Stderr => stderr,
        }
    }

    /// Where a stream's next byte belongs.
    const fn reached(&mut self, stream: StreamName) -> u64 {
        let held = self.held(stream).len() as u64;
        self.position.of(stream).saturating_add(held)
    }

    /// Whether there is room for more.
    fn piece(&mut self, piece: &OutputPiece) -> bool {
        let stream = piece.stream;
        if !self.skip_to(stream, piece.at) {
            return false;
        }
        // What was told before is not told again.
        let known = usize::try_from(self.reached(stream).saturating_sub(piece.at)).unwrap_or(usize::MAX);
        let Some(fresh) = piece.bytes.get(known..).filter(|fresh| !fresh.is_empty()) else {
            return true;
        };
        let mut bytes = std::mem::take(self.held(stream));
        bytes.extend_from_slice(fresh);
        let cut = self.cut(&bytes);
        let room = cut == bytes.len();
        let (now, _) = bytes.split_at(cut);
        let tail = if room { incomplete(now) } else { 0 };
        let (now, held) = now.split_at(now.len().saturating_sub(tail));
        self.say(stream, now);
        if room {
            *self.held(stream) = held.to_vec();
        }
        room && (self.budget > 0 || self.told.is_empty())
    }

    /// How many of these bytes may be told: all, or up to the limit and not into a character.
    fn cut(&self, bytes: &[u8]) -> usize {
        let room = usize::try_from(self.budget).unwrap_or(usize::MAX);
        let Some(within) = bytes.get(..room) else {
            return bytes.len();
        };
        let whole = within.len().saturating_sub(incomplete(within));
        if whole > 0 || !self.told.is_empty() {
            return whole;
        }
        // Nothing was told yet: one character, or else the caller would never come further.
        let ends = room.max(1)..=bytes.len().min(LONGEST_CHARACTER);
        let mut cuts = ends.filter_map(|end| Some(end.saturating_sub(incomplete(bytes.get(..end)?))));
        cuts.find(|cut| *cut > 0).unwrap_or(bytes.len())
    }

    /// Says that a stream was not kept up to an offset, if so. Whether there is room for more.
    fn skip_to(&mut self, stream: StreamName, offset: u64) -> bool {
        if self.reached(stream) >= offset {
            return true;
        }
        if self.budget == 0 && !self.told.is_empty() || !self.release(stream) {
            return false;
        }
        let at = self.position.of(stream);
        self.position.set(stream, offset);
        self.push(OutputChunk {
            stream,
            at,
            text: None,
            base64: None,
            gap_bytes: Some(offset.saturating_sub(at)),
        });
        true
    }

    /// Says what was held back, which nothing will complete, if there is room for it.
    fn release(&mut self, stream: StreamName) -> bool {
        if self.held(stream).len() as u64 > self.budget && !self.told.is_empty() {
            return false;
        }
        let held = std::mem::take(self.held(stream));
        self.say(stream, &held);
        true
    }

    fn say(&mut self, stream: StreamName, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let at = self.position.of(stream);
        let length = bytes.len() as u64;
        self.position.set(stream, at.saturating_add(length));
        self.budget = self.budget.saturating_sub(length);
        let (text, base64) = match std::str::from_utf8(bytes) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(STANDARD.encode(bytes))),
        };
        self.push(OutputChunk {
            stream,
            at,
            text,
            base64,
            gap_bytes: None,
        });
    }

    fn push(&mut self, chunk: OutputChunk) {
        self.told.push(Told {
            chunk,
            after: self.position,
        });
    }
}

/// How many bytes at the end are the beginning of a character whose rest is missing.
fn incomplete(bytes: &[u8]) -> usize {
    (1..LONGEST_CHARACTER)
        .find(|length| {
            let tail = bytes
                .len()
                .checked_sub(*length)
                .and_then(|from| bytes.get(from..))
                .unwrap_or_default();
            !tail.is_empty()
                && std::str::from_utf8(tail).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

impl OutputChunk {
    /// The bytes that it carries; `None` for a gap and for what no answer of ours says.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.text, &self.base64, self.gap_bytes) {
            (Some(text), None, None) => Some(text.clone().into_bytes()),
            (None, Some(base64), None) => STANDARD.decode(base64).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "chunks_tests.rs"]
mod tests;
