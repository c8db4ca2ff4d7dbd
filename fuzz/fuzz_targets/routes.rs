//! Paths: no spelling of a reserved path comes to a sandbox, and a sign-in returns to this origin only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use molt_common::access::return_path;
use molt_common::path::RESERVED;
use molt_common::route::{self, Match};
use url::Url;

/// As many programs read a path: decoded so many times, by either slash, without parameters, dots resolved, in small letters.
fn normalised(raw: &str, decodings: usize) -> String {
    let mut bytes = raw.as_bytes().to_vec();
    for _ in 0..decodings {
        let mut decoded = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let escape = bytes
                .get(at + 1..at + 3)
                .and_then(|digits| std::str::from_utf8(digits).ok());
            let byte =
                escape.filter(|digits| bytes[at] == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    decoded.push(byte);
                    at += 3;
                }
                None => {
                    decoded.push(bytes[at]);
                    at += 1;
                }
            }
        }
        bytes = decoded;
    }
    let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let mut kept: Vec<&str> = Vec::new();
    for segment in text.split(['/', '\\']) {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

fn is_reserved(path: &str) -> bool {
    RESERVED
        .iter()
        .any(|prefix| path == *prefix || path.starts_with(&format!("{prefix}/")))
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let path = if text.starts_with('/') {
        text.into_owned()
    } else {
        format!("/{text}")
    };
    for method in ["GET", "POST", "PATCH"] {
        let found = route::find(method, &path);
        let Ok(row) = found else { continue };
        if row.path == Match::Any {
            for decodings in 0..=3 {
                let read = normalised(&path, decodings);
                assert!(
                    !is_reserved(&read),
                    "{path:?} is {read:?} to a program that decodes {decodings} times, and goes to a sandbox"
                );
            }
        }
        let plainly = RESERVED.iter().any(|prefix| path.starts_with(prefix));
        assert!(
            row.path == Match::Any || plainly || matches!(row.path, Match::Exact(exact) if exact == path),
            "{path:?}"
        );
    }
    let _ = route::allow(&path);
    let base = Url::parse("https://own.example/login?x=1").expect("a URL");
    for asked in [path.as_str(), &path[1..]] {
        let back = return_path(Some(asked));
        let lead = base.join(back).expect("a path that is returned to is a path");
        assert_eq!(lead.origin(), base.origin(), "{asked:?} leads to {lead}");
        assert!(back.bytes().all(|byte| byte.is_ascii_graphic()), "{back:?}");
    }
});
