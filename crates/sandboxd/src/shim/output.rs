//! The part of a command's output that is kept: its first and its last bytes.

use std::collections::VecDeque;

/// One stream. Memory is bounded by the limit, whatever the command writes.
#[derive(Debug)]
pub struct KeptOutput {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    total: u64,
}

impl KeptOutput {
    /// Keeps at most `limit` bytes: the first half (rounded down) and the last half.
    pub fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let head_limit = limit / 2;
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            head_limit,
            tail_limit: limit - head_limit,
            total: 0,
        }
    }

    /// Takes what the command wrote.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let room = self.head_limit - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        // Of a piece larger than the tail only its end can stay.
        let rest = rest
            .get(rest.len().saturating_sub(self.tail_limit)..)
            .unwrap_or_default();
        let surplus = (self.tail.len() + rest.len()).saturating_sub(self.tail_limit);
        self.tail.drain(..surplus);
        self.tail.extend(rest);
    }

    /// Bytes written, kept or not.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Whether anything was left out.
    pub fn truncated(&self) -> bool {
        self.total > (self.head.len() + self.tail.len()) as u64
    }

    /// The kept bytes as text; invalid UTF-8 is replaced. Characters that the gap cut in two are left out, so the text never grows beyond
    /// the limit by their replacement.
    pub fn text(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if !self.truncated() {
            let mut all = self.head.clone();
            all.extend_from_slice(&tail);
            return String::from_utf8_lossy(&all).into_owned();
        }
        let mut text = String::from_utf8_lossy(without_cut_end(&self.head)).into_owned();
        text.push_str(&String::from_utf8_lossy(without_cut_start(&tail)));
        text
    }
}

/// `bytes` without the beginning of a character that is missing its end.
fn without_cut_end(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()).unwrap_or(bytes),
        // The error is further up; look at what follows it.
        Err(error) => {
            let skip = error.valid_up_to() + error.error_len().unwrap_or(1);
            let kept = bytes.get(skip..).map_or(0, |rest| without_cut_end(rest).len());
            bytes.get(..skip + kept).unwrap_or(bytes)
        }
        Ok(_) => bytes,
    }
}

/// `bytes` without the end of a character that is missing its beginning: at most three continuation bytes.
fn without_cut_start(bytes: &[u8]) -> &[u8] {
    let cut = bytes
        .iter()
        .take(3)
        .take_while(|byte| (0x80..0xC0).contains(*byte))
        .count();
    bytes.get(cut..).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(limit: u64, pieces: &[&[u8]]) -> KeptOutput {
        let mut output = KeptOutput::new(limit);
        for piece in pieces {
            output.push(piece);
        }
        output
    }

    #[test]
    fn everything_is_kept_up_to_the_limit() {
        let output = kept(10, &[b"01234", b"56789"]);
        assert_eq!(
            (output.text().as_str(), output.total(), output.truncated()),
            ("0123456789", 10, false)
        );
    }

    #[test]
    fn beyond_the_limit_the_two_ends_stay() {
        let output = kept(10, &[b"0123", b"456789abc", b"def"]);
        assert_eq!(
            (output.text().as_str(), output.total(), output.truncated()),
            ("01234bcdef", 16, true)
        );
        assert!(kept(0, &[b"x"]).truncated());
    }

    #[test]
    fn a_character_in_two_halves_is_whole_when_nothing_is_missing_and_absent_when_cut() {
        assert_eq!(kept(10, &["aaaaäaaaa".as_bytes()]).text(), "aaaaäaaaa");
        assert_eq!(kept(10, &["aaaaä--------äaaaa".as_bytes()]).text(), "aaaaaaaa");
        assert_eq!(
            kept(4, &[b"\xff\xff\xff\xff"]).text(),
            "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
    }

    proptest! {
        #[test]
        fn the_kept_bytes_are_the_ends_of_what_was_written(
            limit in 0_u64..40,
            pieces in proptest::collection::vec(proptest::collection::vec(b'a'..=b'z', 0..30), 0..8),
        ) {
            let all: Vec<u8> = pieces.concat();
            let output = kept(limit, &pieces.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let expected = if all.len() as u64 <= limit {
                all.clone()
            } else {
                let head = limit as usize / 2;
                let tail = limit as usize - head;
                [&all[..head], &all[all.len() - tail..]].concat()
            };
            prop_assert_eq!(output.text().into_bytes(), expected);
            prop_assert_eq!(output.total(), all.len() as u64);
            prop_assert_eq!(output.truncated(), all.len() as u64 > limit);
        }
    }
}
