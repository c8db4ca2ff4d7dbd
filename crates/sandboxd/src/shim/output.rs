//! The part of a command's output that is kept: its first and its last bytes.

use std::collections::VecDeque;
use std::ops::Range;

use super::extent::Extent;

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

    /// What is kept.
    pub fn extent(&self) -> Extent {
        Extent {
            head: self.head.len() as u64,
            tail: self.tail.len() as u64,
            total: self.total,
        }
    }

    /// Everything kept in order, as a file holds it: the head and the two halves of the ring that is the tail.
    pub fn parts(&self) -> [&[u8]; 3] {
        let (first, second) = self.tail.as_slices();
        [&self.head, first, second]
    }

    /// Appends the kept bytes of `range` (offsets in the stream) to `bytes`.
    pub fn copy(&self, range: &Range<u64>, bytes: &mut Vec<u8>) {
        let extent = self.extent();
        let mut skip = extent.position(range.start);
        let mut left = range.end.saturating_sub(range.start);
        for part in self.parts() {
            let length = part.len() as u64;
            let start = skip.min(length);
            let end = length.min(start.saturating_add(left));
            if let Some(wanted) = index(start)
                .zip(index(end))
                .and_then(|(start, end)| part.get(start..end))
            {
                bytes.extend_from_slice(wanted);
            }
            left -= end - start;
            skip -= start;
        }
    }
}

fn index(offset: u64) -> Option<usize> {
    usize::try_from(offset).ok()
}

#[cfg(test)]
mod tests {
    use molt_common::output::OutputCursor;
    use proptest::prelude::*;

    use super::super::extent::PagePlan;
    use super::*;

    fn kept(limit: u64, pieces: &[&[u8]]) -> KeptOutput {
        let mut output = KeptOutput::new(limit);
        for piece in pieces {
            output.push(piece);
        }
        output
    }

    fn text(output: &KeptOutput) -> String {
        String::from_utf8(output.parts().concat()).unwrap()
    }

    #[test]
    fn everything_is_kept_up_to_the_limit() {
        let output = kept(10, &[b"01234", b"56789"]);
        assert_eq!(
            (text(&output).as_str(), output.extent().truncated()),
            ("0123456789", false)
        );
    }

    #[test]
    fn beyond_the_limit_the_two_ends_stay() {
        let output = kept(10, &[b"0123", b"456789abc", b"def"]);
        assert_eq!(text(&output), "01234bcdef");
        let extent = output.extent();
        assert_eq!((extent.total, extent.truncated(), extent.tail_start()), (16, true, 11));
        assert!(kept(0, &[b"x"]).extent().truncated());
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
            prop_assert_eq!(output.parts().concat(), expected);
            prop_assert_eq!(output.extent().total, all.len() as u64);
            prop_assert_eq!(output.extent().truncated(), all.len() as u64 > limit);
        }

        /// A reader that comes between any two pieces gets true bytes at true offsets, none twice, and in the end all that is still kept.
        #[test]
        fn a_reader_beside_the_writer_gets_true_bytes(
            limit in 0_u64..40, page in 1_u64..20,
            steps in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..30), 0_usize..3), 0..12),
        ) {
            let mut output = KeptOutput::new(limit);
            let (mut all, mut cursor) = (Vec::new(), OutputCursor::default());
            let mut read = |output: &KeptOutput, all: &[u8]| {
                let plan = PagePlan::new(&output.extent(), &Extent::default(), cursor, page);
                for (_, range) in &plan.ranges {
                    prop_assert!(range.start >= cursor.stdout);
                    cursor.stdout = range.end;
                    let mut bytes = Vec::new();
                    output.copy(range, &mut bytes);
                    prop_assert_eq!(&bytes[..], &all[range.start as usize..range.end as usize]);
                }
                prop_assert!(plan.cursor.stdout >= cursor.stdout);
                cursor = plan.cursor;
                Ok(plan.more)
            };
            for (piece, reads) in &steps {
                output.push(piece);
                all.extend_from_slice(piece);
                for _ in 0..*reads {
                    read(&output, &all)?;
                }
            }
            while read(&output, &all)? {}
            prop_assert_eq!(cursor.stdout, all.len() as u64);
        }
    }
}
