//! Whether a message of a client is a person's doing: judged alike however its bytes arrive, and by the same words as the message alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandboxd::parsers::{ClientMessages, of_message};

fuzz_target!(|data: (Vec<u8>, &[u8])| {
    let (sizes, bytes) = data;
    let whole = ClientMessages::default().persons(bytes);
    let mut messages = ClientMessages::default();
    let (mut seen, mut at) = (false, 0);
    let mut sizes = sizes.iter().cycle();
    while at < bytes.len() {
        let rest = &bytes[at..];
        let size = sizes.next().map_or(1, |size| usize::from(*size) + 1).min(rest.len());
        seen |= messages.persons(&rest[..size]);
        at += size;
    }
    assert_eq!(seen, whole);

    // The same bytes as the payload of one short frame, without a mask.
    let payload = &bytes[..bytes.len().min(125)];
    let mut frame = vec![0x81, payload.len() as u8];
    frame.extend(payload);
    assert_eq!(ClientMessages::default().persons(&frame), of_message(true, payload));
});
