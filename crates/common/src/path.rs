//! Request paths as the route table compares them.

/// A path that two readers could read differently is refused, so that no spelling of a reserved prefix reaches a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling<'a> {
    /// Compare this text.
    Plain(&'a str),
    /// Decoding it once, or merging its slashes, gives another reserved path.
    Ambiguous,
}

/// First segments that belong to the platform and are never passed to a sandbox as they stand.
///
/// The fence of what ran before, the repositories and the providers come ahead of what they lie below: they have rows of their own, and a spelling of one that
/// another reader tidies up (workerd merges slashes on the way to a service) must not pass as some other path of `/_molt`.
pub const RESERVED: [&str; 9] = [
    "/api/super",
    "/api/admin",
    "/api/v1",
    "/_admin",
    "/_molt/ownership",
    crate::snapshot::REPOSITORY_PATH,
    crate::provider::PROVIDER_PATH,
    "/_molt",
    "/webhooks",
];
/// Longer chains of escapes are taken for what they are after so many decodings.
const MOST_DECODINGS: usize = 3;

/// Whether `path` is `prefix` or lies below it (`/api/superx` does not lie below `/api/super`).
#[must_use]
pub fn below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Checks that `raw` (as it stands in the URL) names a reserved path only if it says so plainly.
#[must_use]
pub fn spelling(raw: &str) -> Spelling<'_> {
    let plain = RESERVED.iter().find(|prefix| below(raw, prefix));
    let mut text = raw.as_bytes().to_vec();
    // Whoever reads it next may decode it never, once or several times, and each must read the same.
    for _ in 0..=MOST_DECODINGS {
        let folded = fold(&text);
        if RESERVED.iter().find(|prefix| below(&folded, prefix)) != plain {
            return Spelling::Ambiguous;
        }
        let decoded = percent_decode(&text);
        if decoded == text {
            break;
        }
        text = decoded;
    }
    Spelling::Plain(raw)
}

/// Backslashes and repeated slashes merged, dot segments resolved, lower case.
fn fold(text: &[u8]) -> String {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in text.split(|byte| *byte == b'/' || *byte == b'\\') {
        // `;x` after a segment is a parameter to some readers.
        let segment = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let mut folded = String::new();
    for segment in segments {
        folded.push('/');
        folded.push_str(&String::from_utf8_lossy(segment).to_ascii_lowercase());
    }
    folded
}

/// Percent-decoded once; a percent sign that begins no escape stays.
pub(crate) fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = ((*high as char).to_digit(16), (*low as char).to_digit(16))
        {
            decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
            rest = after;
        } else {
            decoded.push(first);
            rest = tail;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::{Spelling, below, spelling};

    #[test]
    fn a_prefix_ends_at_a_segment() {
        assert!(below("/api/super", "/api/super") && below("/api/super/", "/api/super"));
        assert!(below("/api/super/users", "/api/super"));
        assert!(!below("/api/superx", "/api/super"));
    }

    #[test]
    fn odd_spellings_of_reserved_paths_are_ambiguous() {
        for odd in [
            "//api/super/users",
            "/api//super",
            "/api%2Fsuper",
            "/%61pi/super",
            "/api/%2573uper",
            "/x/..%2fapi/super",
            "/API/Super",
            "/api\\super",
            "/./_molt/x",
            "/_molt;x/y",
            "/_Admin/",
            "//_molt/.%2e",
            "/%61pi/super/%252e%252e/x",
            "/_molt//ownership/x",
            "/_molt/./ownership",
            "/_molt/x/..%2fownership/x",
            "/_molt/%6fwnership/x",
            "/_molt/Ownership/x",
        ] {
            assert_eq!(spelling(odd), Spelling::Ambiguous, "{odd}");
        }
    }

    #[test]
    fn ordinary_paths_pass() {
        for plain in [
            "/",
            "/api/super/users",
            "/_molt/boot",
            "/chat%20room",
            "/api/superx",
            "/a//b",
            "/%ff",
            "/%",
            "/%2",
        ] {
            assert_eq!(spelling(plain), Spelling::Plain(plain), "{plain}");
        }
    }
}
