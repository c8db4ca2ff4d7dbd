//! Hostile input, kept as data: one entry per line below `tests/corpus`, `#` begins a comment.

use std::path::Path;

/// Entries of a file: everything but comments and empty lines. `\xNN` stands for a byte, `\\` for a backslash, and
/// `{name*count}` for `count` times `name`.
///
/// # Panics
/// When the file is missing, has a bad escape, or no entry.
#[must_use]
pub fn entries(file: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entries: Vec<Vec<u8>> = lines.map(|line| unescape(&repeat(line))).collect();
    assert!(!entries.is_empty(), "{} has no entries", path.display());
    entries
}

fn repeat(line: &str) -> String {
    let Some((before, rest)) = line.split_once('{') else {
        return line.to_owned();
    };
    let Some((inside, after)) = rest.split_once('}') else {
        return line.to_owned();
    };
    match inside
        .rsplit_once('*')
        .map(|(text, count)| (text, count.parse::<usize>()))
    {
        Some((text, Ok(count))) => format!("{before}{}{}", text.repeat(count), repeat(after)),
        _ => format!("{before}{{{inside}}}{}", repeat(after)),
    }
}

fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap_or_default();
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("bad escape in {line}")));
                after
            }
            (b'\\', [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                after
            }
            (b'\\', _) => panic!("bad escape in {line}"),
            _ => {
                bytes.push(first);
                tail
            }
        };
    }
    bytes
}
