//! The output of a command as one text per stream.

use molt_common::control::{ExecPage, ExecReport};
use molt_common::output::StreamName;

/// The report of a page that has everything, with the output as text; invalid UTF-8 is replaced.
pub fn with_text(page: ExecPage) -> ExecReport {
    let text = |stream| {
        let mut pieces = page.pieces.iter().filter(|piece| piece.stream == stream).peekable();
        let mut text = String::new();
        let mut end = 0;
        while let Some(piece) = pieces.next() {
            let mut bytes = piece.bytes.as_slice();
            if piece.at > end {
                bytes = without_cut_start(bytes);
            }
            if pieces.peek().is_some() {
                bytes = without_cut_end(bytes);
            }
            text.push_str(&String::from_utf8_lossy(bytes));
            end = piece.end();
        }
        text
    };
    ExecReport {
        stdout: text(StreamName::Stdout),
        stderr: text(StreamName::Stderr),
        ..page.report
    }
}

/// `bytes` without the beginning of a character that is missing its end, so that text never grows beyond its limit by its replacement.
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
    use molt_common::output::{OutputCursor, OutputPiece};

    use super::*;
    use crate::shim::running_report;

    fn text(pieces: &[(u64, &[u8])]) -> String {
        let pieces = pieces.iter().map(|(at, bytes)| OutputPiece {
            stream: StreamName::Stdout,
            at: *at,
            bytes: bytes.to_vec(),
        });
        let page = ExecPage {
            report: running_report("e", 0),
            pieces: pieces.collect(),
            cursor: OutputCursor::default(),
            more: false,
        };
        with_text(page).stdout
    }

    #[test]
    fn a_character_that_the_gap_cut_in_two_is_left_out_and_any_other_stays() {
        assert_eq!(text(&[(0, "aaäaa".as_bytes())]), "aaäaa");
        assert_eq!(text(&[(0, b"aa\xc3"), (9, b"\xa4bb")]), "aabb");
        assert_eq!(text(&[(0, b"\xff\xff\xff\xff")]), "\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(text(&[(0, b"\xff\xc3"), (9, b"x")]), "\u{fffd}x");
    }
}
