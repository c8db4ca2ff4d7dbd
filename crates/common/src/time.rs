//! Points in time as they travel between the parts: epoch milliseconds inside, ISO-8601 UTC with milliseconds outside.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The point `ms` milliseconds later; stays at the far end instead of wrapping.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to here, 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since the epoch, as JWT claims count.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Reads ISO-8601 (RFC 3339) with any offset; `None` for anything else and for what lies before 1970.
    #[must_use]
    pub fn parse_iso(text: &str) -> Option<Self> {
        let at = DateTime::parse_from_rfc3339(text).ok()?;
        u64::try_from(at.timestamp_millis()).ok().map(Self)
    }

    /// `Sat, 31 Jan 2026 12:00:00 GMT`, as HTTP headers state times.
    #[must_use]
    pub fn http_date(self) -> String {
        let seconds = i64::try_from(self.seconds()).unwrap_or(i64::MAX);
        DateTime::<Utc>::from_timestamp(seconds, 0)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
            .format("%a, %d %b %Y %H:%M:%S GMT")
            .to_string()
    }

    /// `2026-01-31T12:00:00.000Z`.
    #[must_use]
    pub fn iso(self) -> String {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        DateTime::<Utc>::from_timestamp_millis(ms)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
            .to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

#[cfg(test)]
mod tests {
    use super::Millis;

    #[test]
    fn formats_with_milliseconds_and_z() {
        assert_eq!(Millis(0).iso(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Millis(1_767_225_600_007).iso(), "2026-01-01T00:00:00.007Z");
        assert_eq!(Millis(1_767_225_600_007).http_date(), "Thu, 01 Jan 2026 00:00:00 GMT");
    }

    #[test]
    fn reads_what_it_writes_and_offsets() {
        let at = Millis(1_767_225_600_007);
        assert_eq!(Millis::parse_iso(&at.iso()), Some(at));
        assert_eq!(Millis::parse_iso("2026-01-01T02:00:00.007+02:00"), Some(at));
        for bad in [
            "",
            "2026-01-01",
            "tomorrow",
            "1960-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
        ] {
            assert_eq!(Millis::parse_iso(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_far_end_does_not_panic() {
        assert!(Millis(u64::MAX).iso().ends_with('Z'));
        assert_eq!(Millis(u64::MAX).plus(1), Millis(u64::MAX));
        assert_eq!(Millis(1).since(Millis(5)), 0);
    }
}
