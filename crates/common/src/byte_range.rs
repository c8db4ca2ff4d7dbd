//! `Range` of a request for one span of bytes (RFC 9110, section 14).

/// A span of an object whose length is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first to the last byte, both counted from 0 and both part of it.
    FromTo(u64, u64),
    /// From a byte to the end.
    From(u64),
    /// So many bytes at the end.
    Last(u64),
}

/// A span of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte, from 0.
    pub offset: u64,
    /// Bytes, at least one.
    pub length: u64,
}

impl ByteRange {
    /// Reads the header. `None` for what asks for no bytes, for several spans and for what is not written as it should be: such a header is to be
    /// ignored.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (unit, spans) = header.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = spans.trim().split_once('-')?;
        match (first, last) {
            ("", last) => number(last).map(Self::Last),
            (first, "") => number(first).map(Self::From),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo(first, last))
            }
        }
    }

    /// The span of an object of `size` bytes. `None` when it has none of these bytes: 416.
    #[must_use]
    pub fn of(self, size: u64) -> Option<Span> {
        let (offset, end) = match self {
            Self::FromTo(first, last) => (first, last.saturating_add(1).min(size)),
            Self::From(first) => (first, size),
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        let length = end.checked_sub(offset).filter(|length| *length > 0)?;
        Some(Span { offset, length })
    }
}

impl Span {
    /// `Content-Range` of the answer.
    #[must_use]
    pub fn content_range(&self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.offset, self.offset + self.length - 1)
    }
}

/// Digits alone: no sign and no blank. A number that is too large for its type lies behind every end.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{ByteRange, Span};
    use proptest::prelude::*;

    fn span(header: &str, size: u64) -> Option<(u64, u64)> {
        let Span { offset, length } = ByteRange::parse(header).unwrap().of(size)?;
        Some((offset, length))
    }

    #[test]
    fn one_span_is_read() {
        assert_eq!(span("bytes=0-0", 10), Some((0, 1)));
        assert_eq!(span("bytes=2-5", 10), Some((2, 4)));
        assert_eq!(span("Bytes=2-", 10), Some((2, 8)));
        assert_eq!(span("bytes=-3", 10), Some((7, 3)));
        assert_eq!(span("bytes=-30", 10), Some((0, 10)));
        assert_eq!(span("bytes=9-99999999999999999999999", 10), Some((9, 1)));
        assert_eq!(Span { offset: 2, length: 4 }.content_range(10), "bytes 2-5/10");
    }

    #[test]
    fn what_the_object_does_not_have_is_not_satisfiable() {
        for (header, size) in [
            ("bytes=10-", 10),
            ("bytes=10-20", 10),
            ("bytes=-0", 10),
            ("bytes=0-0", 0),
            ("bytes=-5", 0),
            ("bytes=18446744073709551615-18446744073709551615", 10),
        ] {
            assert_eq!(span(header, size), None, "{header} of {size}");
        }
    }

    #[test]
    fn anything_else_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=+1-2",
            "bytes=1--2",
            "bytes= 1 - 2",
        ] {
            assert_eq!(ByteRange::parse(header), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_span_lies_within_its_object(first in any::<u64>(), last in any::<u64>(), size in any::<u64>()) {
            for header in [format!("bytes={first}-{last}"), format!("bytes={first}-"), format!("bytes=-{last}")] {
                if let Some(span) = ByteRange::parse(&header).and_then(|range| range.of(size)) {
                    prop_assert!(span.length > 0 && span.offset < size && span.length <= size - span.offset, "{}", header);
                    prop_assert!(span.content_range(size).ends_with(&size.to_string()));
                }
            }
        }
    }
}
