//! A page of output on its way from a shim: one JSON line that says what follows, then the bytes themselves.

use std::io;
use std::ops::Range;

use molt_common::control::{ExecPage, ExecReport, WaitFor};
use molt_common::output::{OutputCursor, OutputPiece, StreamName};
use serde::{Deserialize, Serialize};

use super::extent::PagePlan;

/// What a reader of output asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputQuery {
    /// What is already known.
    pub after: OutputCursor,
    /// Milliseconds to wait at most.
    pub wait_ms: u64,
    /// For what.
    pub wait_for: WaitFor,
    /// Most bytes of output in the answer.
    pub limit_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    report: ExecReport,
    pieces: Vec<(StreamName, Range<u64>)>,
    cursor: OutputCursor,
    more: bool,
}

/// The bytes of a page; `copy` appends those of one range.
pub fn encode(report: ExecReport, plan: PagePlan, copy: impl Fn(StreamName, &Range<u64>, &mut Vec<u8>)) -> Vec<u8> {
    let header = Header {
        report,
        pieces: plan.ranges,
        cursor: plan.cursor,
        more: plan.more,
    };
    // Strings and numbers only: there is nothing that could not be written.
    let mut bytes = serde_json::to_vec(&header).unwrap_or_default();
    bytes.push(b'\n');
    for (stream, range) in &header.pieces {
        copy(*stream, range, &mut bytes);
    }
    bytes
}

/// Reads what [`encode`] has written.
///
/// # Errors
/// `UnexpectedEof` when a part is missing, `InvalidData` when it is none.
pub fn decode(bytes: &[u8]) -> io::Result<ExecPage> {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let (line, mut rest) = bytes.split_at(end + 1);
    let header: Header = serde_json::from_slice(line)?;
    let mut pieces = Vec::with_capacity(header.pieces.len());
    for (stream, range) in header.pieces {
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let (piece, after) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        rest = after;
        pieces.push(OutputPiece {
            stream,
            at: range.start,
            bytes: piece.to_vec(),
        });
    }
    Ok(ExecPage {
        report: header.report,
        pieces,
        cursor: header.cursor,
        more: header.more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shim::running_report;

    #[test]
    fn a_page_arrives_as_it_was_sent_or_not_at_all() {
        let plan = PagePlan {
            ranges: vec![(StreamName::Stdout, 3..6), (StreamName::Stderr, 0..2)],
            cursor: OutputCursor { stdout: 6, stderr: 2 },
            more: true,
        };
        let sent = encode(running_report("e", 7), plan, |stream, range, bytes| {
            // Newlines and bytes that are no text among them.
            let fill = if stream == StreamName::Stdout { b'\n' } else { 0xff };
            bytes.extend(range.clone().map(|_| fill));
        });
        let page = decode(&sent).unwrap();
        assert_eq!((page.report.exec_id.as_str(), page.more), ("e", true));
        assert_eq!(page.pieces[0].bytes, b"\n\n\n");
        assert_eq!(
            (page.pieces[1].at, page.pieces[1].bytes.as_slice()),
            (0, &b"\xff\xff"[..])
        );
        for length in 0..sent.len() {
            assert!(decode(&sent[..length]).is_err(), "{length}");
        }
    }
}
