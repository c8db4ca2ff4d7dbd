//! URLs and their queries.

use super::MASK;
use super::names::{Announces, announces};
use super::scan::text;
use std::borrow::Cow;

/// A longer value of a query parameter is not logged.
const LONGEST_VALUE: usize = 64;
/// A path is decoded this often at most, as `path::spelling` does.
const MOST_DECODINGS: usize = 3;

/// A query string (without `?`) as it may be written down: `a=1&token=[redacted]`. Stricter than free text: `key` and `code` are masked
/// whatever they hold, and so is a long value.
#[must_use]
pub fn query(raw: &str) -> String {
    let shown: Vec<Cow<'_, str>> = raw.split('&').map(parameter).collect();
    shown.join("&")
}

fn parameter(pair: &str) -> Cow<'_, str> {
    let Some((name, value)) = pair.split_once('=') else {
        return plain_or_masked(
            pair,
            announces(&decoded(pair)) != Announces::Nothing || pair.len() > LONGEST_VALUE,
        );
    };
    let secret_name = !matches!(announces(&decoded(name)), Announces::Nothing | Announces::Count);
    let shown = plain_or_masked(value, (secret_name || value.len() > LONGEST_VALUE) && !value.is_empty());
    let shown_name = plain_or_masked(name, false);
    if shown == value && shown_name == name {
        Cow::Borrowed(pair)
    } else {
        Cow::Owned(format!("{shown_name}={shown}"))
    }
}

/// The text, or the mask when it must be hidden or holds a credential in whatever encoding.
fn plain_or_masked(text: &str, hide: bool) -> Cow<'_, str> {
    if hide || hides_something(text) {
        Cow::Borrowed(MASK)
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether a credential stands in it, as it is or under percent signs.
pub(super) fn hides_something(raw: &str) -> bool {
    let mut plain = Cow::Borrowed(raw);
    for _ in 0..MOST_DECODINGS {
        if matches!(text(&plain), Cow::Owned(_)) {
            return true;
        }
        let further = decoded(&plain).into_owned();
        if further == plain {
            break;
        }
        plain = Cow::Owned(further);
    }
    false
}

/// A URL or a path with query as it may be written down: without user and password, its fragment masked, its query by [`query`], and
/// each segment of the path that holds a credential masked.
#[must_use]
pub fn url(raw: &str) -> String {
    let (rest, fragment) = match raw.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (raw, None),
    };
    let (path, search) = match rest.split_once('?') {
        Some((path, search)) => (path, Some(search)),
        None => (rest, None),
    };
    let (before, path) = match path.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = match authority.rsplit_once('@') {
                Some((user, host)) if !user.is_empty() => format!("{MASK}@{host}"),
                _ => authority.to_owned(),
            };
            (format!("{scheme}//{host}"), path)
        }
        _ => (String::new(), path),
    };
    let segments: Vec<Cow<'_, str>> = path.split('/').map(|segment| plain_or_masked(segment, false)).collect();
    let mut shown = before + &segments.join("/");
    if let Some(search) = search {
        shown.push('?');
        shown.push_str(&query(search));
    }
    if fragment.is_some_and(|fragment| !fragment.is_empty()) {
        shown.push('#');
        shown.push_str(MASK);
    }
    shown
}

/// Percent-decoded once; what is no UTF-8 afterwards is replaced.
fn decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains('%') {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(String::from_utf8_lossy(&crate::path::percent_decode(raw.as_bytes())).into_owned())
}
