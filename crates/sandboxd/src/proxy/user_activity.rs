//! Which requests and messages of a client are a person's doing, and which his open page sends by itself. A sandbox sleeps beside a page that
//! nobody uses, so what is not known to come from the page alone counts as a person's.
//!
//! Measured with the pinned release's Control UI in a browser: once loaded and left alone it sends nothing; loaded or connected again by itself it
//! sends `connect` and then only questions (`*.list`, `*.get`, `*.status`, `*.subscribe` and the ones in [`OWN_METHODS`]) and fetches files.

use hyper::header::{ACCEPT, HeaderMap};
use hyper::{Method, header};

/// Bytes from the start of a message within which its method stands: `JSON.stringify` of the page writes `type`, `id`, `method` in this order.
pub const LOOKED_AT: usize = 256;
/// Last parts of methods that only ask. A page repeats them whenever it connects or is told that something changed.
const ASKING: [&str; 8] = [
    "list",
    "get",
    "status",
    "subscribe",
    "unsubscribe",
    "refresh",
    "history",
    "metadata",
];
/// Further methods that the page sends by itself.
const OWN_METHODS: [&str; 10] = [
    "connect",
    "health",
    "status",
    "system-presence",
    "last-heartbeat",
    "chat.startup",
    "models.authStatus",
    "openclaw.setup.detect",
    "sessions.observer.visibility",
    "sessions.viewers.set",
];

/// Whether a request is a person's doing: a page that is opened, anything that is sent, and whatever is no browser's. Files and data that a page
/// fetches are not (`Sec-Fetch-Dest`, which no script can set), and a socket is judged by what is said on it.
pub fn of_request(method: &Method, headers: &HeaderMap) -> bool {
    if headers.contains_key(header::UPGRADE) {
        return false;
    }
    if method != Method::GET && method != Method::HEAD {
        return true;
    }
    let ahead = headers.get("sec-purpose").or_else(|| headers.get("purpose"));
    if ahead.is_some_and(|purpose| purpose.as_bytes().starts_with(b"prefetch")) {
        return false;
    }
    headers
        .get("sec-fetch-dest")
        .is_none_or(|destination| destination == "document")
}

/// Whether a request waits for events rather than for an answer: open for as long as its page is.
pub fn waits_for_events(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"))
}

/// Whether a message of a client is a person's doing, from its first bytes. Binary ones are (terminals, sound).
pub fn of_message(text: bool, start: &[u8]) -> bool {
    if !text {
        return true;
    }
    // On a socket that resumes (`molt_common::resume`) a message has a letter in front, and some are of the script alone.
    let start = match start {
        [b'c', b'{', ..] => return false,
        [b'd', rest @ ..] if rest.starts_with(b"{") => rest,
        _ => start,
    };
    let Some(method) = method_of(start) else {
        return true;
    };
    let last = method.rsplit('.').next().unwrap_or(method);
    !(OWN_METHODS.contains(&method) || method.contains('.') && ASKING.contains(&last))
}

/// The method of a request in the agent's protocol.
fn method_of(start: &[u8]) -> Option<&str> {
    // The cut may have gone through a character.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(start.get(..error.valid_up_to())?).ok()?,
    };
    let compact = text.trim_start().strip_prefix('{')?;
    let (before, rest) = compact.split_once("\"method\"")?;
    // What came before is type and id; a message that begins otherwise is not one that we know.
    if before.contains(['{', '[']) {
        return None;
    }
    let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    value.split_once('"').map(|(method, _)| method)
}

/// Follows the bytes of a client's side of a WebSocket (RFC 6455 5.2), in pieces of any size, and looks at the start of each message.
#[derive(Debug, Default)]
pub struct ClientMessages {
    header: Vec<u8>,
    mask: [u8; 4],
    /// Bytes of the current frame's payload that have passed, and that are to come.
    passed: u64,
    left: u64,
    control: bool,
    last_frame: bool,
    /// The message that is under way: its first bytes, and whether they are text that can be read.
    start: Vec<u8>,
    text: bool,
    judged: bool,
}

impl ClientMessages {
    /// Goes on by `bytes`; whether a message among them is a person's doing.
    pub fn persons(&mut self, mut bytes: &[u8]) -> bool {
        let mut persons = false;
        while let Some((byte, rest)) = bytes.split_first() {
            if self.left > 0 {
                let step = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                let (payload, after) = bytes.split_at(step);
                self.take_payload(payload);
                bytes = after;
            } else {
                self.header.push(*byte);
                bytes = rest;
                if !self.begin_frame() {
                    continue;
                }
            }
            persons |= self.judge();
        }
        persons
    }

    fn take_payload(&mut self, payload: &[u8]) {
        if !self.control {
            let wanted = LOOKED_AT.saturating_sub(self.start.len());
            let from = self.passed;
            let unmasked = payload.iter().take(wanted).zip(from..).map(|(byte, position)| {
                let mask = usize::try_from(position % 4)
                    .ok()
                    .and_then(|place| self.mask.get(place));
                byte ^ mask.copied().unwrap_or_default()
            });
            self.start.extend(unmasked);
        }
        self.passed += payload.len() as u64;
        self.left -= payload.len() as u64;
    }

    /// Whether the header is whole and its frame has begun.
    fn begin_frame(&mut self) -> bool {
        let header = self.header.as_slice();
        let (Some(first), Some(second)) = (header.first(), header.get(1)) else {
            return false;
        };
        let extended = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let masked = second & 0x80 != 0;
        let mask_at = 2 + extended;
        let whole = mask_at + if masked { 4 } else { 0 };
        if header.len() < whole {
            return false;
        }
        let length = header.get(2..mask_at).unwrap_or_default();
        self.left = match extended {
            0 => u64::from(second & 0x7F),
            _ => length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        self.mask = header
            .get(mask_at..whole)
            .and_then(|mask| mask.try_into().ok())
            .unwrap_or_default();
        self.passed = 0;
        let opcode = first & 0x0F;
        self.control = opcode >= 8;
        if !self.control {
            self.last_frame = first & 0x80 != 0;
            if opcode != 0 {
                self.start.clear();
                self.judged = false;
                // Compressed text (RSV1) cannot be read here.
                self.text = opcode == 1 && first & 0x70 == 0;
            }
        }
        self.header.clear();
        true
    }

    /// Judges each message once, as soon as enough of it is there.
    fn judge(&mut self) -> bool {
        let ended = self.last_frame && self.left == 0;
        if self.control || self.judged || !(ended || self.start.len() >= LOOKED_AT) {
            return false;
        }
        self.judged = true;
        of_message(self.text, &self.start)
    }
}

#[cfg(test)]
#[path = "user_activity_tests.rs"]
mod tests;
