//! Texts that are credentials by their shape, whatever stands before them.

/// Shortest run of letters and digits that may be a secret by its randomness alone: 128 bits in hexadecimal digits.
const OPAQUE: usize = 32;
/// A run without separators this long, with letters and digits, is no word.
const SOLID: usize = 24;

/// Beginnings of provider keys. `glued`: distinctive enough to be one even in the middle of a word.
struct Prefix {
    text: &'static str,
    /// Shortest rest that makes it a key.
    rest: usize,
    glued: bool,
}

const fn prefix(text: &'static str, rest: usize, glued: bool) -> Prefix {
    Prefix { text, rest, glued }
}

const PREFIXES: [Prefix; 28] = [
    prefix("sk-ant-", 6, true),
    prefix("sk-proj-", 6, true),
    prefix("sk-or-", 8, true),
    prefix("sk-", 16, false),
    prefix("pk-", 16, false),
    prefix("rk-", 16, false),
    prefix("sk_live_", 8, true),
    prefix("sk_test_", 8, true),
    prefix("rk_live_", 8, true),
    prefix("whsec_", 12, true),
    prefix("AIza", 20, true),
    prefix("ya29.", 12, true),
    prefix("ghp_", 12, true),
    prefix("gho_", 12, true),
    prefix("ghu_", 12, true),
    prefix("ghs_", 12, true),
    prefix("ghr_", 12, true),
    prefix("github_pat_", 12, true),
    prefix("glpat-", 12, true),
    prefix("npm_", 24, false),
    prefix("hf_", 20, false),
    prefix("gsk_", 20, false),
    prefix("xoxa-", 8, true),
    prefix("xoxb-", 8, true),
    prefix("xoxp-", 8, true),
    prefix("xoxr-", 8, true),
    prefix("xoxs-", 8, true),
    prefix("xapp-", 8, true),
];

/// Letters, digits, dash and underscore: what keys are made of.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Where in `text`, from `at` on, the first key begins whose beginning lies in the run of word characters `at..end`; with its end, which
/// may lie further on.
pub(super) fn shaped(text: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
    let mut previous = None;
    for start in at..end {
        let boundary = previous.is_none_or(|byte: u8| !byte.is_ascii_alphanumeric());
        previous = text.get(start).copied();
        if let Some(length) = key_at(text.get(start..).unwrap_or_default(), boundary) {
            return Some((start, start + length));
        }
    }
    None
}

/// Length of the key that `rest` begins with.
fn key_at(rest: &[u8], boundary: bool) -> Option<usize> {
    match rest.first()? {
        b'e' if rest.starts_with(b"eyJ") => token(rest),
        b'm' if rest.starts_with(b"molt_") => admin_key(rest),
        b'A' if rest.starts_with(b"AKIA") || rest.starts_with(b"ASIA") => {
            let of = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            // Within a word only the exact length is looked for, so that a long run of capitals is not walked again and again.
            let body = if boundary {
                run(rest.get(4..)?, of)
            } else {
                run(rest.get(4..rest.len().min(21))?, of)
            };
            (body >= 16 && (boundary || body == 16)).then_some(4 + body)
        }
        b's' | b'p' | b'r' | b'w' | b'A' | b'y' | b'g' | b'n' | b'h' | b'x' => {
            let found = PREFIXES
                .iter()
                .find(|prefix| (prefix.glued || boundary) && rest.starts_with(prefix.text.as_bytes()))?;
            let dotted = found.text.ends_with('.');
            let body = run(rest.get(found.text.len()..)?, |byte| {
                is_word(byte) || (dotted && byte == b'.')
            });
            (body >= found.rest).then_some(found.text.len() + body)
        }
        _ => None,
    }
}

/// A JWS or JWE: base64url of `{"…`, and at least one more part.
fn token(rest: &[u8]) -> Option<usize> {
    let header = run(rest, is_word);
    let more = rest.get(header).is_some_and(|byte| *byte == b'.');
    // A lone first part says nothing secret, but is long enough only when it is cut from a token. Only then is the rest looked at: else a
    // text of such beginnings would be walked again for each.
    (header >= 12 && (more || header >= 24)).then(|| run(rest, |byte| is_word(byte) || byte == b'.'))
}

/// `molt_<id>_<secret>`.
fn admin_key(rest: &[u8]) -> Option<usize> {
    let body = rest.get(5..)?;
    let id = run(body, |byte| byte.is_ascii_alphanumeric());
    if id < 4 || body.get(id) != Some(&b'_') {
        return None;
    }
    let secret = run(body.get(id + 1..)?, is_word);
    // Names of our own programs have short parts.
    (secret >= 16).then_some(5 + id + 1 + secret)
}

fn run(bytes: &[u8], of: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !of(*byte)).unwrap_or(bytes.len())
}

/// Whether a run of word characters and `+` reads like random characters and is none of our ids.
pub(super) fn is_opaque(run: &[u8]) -> bool {
    if run.len() < OPAQUE || is_own_id(run) {
        return false;
    }
    let (mut solid, mut has_digit, mut has_letter) = (0_usize, false, false);
    let mut changes = 0_usize;
    let mut last = None;
    let mut letters_only = true;
    let mut long = false;
    for byte in run {
        let class = match byte {
            b'0'..=b'9' => 0_u8,
            b'a'..=b'z' => 1,
            b'A'..=b'Z' => 2,
            _ => {
                (solid, has_digit, has_letter) = (0, false, false);
                continue;
            }
        };
        letters_only &= class != 0;
        solid += 1;
        has_digit |= class == 0;
        has_letter |= class != 0;
        long |= solid >= SOLID && has_digit && has_letter;
        changes += usize::from(last.is_some_and(|last| last != class));
        last = Some(class);
    }
    // In random text two neighbours are rarely of one kind; in words, also compound ones, they mostly are.
    let mixed = if letters_only {
        changes * 10 >= run.len() * 3
    } else {
        changes * 6 >= run.len()
    };
    long || mixed
}

/// Request ids, exec ids, sandbox ids, references of sessions (`trust::SessionRef`) and UUIDs.
fn is_own_id(run: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(run) else {
        return false;
    };
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if let Some(rest) = text.strip_prefix("req_").or_else(|| text.strip_prefix("sbx_")) {
        return hex(rest, 32);
    }
    if let Some((at, random)) = text.strip_prefix("exec_").and_then(|rest| rest.split_once('_')) {
        return at.len() <= 15 && at.bytes().all(|byte| byte.is_ascii_digit()) && hex(random, 24);
    }
    if text.strip_prefix(['s', 't']).is_some_and(|rest| hex(rest, 32)) {
        return true;
    }
    let uuid = |text: &str| {
        text.len() == 36
            && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
            && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
    };
    uuid(text)
}

/// Whether a run that holds slashes is base64 and no path: paths begin with a slash or have dashes, underscores or dots.
pub(super) fn is_base64(run: &[u8]) -> bool {
    let count = |of: fn(&u8) -> bool| run.iter().filter(|byte| of(byte)).count();
    run.len() >= OPAQUE
        && run.first().is_some_and(u8::is_ascii_alphanumeric)
        && run
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        && run.iter().any(|byte| byte.is_ascii_digit() || *byte == b'+')
        && count(u8::is_ascii_uppercase) >= 4
        && count(u8::is_ascii_lowercase) >= 4
        && {
            let pairs = run.iter().zip(run.iter().skip(1));
            let same = |a: &u8, b: &u8| {
                (a.is_ascii_digit() && b.is_ascii_digit())
                    || (a.is_ascii_lowercase() && b.is_ascii_lowercase())
                    || (a.is_ascii_uppercase() && b.is_ascii_uppercase())
            };
            pairs.filter(|(a, b)| !same(a, b)).count() * 3 >= run.len()
        }
}
