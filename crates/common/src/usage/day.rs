//! Days of UTC, by which usage is counted: every day has 86,400 seconds, as the clocks of the platform count them.

use crate::time::Millis;
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;

/// A day, counted from 1970-01-01. `2026-01-31` in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Day {
    /// The last one that is told apart: 9999-12-31.
    pub const LAST: Self = Self(2_932_896);

    /// The day of this point in time.
    #[must_use]
    pub fn of(at: Millis) -> Self {
        let days = u32::try_from(at.0 / DAY_MS).unwrap_or(u32::MAX);
        Self(days).min(Self::LAST)
    }

    /// Its first millisecond.
    #[must_use]
    pub const fn start(self) -> Millis {
        Millis(self.0 as u64 * DAY_MS)
    }

    /// The day after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The day `days` before it.
    #[must_use]
    pub const fn before(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// The first day of its month.
    #[must_use]
    pub fn month(self) -> Self {
        self.date()
            .and_then(|date| date.with_day(1))
            .and_then(Self::of_date)
            .unwrap_or(self)
    }

    /// The first day of the month after its own.
    #[must_use]
    pub fn next_month(self) -> Self {
        // From the first of a month, 31 days later is always in the next one.
        Self(self.month().0.saturating_add(31)).month()
    }

    /// Reads `2026-01-31`; `None` for anything else, and for what lies before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Self::of_date(date).filter(|_| plain)
    }

    fn date(self) -> Option<NaiveDate> {
        i32::try_from(self.0).ok().and_then(NaiveDate::from_epoch_days)
    }

    fn of_date(date: NaiveDate) -> Option<Self> {
        u32::try_from(date.to_epoch_days()).ok().map(Self)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => write!(f, "{}", date.format("%Y-%m-%d")),
            None => f.write_str("9999-12-31"),
        }
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("must be a day such as 2026-01-31"))
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, Day};
    use crate::time::Millis;
    use proptest::prelude::*;

    #[test]
    fn days_and_months_begin_at_midnight_of_utc() {
        let at = Millis::parse_iso("2026-03-01T00:59:59.999+01:00").unwrap();
        let day = Day::of(at);
        assert_eq!(day.to_string(), "2026-02-28");
        assert_eq!(day.next().to_string(), "2026-03-01");
        assert_eq!(day.month().to_string(), "2026-02-01");
        assert_eq!(day.next_month().to_string(), "2026-03-01");
        assert_eq!(Day::parse("2026-12-31").unwrap().next_month().to_string(), "2027-01-01");
        assert_eq!(Day::parse("2024-02-29").unwrap().next_month().to_string(), "2024-03-01");
    }

    #[test]
    fn only_plain_days_are_read() {
        for bad in [
            "",
            "2026-1-31",
            "2026-02-30",
            "2026-13-01",
            "1969-12-31",
            "+026-01-01",
            "2026-01-31T00:00:00Z",
            "20260131",
        ] {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
        assert_eq!(Day::parse("1970-01-01"), Some(Day(0)));
        assert_eq!(serde_json::to_string(&Day(0)).unwrap(), "\"1970-01-01\"");
    }

    #[test]
    fn the_far_end_is_told_and_read() {
        assert_eq!(Day::of(Millis(u64::MAX)).to_string(), "9999-12-31");
        assert_eq!(Day::parse("9999-12-31"), Some(Day::LAST));
    }

    proptest! {
        #[test]
        fn every_moment_is_in_one_day_and_one_month(at in 0_u64..4_000_000_000_000) {
            let day = Day::of(Millis(at));
            prop_assert!(day.start().0 <= at && at < day.start().0 + DAY_MS);
            prop_assert!(day.month() <= day && day < day.next_month());
            prop_assert_eq!(day.next_month().month(), day.next_month());
            prop_assert_eq!(Day::parse(&day.to_string()), Some(day));
        }
    }
}
