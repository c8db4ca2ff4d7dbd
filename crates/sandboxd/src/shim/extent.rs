//! Which bytes of a command's output are kept, and which of them a reader gets next.

use std::ops::Range;

use molt_common::output::{OutputCursor, StreamName};
use serde::{Deserialize, Serialize};

/// The kept part of one stream of `total` bytes: the first `head` and the last `tail`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Bytes kept from its beginning.
    pub head: u64,
    /// Bytes kept before its end.
    pub tail: u64,
    /// Bytes written.
    pub total: u64,
}

impl Extent {
    /// Whether anything was left out.
    pub const fn truncated(&self) -> bool {
        self.total > self.head + self.tail
    }

    /// Offset of the first byte of the tail.
    pub const fn tail_start(&self) -> u64 {
        self.total.saturating_sub(self.tail)
    }

    /// How many kept bytes follow `after`.
    pub fn kept_after(&self, after: u64) -> u64 {
        self.head.saturating_sub(after) + self.total.saturating_sub(after.max(self.tail_start()))
    }

    /// The kept ranges that follow `after`, in order, at most `limit` bytes; ranges that touch are one.
    fn ranges(&self, after: u64, limit: u64) -> Vec<Range<u64>> {
        let mut left = limit;
        let mut ranges: Vec<Range<u64>> = Vec::with_capacity(2);
        for part in [0..self.head, self.tail_start()..self.total] {
            let start = part.start.max(after);
            let end = part.end.min(start.saturating_add(left));
            if start >= end {
                continue;
            }
            left -= end - start;
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        ranges
    }

    /// Where a kept offset lies in a file that holds the head followed by the tail.
    pub const fn position(&self, offset: u64) -> u64 {
        if offset < self.head {
            offset
        } else {
            self.head + offset.saturating_sub(self.tail_start())
        }
    }
}

/// What one page tells of both streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagePlan {
    /// The ranges, of each stream in order.
    pub ranges: Vec<(StreamName, Range<u64>)>,
    /// Position after them; where nothing that is kept follows, the whole length of the stream.
    pub cursor: OutputCursor,
    /// Whether more is kept.
    pub more: bool,
}

impl PagePlan {
    /// What follows `after`, at most `limit` bytes. Neither stream takes more than half of a page from one that would fill it too, so a
    /// chatty one cannot hide the other.
    pub fn new(stdout: &Extent, stderr: &Extent, after: OutputCursor, limit: u64) -> Self {
        let (out, err) = (stdout.kept_after(after.stdout), stderr.kept_after(after.stderr));
        let for_out = out.min(limit - err.min(limit / 2));
        let shares = [
            (StreamName::Stdout, stdout, for_out),
            (StreamName::Stderr, stderr, limit - for_out),
        ];
        let mut plan = Self {
            ranges: Vec::new(),
            cursor: after,
            more: false,
        };
        for (stream, extent, share) in shares {
            let from = after.of(stream);
            let ranges = extent.ranges(from, share);
            let end = ranges.last().map_or(from, |range| range.end);
            if extent.kept_after(end) > 0 {
                plan.more = true;
                plan.cursor.set(stream, end);
            } else {
                plan.cursor.set(stream, end.max(extent.total));
            }
            plan.ranges.extend(ranges.into_iter().map(|range| (stream, range)));
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GAP: Extent = Extent {
        head: 4,
        tail: 3,
        total: 20,
    };

    fn of_stdout(extent: Extent, after: u64, limit: u64) -> PagePlan {
        let cursor = OutputCursor {
            stdout: after,
            stderr: 0,
        };
        PagePlan::new(&extent, &Extent::default(), cursor, limit)
    }

    #[test]
    fn a_page_is_what_is_kept_and_follows() {
        let page = of_stdout(GAP, 0, 100);
        assert_eq!(page.ranges, [(StreamName::Stdout, 0..4), (StreamName::Stdout, 17..20)]);
        assert_eq!((page.cursor.stdout, page.more), (20, false));
        let inside_the_gap = of_stdout(GAP, 9, 2);
        assert_eq!(inside_the_gap.ranges, [(StreamName::Stdout, 17..19)]);
        assert_eq!((inside_the_gap.cursor.stdout, inside_the_gap.more), (19, true));
        let cut_at_the_gap = of_stdout(GAP, 0, 4);
        assert_eq!((cut_at_the_gap.cursor.stdout, cut_at_the_gap.more), (4, true));
        assert_eq!(GAP.position(3), 3);
        assert_eq!(GAP.position(17), 4);
    }

    #[test]
    fn what_was_not_kept_is_passed_over() {
        let nothing_kept = Extent {
            head: 0,
            tail: 0,
            total: 9,
        };
        let page = of_stdout(nothing_kept, 2, 5);
        assert_eq!((page.ranges.len(), page.cursor.stdout, page.more), (0, 9, false));
        assert_eq!(
            of_stdout(nothing_kept, 50, 5).cursor.stdout,
            50,
            "a cursor never goes back"
        );
    }

    #[test]
    fn a_stream_that_fills_the_page_leaves_the_other_its_half() {
        let full = Extent {
            head: 100,
            tail: 0,
            total: 100,
        };
        let few = Extent {
            head: 3,
            tail: 0,
            total: 3,
        };
        let sizes = |stdout, stderr| {
            let page = PagePlan::new(&stdout, &stderr, OutputCursor::default(), 10);
            (page.cursor.stdout, page.cursor.stderr)
        };
        assert_eq!(sizes(full, full), (5, 5));
        assert_eq!(sizes(full, few), (7, 3));
        assert_eq!(sizes(few, full), (3, 7));
    }

    proptest! {
        #[test]
        fn pages_of_any_size_tell_everything_that_is_kept_once(
            head in 0_u64..20, tail in 0_u64..20, gap in 0_u64..5, other in 0_u64..20, limit in 1_u64..9,
        ) {
            let stdout = Extent { head, tail, total: head + tail + gap };
            let stderr = Extent { head: other, tail: 0, total: other };
            let mut cursor = OutputCursor::default();
            let mut told = [Vec::new(), Vec::new()];
            loop {
                let page = PagePlan::new(&stdout, &stderr, cursor, limit);
                prop_assert!(page.ranges.iter().map(|(_, range)| range.end - range.start).sum::<u64>() <= limit);
                for (stream, range) in &page.ranges {
                    told[usize::from(*stream == StreamName::Stderr)].extend(range.clone());
                }
                prop_assert!(!page.more || page.cursor != cursor, "it goes on");
                cursor = page.cursor;
                if !page.more {
                    break;
                }
            }
            prop_assert_eq!(cursor, OutputCursor { stdout: stdout.total, stderr: other });
            let kept: Vec<u64> = (0..head).chain(head + gap..stdout.total).collect();
            prop_assert_eq!(&told[0], &kept);
            prop_assert_eq!(&told[1], &(0..other).collect::<Vec<_>>());
        }
    }
}
