//! The scanner of WebSocket frames: the same as a parser that has all bytes at once, however they arrive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandboxd::parsers::FrameScanner;

/// What a parser finds that has all bytes at once.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// A whole header of a frame with data.
    data: bool,
    /// A whole close frame.
    closed: bool,
    /// Where whole frames end, 0 included.
    boundaries: Vec<usize>,
}

fn naive(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let mut at = 0;
    loop {
        found.boundaries.push(at);
        let [first, second, rest @ ..] = &bytes[at..] else {
            return found;
        };
        let (length, header) = match second & 0x7F {
            126 => match rest {
                [a, b, ..] => (u64::from(u16::from_be_bytes([*a, *b])), 4),
                _ => return found,
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 10),
                None => return found,
            },
            short => (u64::from(short), 2),
        };
        let opcode = first & 0x0F;
        found.data |= opcode < 8;
        let masked = u64::from(second & 0x80 != 0) * 4;
        let Ok(payload) = usize::try_from(length.saturating_add(masked)) else {
            return found;
        };
        match (at + header).checked_add(payload).filter(|end| *end <= bytes.len()) {
            Some(end) => at = end,
            None => return found,
        }
        found.closed |= opcode == 8;
    }
}

fuzz_target!(|data: (Vec<u8>, &[u8])| {
    let (sizes, bytes) = data;
    let found = naive(bytes);
    let mut scanner = FrameScanner::default();
    let (mut seen, mut at) = (false, 0);
    let mut sizes = sizes.iter().cycle();
    while at < bytes.len() {
        assert_eq!(scanner.at_boundary(), found.boundaries.contains(&at), "at {at}");
        let rest = &bytes[at..];
        // The way to the next boundary, were nothing but the rest to come.
        let next = found
            .boundaries
            .iter()
            .find(|boundary| **boundary >= at)
            .map_or(rest.len(), |next| next - at);
        assert_eq!(scanner.to_boundary(rest), next, "from {at}");
        let size = sizes.next().map_or(1, |size| usize::from(*size) + 1).min(rest.len());
        seen |= scanner.sees_data(&rest[..size]);
        at += size;
    }
    assert_eq!(seen, found.data);
    assert_eq!(scanner.closed(), found.closed);
    assert_eq!(scanner.at_boundary(), found.boundaries.contains(&bytes.len()));
    assert_eq!(FrameScanner::default().sees_data(bytes), seen, "in one piece");
});
