//! How output lies in rows: which bytes of a piece are new, which row takes them, and what of the rows is left out at the end.
//!
//! Of each stream the first half (rounded down) and the last half of the limit are kept, as the supervisor keeps them. While a command runs,
//! rows that lie wholly in what is left out are dropped; the rows at its edges are cut once, at the end.

use std::ops::Range;

/// Most bytes of a row.
pub const LONGEST_ROW: u64 = 256 * 1024;
/// A row grows up to here, so that many small pieces do not become many rows: of two neighbours that touch, both together have more.
pub const MERGED_ROW: u64 = 64 * 1024;

/// What becomes of a piece of output, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// These bytes of the piece are appended to the last row.
    Extend(Range<usize>),
    /// These bytes of the piece are a row of their own, which begins at this offset of the stream.
    Row(u64, Range<usize>),
}

/// Lays a piece of `length` bytes at offset `at` into rows. What lies before `known` has been laid before; `last` is the range of the last row.
#[must_use]
pub fn lay(last: Option<Range<u64>>, known: u64, at: u64, length: usize) -> Vec<Write> {
    let end = at.saturating_add(length as u64);
    let mut from = at.max(known);
    let mut writes = Vec::new();
    let within = |range: Range<u64>| offset(range.start - at)..offset(range.end - at);
    if let Some(last) = last
        && last.end == from
        && from < end
        && end - last.start <= MERGED_ROW
    {
        return vec![Write::Extend(within(from..end))];
    }
    while from < end {
        let to = end.min(from.saturating_add(LONGEST_ROW));
        writes.push(Write::Row(from, within(from..to)));
        from = to;
    }
    writes
}

/// Offsets into a piece fit the machine that holds it.
fn offset(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// What is left out of a stream of `written` bytes of which `limit` are kept; an empty range when nothing is.
#[must_use]
pub const fn left_out(limit: u64, written: u64) -> Range<u64> {
    let head = limit / 2;
    if written <= limit {
        return written..written;
    }
    head..written - (limit - head)
}

/// What remains of a row: nothing, one part, or one on each side of what is left out.
#[must_use]
pub fn remains(row: &Range<u64>, left_out: &Range<u64>) -> Vec<Range<u64>> {
    if left_out.is_empty() {
        return vec![row.clone()];
    }
    [
        row.start..row.end.min(left_out.start),
        row.start.max(left_out.end)..row.end,
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect()
}

/// Of a kept stream: the parts that are shown when at most `most` bytes are, the first and the last half. `kept` are the ranges that are kept,
/// in order.
#[must_use]
pub fn shown(kept: &[Range<u64>], most: u64) -> Vec<Range<u64>> {
    let total: u64 = kept.iter().map(|part| part.end - part.start).sum();
    if total <= most {
        return kept.to_vec();
    }
    let (mut first, mut skip) = (most / 2, total - (most - most / 2));
    let mut parts = Vec::new();
    for part in kept {
        let length = part.end - part.start;
        let head = part.start..part.start + length.min(first);
        let tail = part.start + length.min(skip)..part.end;
        first -= head.end - head.start;
        skip -= tail.start - part.start;
        parts.extend([head, tail].into_iter().filter(|part| !part.is_empty()));
    }
    parts
}

#[cfg(test)]
#[path = "kept_output_tests.rs"]
mod tests;
