//! Which bytes of what the platform tells are new: a connection that was cut off is told some of them again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use molt_common::api::exec::OutputChunk;
use molt_common::output::{OutputCursor, StreamName};

/// What is to be passed on of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// Bytes of a stream that follow all those before.
    Bytes(StreamName, Vec<u8>),
    /// That many bytes of a stream were not kept.
    Gap(StreamName, u64),
}

/// A chunk has not exactly one of `text`, `base64` and `gapBytes`, or its base64 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chunk of output that says nothing readable")]
pub struct Unreadable;

/// Takes a chunk in: what is new of it, in order. The cursor then stands behind it.
///
/// # Errors
/// [`Unreadable`]; the cursor stays where it was.
pub fn accept(cursor: &mut OutputCursor, chunk: OutputChunk) -> Result<Vec<News>, Unreadable> {
    let known = cursor.of(chunk.stream);
    let (bytes, gap) = match (chunk.text, chunk.base64, chunk.gap_bytes) {
        (Some(text), None, None) => (text.into_bytes(), 0),
        (None, Some(base64), None) => (STANDARD.decode(base64).map_err(|_| Unreadable)?, 0),
        (None, None, Some(gap)) => (Vec::new(), gap),
        _ => return Err(Unreadable),
    };
    let length = u64::try_from(bytes.len()).map_err(|_| Unreadable)? + gap;
    let end = chunk.at.checked_add(length).ok_or(Unreadable)?;
    let mut news = Vec::new();
    if end <= known {
        return Ok(news);
    }
    // A chunk that begins later than the one before ended tells a gap as well as one that says so.
    let missing = chunk.at.saturating_sub(known);
    let again = known.saturating_sub(chunk.at);
    if gap > 0 {
        news.push(News::Gap(chunk.stream, missing + gap - again));
    } else {
        if missing > 0 {
            news.push(News::Gap(chunk.stream, missing));
        }
        let again = usize::try_from(again).map_err(|_| Unreadable)?;
        news.push(News::Bytes(chunk.stream, bytes.get(again..).unwrap_or_default().into()));
    }
    cursor.set(chunk.stream, end);
    Ok(news)
}

#[cfg(test)]
mod tests {
    use super::{News, accept};
    use molt_common::api::exec::OutputChunk;
    use molt_common::output::{OutputCursor, StreamName};
    use proptest::prelude::*;

    fn chunk(at: u64, text: Option<&str>, base64: Option<&str>, gap_bytes: Option<u64>) -> OutputChunk {
        OutputChunk {
            stream: StreamName::Stdout,
            at,
            text: text.map(str::to_owned),
            base64: base64.map(str::to_owned),
            gap_bytes,
        }
    }

    fn text(at: u64, text: &str) -> OutputChunk {
        chunk(at, Some(text), None, None)
    }

    fn bytes(text: &str) -> News {
        News::Bytes(StreamName::Stdout, text.into())
    }

    const fn gap(bytes: u64) -> News {
        News::Gap(StreamName::Stdout, bytes)
    }

    #[test]
    fn what_was_told_before_is_left_out() {
        let mut cursor = OutputCursor::default();
        let mut tell = |chunk| accept(&mut cursor, chunk).unwrap();
        assert_eq!(tell(text(0, "abc")), [bytes("abc")]);
        assert_eq!(tell(text(0, "abc")), []);
        assert_eq!(tell(text(1, "bcde")), [bytes("de")]);
        assert_eq!(
            tell(chunk(5, None, Some("/wA="), None)),
            [News::Bytes(StreamName::Stdout, vec![255, 0])]
        );
        assert_eq!(tell(chunk(7, None, None, Some(10))), [gap(10)]);
        assert_eq!(tell(chunk(7, None, None, Some(10))), []);
        assert_eq!(tell(chunk(7, None, None, Some(13))), [gap(3)]);
        assert_eq!(tell(text(25, "end")), [gap(5), bytes("end")]);
        assert_eq!(tell(text(28, "")), []);
        assert_eq!((cursor.stdout, cursor.stderr), (28, 0));
    }

    #[test]
    fn what_is_no_chunk_changes_nothing() {
        let mut cursor = OutputCursor::default();
        for bad in [
            chunk(0, None, None, None),
            chunk(0, Some("a"), None, Some(1)),
            chunk(0, None, Some("?"), None),
            chunk(u64::MAX, Some("a"), None, None),
        ] {
            assert!(accept(&mut cursor, bad).is_err());
        }
        assert_eq!(cursor, OutputCursor::default());
    }

    proptest! {
        /// Whatever pieces come again, in whatever sizes: each byte is passed on once, in order.
        #[test]
        fn any_repetition_gives_each_byte_once(
            all in proptest::collection::vec(97_u8..123, 1..200),
            steps in proptest::collection::vec((0_usize..40, 1_usize..60), 1..40),
        ) {
            let (mut cursor, mut told) = (OutputCursor::default(), Vec::new());
            for (back, length) in steps {
                let from = told.len().saturating_sub(back);
                let to = (from + length).min(all.len());
                let piece = std::str::from_utf8(&all[from..to]).unwrap();
                for news in accept(&mut cursor, text(from as u64, piece)).unwrap() {
                    match news {
                        News::Bytes(_, bytes) => told.extend(bytes),
                        News::Gap(..) => prop_assert!(false, "there was no gap"),
                    }
                }
            }
            prop_assert_eq!(&told[..], &all[..told.len()]);
            prop_assert_eq!(cursor.stdout, told.len() as u64);
        }
    }
}
