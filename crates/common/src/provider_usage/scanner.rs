//! Follows a JSON document byte by byte and looks at the places that count: `model` and the numbers of `usage`, at the top or in the object `message` or
//! `response` there. It checks nothing else: what is no JSON states nothing, or something odd, and costs no more.

use super::stated::{Count, Stated};
use memchr::memchr2;

/// Nothing that counts lies deeper: `response.usage.input_tokens_details.cached_tokens`.
const WATCHED: usize = 4;
/// Longest text that is looked at, in bytes as they stand in the document.
const LONGEST: usize = 160;
/// Longest name of a model, in bytes.
const LONGEST_MODEL: usize = 128;
/// Most digits of a number that is believed: below two to the power of 53, which JSON carries everywhere.
const MOST_DIGITS: usize = 15;

/// A name in an object, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Other,
    Model,
    /// `message`, `response`: what an event is about.
    About,
    Usage,
    Details,
    Counted(Count),
}

impl Key {
    fn of(name: &[u8]) -> Self {
        match name {
            b"model" => Self::Model,
            b"message" | b"response" => Self::About,
            b"usage" => Self::Usage,
            b"prompt_tokens_details" | b"input_tokens_details" => Self::Details,
            b"prompt_tokens" => Self::Counted(Count::Prompt),
            b"input_tokens" => Self::Counted(Count::Input),
            b"completion_tokens" | b"output_tokens" => Self::Counted(Count::Output),
            b"cache_read_input_tokens" => Self::Counted(Count::CacheRead),
            b"cache_creation_input_tokens" => Self::Counted(Count::CacheCreation),
            b"cached_tokens" => Self::Counted(Count::CachedPart),
            _ => Self::Other,
        }
    }
}

/// A place whose value counts.
#[derive(Clone, Copy, Debug)]
enum Place {
    Model,
    Count(Count),
}

/// An object or array that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    is_object: bool,
    /// In an object: the name whose value is next or now.
    key: Key,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Between texts and numbers that are looked at.
    Between,
    /// In a text; `escaped`: behind a backslash.
    Text { role: Role, escaped: bool },
    /// In a number that counts.
    Number(Count),
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Key,
    Model,
    Passing,
}

/// The beginning of a text.
#[derive(Clone, Debug)]
struct Kept {
    bytes: [u8; LONGEST],
    length: usize,
    /// There was more.
    cut: bool,
}

impl Kept {
    fn push(&mut self, piece: &[u8]) {
        let end = self.length.saturating_add(piece.len());
        match self.bytes.get_mut(self.length..end) {
            Some(room) => {
                room.copy_from_slice(piece);
                self.length = end;
            }
            None => self.cut = true,
        }
    }

    fn clear(&mut self) {
        self.length = 0;
        self.cut = false;
    }

    /// What stood there, unless it was too long.
    fn raw(&self) -> Option<&[u8]> {
        self.bytes.get(..self.length).filter(|_| !self.cut)
    }

    /// The text that it means.
    fn text(&self) -> Option<String> {
        let raw = std::str::from_utf8(self.raw()?).ok()?;
        if raw.contains('\\') {
            serde_json::from_str(&format!("\"{raw}\"")).ok()
        } else {
            Some(raw.to_owned())
        }
    }
}

/// Follows one document after the other.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    depth: usize,
    open: [Open; WATCHED],
    /// In the innermost object a name is next.
    wants_key: bool,
    state: State,
    kept: Kept,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            depth: 0,
            open: [Open {
                is_object: false,
                key: Key::Other,
            }; WATCHED],
            wants_key: false,
            state: State::Between,
            kept: Kept {
                bytes: [0; LONGEST],
                length: 0,
                cut: false,
            },
        }
    }
}

impl Scanner {
    /// Reads the next bytes, cut anywhere.
    pub(super) fn read(&mut self, piece: &[u8], stated: &mut Stated) {
        let mut rest = piece;
        while let Some((&first, after)) = rest.split_first() {
            rest = match self.state {
                State::Between => {
                    self.step(first);
                    after
                }
                State::Number(count) => {
                    if matches!(first, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') {
                        self.kept.push(&[first]);
                        after
                    } else {
                        self.end_number(count, stated);
                        // The byte behind it may be a bracket.
                        rest
                    }
                }
                State::Text { role, escaped } => self.within_text(role, escaped, rest, stated),
            };
        }
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'"' => {
                let role = match (self.innermost(), self.wants_key) {
                    (Some(open), true) if open.is_object => Role::Key,
                    _ if matches!(self.place(), Some(Place::Model)) => Role::Model,
                    _ => Role::Passing,
                };
                self.kept.clear();
                self.state = State::Text { role, escaped: false };
            }
            b'{' | b'[' => {
                let is_object = byte == b'{';
                if let Some(place) = self.open.get_mut(self.depth) {
                    *place = Open {
                        is_object,
                        key: Key::Other,
                    };
                }
                self.depth = self.depth.saturating_add(1);
                self.wants_key = is_object;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.wants_key = false;
            }
            b',' => self.wants_key = true,
            b':' => self.wants_key = false,
            b'0'..=b'9' | b'-' => {
                if let Some(Place::Count(count)) = self.place() {
                    self.kept.clear();
                    self.kept.push(&[byte]);
                    self.state = State::Number(count);
                }
            }
            _ => {}
        }
    }

    /// Within a text: up to its end, or that of the piece. Answers what of the piece is left.
    fn within_text<'a>(&mut self, role: Role, escaped: bool, rest: &'a [u8], stated: &mut Stated) -> &'a [u8] {
        let stays = |escaped| State::Text { role, escaped };
        // Behind a backslash one byte stands for itself.
        let end = if escaped {
            1
        } else {
            memchr2(b'"', b'\\', rest).unwrap_or(rest.len())
        };
        let (passed, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if !matches!(role, Role::Passing) {
            self.kept.push(passed);
        }
        if escaped {
            self.state = stays(false);
            return after;
        }
        let Some((&stop, after)) = after.split_first() else {
            return after;
        };
        if stop == b'"' {
            self.end_text(role, stated);
        } else {
            if !matches!(role, Role::Passing) {
                self.kept.push(&[stop]);
            }
            self.state = stays(true);
        }
        after
    }

    fn end_text(&mut self, role: Role, stated: &mut Stated) {
        self.state = State::Between;
        match role {
            Role::Key => {
                let key = match self.kept.raw() {
                    Some(raw) if raw.contains(&b'\\') => {
                        self.kept.text().map_or(Key::Other, |text| Key::of(text.as_bytes()))
                    }
                    Some(raw) => Key::of(raw),
                    None => Key::Other,
                };
                if let Some(open) = self.depth.checked_sub(1).and_then(|at| self.open.get_mut(at)) {
                    open.key = key;
                }
            }
            Role::Model => {
                let is_name =
                    |text: &String| (1..=LONGEST_MODEL).contains(&text.len()) && !text.chars().any(char::is_control);
                if let Some(name) = self.kept.text().filter(is_name) {
                    stated.model = Some(name);
                }
            }
            Role::Passing => {}
        }
    }

    fn end_number(&mut self, count: Count, stated: &mut Stated) {
        self.state = State::Between;
        let digits = self
            .kept
            .raw()
            .filter(|raw| raw.len() <= MOST_DIGITS && raw.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|raw| std::str::from_utf8(raw).ok()?.parse().ok());
        if let Some(number) = number {
            stated.count(count, number);
        }
    }

    fn innermost(&self) -> Option<&Open> {
        self.open.get(self.depth.checked_sub(1)?)
    }

    /// Where the next value stands, if it is one that counts.
    fn place(&self) -> Option<Place> {
        let open = self.open.get(..self.depth)?;
        let mut keys = [Key::Other; WATCHED];
        for (key, open) in keys.iter_mut().zip(open) {
            if !open.is_object {
                return None;
            }
            *key = open.key;
        }
        let keys = keys.get(..self.depth)?;
        let keys = keys.strip_prefix(&[Key::About]).unwrap_or(keys);
        match *keys {
            [Key::Model] => Some(Place::Model),
            [Key::Usage, Key::Counted(count)] if count != Count::CachedPart => Some(Place::Count(count)),
            [Key::Usage, Key::Details, Key::Counted(Count::CachedPart)] => Some(Place::Count(Count::CachedPart)),
            _ => None,
        }
    }
}
