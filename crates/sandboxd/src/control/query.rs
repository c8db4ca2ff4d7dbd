//! The one query parameter of the API.

use std::time::Duration;

/// Longest wait of a long poll, in milliseconds.
const MAX_WAIT_MS: u64 = 10_000;

/// Reads `waitMs`; no query means no wait. The error names the parameter.
pub fn wait(query: Option<&str>) -> Result<Duration, String> {
    let mut wait = Duration::ZERO;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "waitMs" {
            return Err(format!("{}: no such parameter", name.escape_default()));
        }
        let milliseconds = value
            .parse::<u64>()
            .ok()
            .filter(|milliseconds| *milliseconds <= MAX_WAIT_MS);
        wait = milliseconds
            .map(Duration::from_millis)
            .ok_or_else(|| format!("waitMs: must be 0 to {MAX_WAIT_MS}"))?;
    }
    Ok(wait)
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
}
