//! Query parameters of the API.

use std::time::Duration;

use molt_common::control::WaitFor;

use crate::shim::page::OutputQuery;

/// Longest wait of a long poll, in milliseconds.
const MAX_WAIT_MS: u64 = 10_000;
/// Bytes of output in a page when the caller does not say how many.
const DEFAULT_LIMIT: u64 = 256 * 1024;
/// Most bytes of output in a page.
const MAX_LIMIT: u64 = 1024 * 1024;

/// Reads `waitMs`; no query means no wait. The error names the parameter.
pub fn wait(query: Option<&str>) -> Result<Duration, String> {
    let mut wait = Duration::ZERO;
    for (name, value) in pairs(query) {
        match name {
            "waitMs" => wait = Duration::from_millis(wait_ms(value)?),
            _ => return Err(unknown(name)),
        }
    }
    Ok(wait)
}

/// Reads `after`, `waitMs`, `waitFor` and `limitBytes`, each of which may be missing. The error names the parameter.
pub fn output(query: Option<&str>) -> Result<OutputQuery, String> {
    let mut wanted = OutputQuery {
        limit_bytes: DEFAULT_LIMIT,
        ..OutputQuery::default()
    };
    for (name, value) in pairs(query) {
        match name {
            "after" => wanted.after = value.parse().map_err(|error| format!("after: {error}"))?,
            "waitMs" => wanted.wait_ms = wait_ms(value)?,
            "waitFor" => {
                wanted.wait_for = match value {
                    "output" => WaitFor::Output,
                    "end" => WaitFor::End,
                    _ => return Err("waitFor: must be output or end".to_owned()),
                }
            }
            "limitBytes" => {
                wanted.limit_bytes =
                    whole(value, 1, MAX_LIMIT).ok_or_else(|| format!("limitBytes: must be 1 to {MAX_LIMIT}"))?;
            }
            _ => return Err(unknown(name)),
        }
    }
    Ok(wanted)
}

fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn unknown(name: &str) -> String {
    format!("{}: no such parameter", name.escape_default())
}

fn wait_ms(value: &str) -> Result<u64, String> {
    whole(value, 0, MAX_WAIT_MS).ok_or_else(|| format!("waitMs: must be 0 to {MAX_WAIT_MS}"))
}

fn whole(value: &str, least: u64, most: u64) -> Option<u64> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| value.parse().ok()).flatten()?;
    (least..=most).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_bounded_and_everything_else_is_refused() {
        assert_eq!(wait(None), Ok(Duration::ZERO));
        assert_eq!(wait(Some("")), Ok(Duration::ZERO));
        assert_eq!(wait(Some("waitMs=250")), Ok(Duration::from_millis(250)));
        assert_eq!(wait(Some("waitMs=10000")), Ok(Duration::from_secs(10)));
        for bad in [
            "waitMs=10001",
            "waitMs=-1",
            "waitMs=+1",
            "waitMs=",
            "waitMs",
            "waitMs=1e3",
            "waitms=1",
            "x=1",
            "waitMs=1&y",
        ] {
            assert!(wait(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_is_asked_for_with_what_is_given_and_defaults_for_the_rest() {
        let wanted = output(None).unwrap();
        assert_eq!(
            (wanted.after.to_string().as_str(), wanted.limit_bytes),
            ("0-0", 262_144)
        );
        assert_eq!((wanted.wait_ms, wanted.wait_for), (0, WaitFor::Output));
        let wanted = output(Some("after=5-7&waitMs=9&waitFor=end&limitBytes=1048576")).unwrap();
        assert_eq!((wanted.after.stdout, wanted.after.stderr), (5, 7));
        assert_eq!(
            (wanted.wait_ms, wanted.wait_for, wanted.limit_bytes),
            (9, WaitFor::End, 1_048_576)
        );
        for (name, bad) in [
            ("after", "after=5"),
            ("after", "after="),
            ("after", "after=-1-0"),
            ("waitMs", "waitMs=10001"),
            ("waitFor", "waitFor=Output"),
            ("waitFor", "waitFor"),
            ("limitBytes", "limitBytes=0"),
            ("limitBytes", "limitBytes=1048577"),
            ("limitBytes", "after=0-0&limitBytes=x"),
            ("limit", "limit=5"),
        ] {
            let error = output(Some(bad)).unwrap_err();
            assert!(error.starts_with(&format!("{name}:")), "{bad}: {error}");
        }
    }
}
