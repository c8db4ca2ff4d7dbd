//! Free text, in one pass.

use super::MASK;
use super::names::{Announces, announces, is_number, is_plain_word};
use super::pem::without_private_keys;
use super::shapes::{is_base64, is_opaque, is_word, shaped};
use std::borrow::Cow;

/// Shortest text after `Bearer` or `Basic` that is taken for a credential.
const SHORTEST_CREDENTIAL: usize = 8;
/// A word of small letters after `Bearer` that is no longer than this is prose.
const LONGEST_WORD: usize = 16;
/// How a first line of PEM begins.
const BEGIN: &[u8] = b"-----BEGIN";
/// What may stand between a name and its `=` or `:`, and between that and the value: quotes, brackets, blanks.
const GAP: usize = 6;

/// The text with every credential replaced by [`MASK`]. Time is linear in its length.
#[must_use]
pub fn text(input: &str) -> Cow<'_, str> {
    let mut masked = look(input);
    // What stands beside a mask may read otherwise than before. Seldom, and never often.
    for _ in 0..4 {
        let again = look(&masked).into_owned();
        if again == *masked {
            break;
        }
        masked = Cow::Owned(again);
    }
    masked
}

/// Whole private keys first, then everything else.
fn look(input: &str) -> Cow<'_, str> {
    let without_keys = without_private_keys(input);
    match pass(&without_keys) {
        Some(masked) => Cow::Owned(masked),
        None => without_keys,
    }
}

/// One look; `None` when there was nothing to mask.
fn pass(input: &str) -> Option<String> {
    let mut scan = Scan {
        input,
        bytes: input.as_bytes(),
        out: None,
        copied: 0,
        base64_until: 0,
    };
    let mut at = 0;
    while let Some(byte) = scan.bytes.get(at) {
        at = if is_word(*byte) {
            scan.word(at)
        } else if scan.starts_with(at, b"//") {
            scan.authority(at + 2)
        } else {
            at + 1
        };
    }
    scan.finish()
}

struct Scan<'a> {
    input: &'a str,
    bytes: &'a [u8],
    out: Option<String>,
    /// Everything before this is in `out`.
    copied: usize,
    /// Up to here it is known whether the text is base64 with slashes.
    base64_until: usize,
}

/// A value after a name: where it begins, and the quote around it with the number of backslashes before that.
struct Value {
    start: usize,
    quote: Option<(u8, usize)>,
}

impl Scan<'_> {
    fn starts_with(&self, at: usize, what: &[u8]) -> bool {
        self.bytes.get(at..).is_some_and(|rest| rest.starts_with(what))
    }

    /// First place from `at` on where `stop` holds.
    fn until(&self, at: usize, stop: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| stop(*byte)).unwrap_or(rest.len())
    }

    /// Replaces `start..end`; goes on at `end`.
    fn mask(&mut self, start: usize, end: usize) -> usize {
        // Both are at ASCII characters or at the end, so they are boundaries of characters.
        let before = self.input.get(self.copied..start).unwrap_or_default();
        let out = self.out.get_or_insert_with(String::new);
        out.push_str(before);
        out.push_str(MASK);
        self.copied = end;
        end
    }

    fn finish(self) -> Option<String> {
        let mut out = self.out?;
        out.push_str(self.input.get(self.copied..).unwrap_or_default());
        Some(out)
    }

    /// A run of letters, digits, dashes and underscores: perhaps a secret, perhaps the name of one.
    fn word(&mut self, at: usize) -> usize {
        if at >= self.base64_until {
            let end = self.until(at, |byte| !byte.is_ascii_alphanumeric() && byte != b'+' && byte != b'/');
            self.base64_until = end;
            let run = self.bytes.get(at..end).unwrap_or_default();
            if run.iter().any(|byte| matches!(byte, b'+' | b'/')) && is_base64(run) {
                return self.mask(at, self.padding(end));
            }
        }
        let end = self.until(at, |byte| !is_word(byte));
        let run = self.bytes.get(at..end).unwrap_or_default();
        if run.ends_with(BEGIN)
            && let Some(end) = self.private_key(end)
        {
            return self.mask(at, end);
        }
        if let Some((start, key_end)) = shaped(self.bytes, at, end) {
            let after = self.mask(start, key_end);
            return self.named_value(at, after).unwrap_or(after);
        }
        if is_opaque(run) {
            let after = self.mask(at, self.padding(end));
            return self.named_value(at, end).unwrap_or(after);
        }
        self.named_value(at, end)
            .or_else(|| self.credential(run, end))
            .unwrap_or(end)
    }

    fn padding(&self, at: usize) -> usize {
        self.until(at, |byte| byte != b'=').min(at + 2)
    }

    /// End of a private key in PEM whose first line begins before `at`; the end of the text when it has none.
    fn private_key(&self, at: usize) -> Option<usize> {
        let label = self.input.get(at..self.until(at, |byte| byte == b'-'))?;
        if label.len() > 64 || !label.contains("PRIVATE KEY") {
            return None;
        }
        let rest = self.input.get(at..)?;
        let Some(end) = rest.find("-----END") else {
            return Some(self.bytes.len());
        };
        let end = at + end + "-----END".len();
        let dashes = self.until(end, |byte| byte == b'-' || byte == b'\n');
        // The next key's first line may stand where the rest of a broken last line would.
        let next = self.starts_with(dashes, BEGIN);
        Some(if next {
            dashes
        } else {
            self.until(dashes, |byte| byte != b'-')
        })
    }

    /// `name=value`, `"name": "value"`, `name: Bearer value` where the name, `start..end`, announces a secret.
    fn named_value(&mut self, start: usize, end: usize) -> Option<usize> {
        let value = self.after_delimiter(end)?;
        let announces = announces(self.input.get(start..end)?);
        if announces == Announces::Nothing {
            return None;
        }
        let stop = self.value_end(&value, announces);
        let shown = self.input.get(value.start..stop)?;
        // A document's closing brackets may follow without a blank.
        let inner = shown.trim_end_matches([')', ']', '}']);
        let harmless = match announces {
            Announces::Perhaps => is_plain_word(inner),
            Announces::Count => is_number(inner),
            _ => shown.is_empty(),
        };
        if harmless || shown == MASK {
            return None;
        }
        let stop = self.with_value_of(value.start, stop);
        Some(self.mask(value.start, stop))
    }

    fn after_delimiter(&self, end: usize) -> Option<Value> {
        let gap = |at: usize, of: fn(u8) -> bool| {
            let stop = self.until(at, |byte| !of(byte));
            (stop - at <= GAP).then_some(stop)
        };
        let at = gap(end, is_gap)?;
        let after = match self.bytes.get(at)? {
            // `a::b` is a path of a program.
            b':' if self.starts_with(at, b"::") => return None,
            b'=' | b':' => self.until(at + 1, |byte| !matches!(byte, b'=' | b'>')),
            b'%' => match self.bytes.get(at + 1..at + 3)? {
                [b'3', b'D' | b'd' | b'A' | b'a'] => at + 3,
                _ => return None,
            },
            _ => return None,
        };
        let quoted = gap(after, |byte| matches!(byte, b' ' | b'\t'))?;
        let slashes = self.until(quoted, |byte| byte != b'\\');
        let quote = self
            .bytes
            .get(slashes)
            .copied()
            .filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
        Some(match quote {
            Some(quote) => Value {
                start: slashes + 1,
                quote: Some((quote, slashes - quoted)),
            },
            None => Value {
                start: quoted,
                quote: None,
            },
        })
    }

    fn value_end(&self, value: &Value, announces: Announces) -> usize {
        let is_line_end = |byte: u8| matches!(byte, b'\n' | b'\r');
        if let Some((quote, slashes)) = value.quote {
            let mut before = 0;
            for (place, byte) in self.bytes.get(value.start..).unwrap_or_default().iter().enumerate() {
                if *byte == quote && before <= slashes {
                    // The backslashes belong to the quote.
                    return value.start + place - before;
                }
                before = if *byte == b'\\' { before + 1 } else { 0 };
                if is_line_end(*byte) {
                    return value.start + place;
                }
            }
            return self.bytes.len();
        }
        if announces == Announces::SecretLine {
            return self.until(value.start, is_line_end);
        }
        let ends = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b',' | b';' | b'&');
        let mut start = value.start;
        if matches!(self.bytes.get(start), Some(b'{' | b'[')) && !self.starts_with(start, MASK.as_bytes()) {
            start = self.bracket_end(start);
        }
        let mut end = self.until(start, ends);
        let mut word = value.start;
        // `Bearer x`: the word after it is the value.
        while ["bearer", "basic", "digest"].iter().any(|scheme| {
            self.input
                .get(word..end)
                .unwrap_or_default()
                .eq_ignore_ascii_case(scheme)
        }) && matches!(self.bytes.get(end), Some(b' '))
        {
            word = self.until(end, |byte| byte != b' ');
            end = self.until(word, ends);
        }
        end
    }

    /// Behind the bracket that closes the one at `start`; the end of the line when none does.
    fn bracket_end(&self, start: usize) -> usize {
        let mut depth = 0_usize;
        for (place, byte) in self.bytes.get(start..).unwrap_or_default().iter().enumerate() {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return start + place + 1;
            }
        }
        self.bytes.len()
    }

    /// `Bearer x` and `Basic x` without a name before them.
    fn credential(&mut self, run: &[u8], end: usize) -> Option<usize> {
        let bearer = ends_with_word(run, b"bearer");
        if !bearer && !ends_with_word(run, b"basic") {
            return None;
        }
        let start = if self.starts_with(end, b"%20") {
            end + 3
        } else {
            self.until(end, |byte| !matches!(byte, b' ' | b'\t' | b'+'))
        };
        if start == end {
            return None;
        }
        let of = |byte: u8| is_word(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=' | b'%');
        let stop = self.until(start, |byte| !of(byte));
        let given = self.bytes.get(start..stop)?;
        let prose = given.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'.');
        let prose = prose && (!bearer || given.len() <= LONGEST_WORD);
        if given.len() < SHORTEST_CREDENTIAL || prose {
            return None;
        }
        let stop = self.with_value_of(start, stop);
        Some(self.mask(start, stop))
    }

    /// What is masked may end in the name of the next secret, as in `token: secret = x`, or hold the first line of a private key; masked,
    /// they would announce what follows no more. The end of that then, else `stop`.
    fn with_value_of(&self, start: usize, mut stop: usize) -> usize {
        // Up to here no private key begins: each piece is searched once, however many names follow each other.
        let mut searched = start;
        loop {
            let piece = self.bytes.get(searched..stop).unwrap_or_default();
            let begins = piece
                .windows(BEGIN.len())
                .enumerate()
                .filter(|(_, window)| *window == BEGIN);
            if let Some(end) = begins
                .map(|(at, _)| searched + at + BEGIN.len())
                .find_map(|at| self.private_key(at))
                && end > stop
            {
                searched = end;
                stop = end;
                continue;
            }
            searched = stop;
            let masked = self.bytes.get(start..stop).unwrap_or_default();
            let name_end = masked
                .iter()
                .rposition(|byte| !is_gap(*byte) && !matches!(byte, b'=' | b'>' | b':'))
                .map_or(start, |at| start + at + 1);
            let name_start = self.bytes.get(start..name_end).unwrap_or_default();
            let name_start = name_start
                .iter()
                .rposition(|byte| !is_word(*byte))
                .map_or(start, |at| start + at + 1);
            let name = self.input.get(name_start..name_end).unwrap_or_default();
            let announces = announces(name);
            if matches!(announces, Announces::Nothing | Announces::Count) {
                return stop;
            }
            match self
                .after_delimiter(name_end)
                .map(|value| self.value_end(&value, announces))
            {
                Some(end) if end > stop => stop = end,
                _ => return stop,
            }
        }
    }

    /// Takes user and password out of what follows `//`.
    fn authority(&mut self, at: usize) -> usize {
        let ends = |byte: u8| {
            byte.is_ascii_whitespace() || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\')
        };
        let end = self.until(at, ends);
        let authority = self.bytes.get(at..end).unwrap_or_default();
        match authority.iter().rposition(|byte| *byte == b'@') {
            Some(length) if length > 0 && authority.get(..length) != Some(MASK.as_bytes()) => {
                self.mask(at, at + length)
            }
            _ => at,
        }
    }
}

/// What may stand between a name and its `=` or `:`.
fn is_gap(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b']' | b')' | b' ' | b'\t')
}

/// Whether the run is this word, or ends in it after a separator (or `%20`, of which `20` is part of the run).
fn ends_with_word(run: &[u8], word: &[u8]) -> bool {
    let Some(before) = run.len().checked_sub(word.len()) else {
        return false;
    };
    let (rest, last) = run.split_at(before);
    last.eq_ignore_ascii_case(word) && rest.last().is_none_or(|byte| !byte.is_ascii_alphabetic())
}
