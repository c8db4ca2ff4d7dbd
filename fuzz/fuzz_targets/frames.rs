//! The scanner of WebSocket frames: the same as a parser that has all bytes at once, however they arrive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandboxd::parsers::FrameScanner;

/// Whether the bytes hold the whole header of a frame with data.
fn naive(mut bytes: &[u8]) -> bool {
    loop {
        let [first, second, rest @ ..] = bytes else {
            return false;
        };
        let (length, rest) = match second & 0x7F {
            126 => match rest {
                [a, b, rest @ ..] => (u64::from(u16::from_be_bytes([*a, *b])), rest),
                _ => return false,
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return false,
            },
            short => (u64::from(short), rest),
        };
        if first & 0x0F < 8 {
            return true;
        }
        let masked = u64::from(second & 0x80 != 0) * 4;
        match usize::try_from(length.saturating_add(masked))
            .ok()
            .and_then(|skip| rest.get(skip..))
        {
            Some(rest) => bytes = rest,
            None => return false,
        }
    }
}

fuzz_target!(|data: (Vec<u8>, &[u8])| {
    let (sizes, bytes) = data;
    let mut scanner = FrameScanner::default();
    let (mut seen, mut rest) = (false, bytes);
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| usize::from(*size) + 1).min(rest.len());
        let (piece, after) = rest.split_at(size);
        seen |= scanner.sees_data(piece);
        rest = after;
    }
    assert_eq!(seen, naive(bytes));
    assert_eq!(FrameScanner::default().sees_data(bytes), seen, "in one piece");
});
