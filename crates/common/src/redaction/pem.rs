//! Private keys in PEM, taken out before anything else is looked at: what is masked around one must not hide where it begins.

use super::MASK;
use std::borrow::Cow;

const BEGIN: &str = "-----BEGIN";
const END: &str = "-----END";
/// Longest label that is taken for one, in bytes.
const LONGEST_LABEL: usize = 64;

/// The text with [`MASK`] in place of each private key. One that has no last line reaches to the next one, or to the end of the text.
pub fn without_private_keys(input: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = input;
    while let Some(begin) = first(rest) {
        let (before, key) = rest.split_at(begin);
        out.push_str(before);
        out.push_str(MASK);
        let body = key.get(BEGIN.len()..).unwrap_or_default();
        // A last line counts up to where the next key begins: so no part of the text is searched twice.
        let next = first(body);
        let own = next.map_or(body, |next| body.get(..next).unwrap_or_default());
        rest = match (own.find(END), next) {
            (Some(end), _) => after_last_line(body.get(end..).unwrap_or_default()),
            (None, Some(next)) => body.get(next..).unwrap_or_default(),
            (None, None) => "",
        };
    }
    if out.is_empty() {
        return Cow::Borrowed(input);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Where the first line of a private key begins.
fn first(text: &str) -> Option<usize> {
    text.match_indices(BEGIN).map(|(at, _)| at).find(|at| {
        let label = text.get(at + BEGIN.len()..).unwrap_or_default();
        let label = label.split(['-', '\n']).next().unwrap_or_default();
        label.len() <= LONGEST_LABEL && label.contains("PRIVATE KEY")
    })
}

/// What follows `-----END … KEY-----`; a last line that is cut ends with its line, or where the next key begins.
fn after_last_line(line: &str) -> &str {
    let label = line.get(END.len()..).unwrap_or_default();
    let stop = label.find(['-', '\n']).unwrap_or(label.len());
    let after = label.get(stop..).unwrap_or_default();
    if after.starts_with(BEGIN) {
        after
    } else {
        after.trim_start_matches('-')
    }
}
