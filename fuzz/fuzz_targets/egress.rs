//! The first bytes of a sandbox's connections: a name that is found is one, and cannot become a second header.
#![no_main]

use libfuzzer_sys::fuzz_target;
use local_engine::parsers::{Sniffed, sniff};

fuzz_target!(|data: &[u8]| {
    let as_host = [b"GET / HTTP/1.1\r\nHost: ".as_slice(), data, b"\r\n\r\n"].concat();
    for bytes in [data, &as_host] {
        let found = sniff(bytes);
        if let Some(name) = found.host_name() {
            assert!((1..=253).contains(&name.len()), "{name:?}");
            assert!(
                name.bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_')),
                "{name:?}"
            );
            assert!(
                name.parse::<std::net::Ipv4Addr>().is_err(),
                "an address is no name: {name}"
            );
        }
        // More bytes take nothing back that was said of an HTTP head.
        if let Sniffed::Http(name) = &found {
            let more = [bytes, b"body"].concat();
            assert_eq!(sniff(&more), Sniffed::Http(name.clone()));
        }
    }
});
