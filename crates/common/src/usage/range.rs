//! The days that a question about costs is for.

use super::day::Day;
use crate::problem::Problem;

/// Most days of one question.
pub const MOST_DAYS: u32 = 366;
/// Days of a question that names none.
pub const USUAL_DAYS: u32 = 30;

/// Days, both ends among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub from: Day,
    /// The last.
    pub to: Day,
}

impl Range {
    /// Reads `from` and `to`, or `days` up to today. Without any the last thirty, today among them.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub fn read(from: Option<&str>, to: Option<&str>, days: Option<&str>, today: Day) -> Result<Self, Problem> {
        if let Some(days) = days {
            if from.is_some() || to.is_some() {
                return Err(Problem::invalid("days", "goes without from and to"));
            }
            let plain = days.bytes().all(|byte| byte.is_ascii_digit());
            return match days.parse::<u32>() {
                Ok(days @ 1..=MOST_DAYS) if plain => Ok(Self::up_to(today, days)),
                _ => Err(Problem::invalid("days", format!("must be from 1 to {MOST_DAYS}"))),
            };
        }
        let to = match to {
            Some(text) => day("to", text)?,
            // Who asks from some day on means until now.
            None => today,
        };
        let Some(from) = from else {
            return Ok(Self::up_to(to, USUAL_DAYS));
        };
        let from = day("from", from)?;
        if from > to {
            return Err(Problem::invalid(
                "from",
                format!("is after {to}, the last day asked for"),
            ));
        }
        let range = Self { from, to };
        if range.days() > MOST_DAYS {
            let text = format!("is too early: one question is about {MOST_DAYS} days at most");
            return Err(Problem::invalid("from", text));
        }
        Ok(range)
    }

    const fn up_to(to: Day, days: u32) -> Self {
        Self {
            from: to.before(days.saturating_sub(1)),
            to,
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn days(&self) -> u32 {
        self.to.0.saturating_sub(self.from.0).saturating_add(1)
    }

    /// Those that have come; `None` where none has.
    #[must_use]
    pub fn until(self, today: Day) -> Option<Self> {
        (self.from <= today).then(|| Self {
            to: self.to.min(today),
            ..self
        })
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Day> + use<> {
        (self.from.0..=self.to.0).map(Day)
    }
}

fn day(name: &str, text: &str) -> Result<Day, Problem> {
    Day::parse(text).ok_or_else(|| Problem::invalid(name, "must be a day such as 2026-01-31"))
}

#[cfg(test)]
mod tests {
    use super::Range;
    use crate::usage::day::Day;

    fn read(from: Option<&str>, to: Option<&str>, days: Option<&str>) -> Result<(String, String), String> {
        let today = Day::parse("2026-03-10").unwrap();
        Range::read(from, to, days, today)
            .map(|range| (range.from.to_string(), range.to.to_string()))
            .map_err(|problem| problem.field.unwrap_or_default())
    }

    #[test]
    fn both_ends_are_among_the_days() {
        let said = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(read(None, None, None), said("2026-02-09", "2026-03-10"));
        assert_eq!(read(None, None, Some("1")), said("2026-03-10", "2026-03-10"));
        assert_eq!(read(Some("2026-03-01"), None, None), said("2026-03-01", "2026-03-10"));
        assert_eq!(read(None, Some("2026-01-30"), None), said("2026-01-01", "2026-01-30"));
        let year = read(Some("2025-01-01"), Some("2026-01-01"), None);
        assert_eq!(year, said("2025-01-01", "2026-01-01"));
    }

    #[test]
    fn days_to_come_are_no_days_yet() {
        let today = Day::parse("2026-03-10").unwrap();
        for (from, to, until) in [
            ("2026-03-01", "2026-03-09", Some("2026-03-09")),
            ("2026-03-01", "2026-03-31", Some("2026-03-10")),
            ("2026-03-10", "2026-03-11", Some("2026-03-10")),
            ("2026-03-11", "2026-03-11", None),
            ("2030-01-01", "2030-01-31", None),
        ] {
            let range = Range::read(Some(from), Some(to), None, today).unwrap();
            let until = until.map(|to| Range {
                from: range.from,
                to: Day::parse(to).unwrap(),
            });
            assert_eq!(range.until(today), until, "{from} {to}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, days, field) in [
            (Some("2026-03-11"), None, None, "from"),
            (Some("2026-02-02"), Some("2026-02-01"), None, "from"),
            (Some("2025-01-01"), Some("2026-01-02"), None, "from"),
            (Some("yesterday"), None, None, "from"),
            (None, Some("2026-02-30"), None, "to"),
            (None, Some(""), None, "to"),
            (None, None, Some("0"), "days"),
            (None, None, Some("367"), "days"),
            (None, None, Some("+3"), "days"),
            (Some("2026-03-01"), None, Some("3"), "days"),
        ] {
            assert_eq!(read(from, to, days), Err(field.to_owned()), "{from:?} {to:?} {days:?}");
        }
    }
}
