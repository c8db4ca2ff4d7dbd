//! Whether what was seen during a step is good enough to widen it. Pure.

use serde::Serialize;

/// Requests that were made to watch a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// All of them.
    pub asked: u32,
    /// Those that got no answer, or not the right one.
    pub failed: u32,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it so far.
    Fine,
    /// Too many failed, whatever the rest will say.
    TooMany,
    /// Nothing was seen, which is no reason to go on.
    NothingSeen,
}

impl Watched {
    /// Counts one.
    pub fn count(&mut self, good: bool) {
        self.asked = self.asked.saturating_add(1);
        self.failed = self.failed.saturating_add(u32::from(!good));
    }

    /// Share of failures, 0 to 1; 0 when nothing was asked.
    #[must_use]
    pub fn rate(self) -> f64 {
        if self.asked == 0 {
            return 0.0;
        }
        f64::from(self.failed) / f64::from(self.asked)
    }

    /// Judges before the end: as soon as even `to_come` good answers could not mend the rate, there is nothing to wait for.
    #[must_use]
    pub fn so_far(self, to_come: u32, highest: f64) -> Verdict {
        let best = Self {
            asked: self.asked.saturating_add(to_come),
            failed: self.failed,
        };
        if best.rate() > highest {
            Verdict::TooMany
        } else {
            Verdict::Fine
        }
    }

    /// Judges at the end.
    #[must_use]
    pub fn at_the_end(self, highest: f64) -> Verdict {
        match self.asked {
            0 => Verdict::NothingSeen,
            _ => self.so_far(0, highest),
        }
    }
}

/// Reads a share: 0 to 1, or a percentage with its sign.
///
/// # Errors
/// A sentence about what is wrong.
pub fn parse_rate(text: &str) -> Result<f64, &'static str> {
    let (number, divisor) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let rate = number.trim().parse::<f64>().ok().map(|number| number / divisor);
    rate.filter(|rate| (0.0..=1.0).contains(rate))
        .ok_or("must be a share such as 0.01, or a percentage such as 1%")
}

#[cfg(test)]
mod tests {
    use super::{Verdict, Watched, parse_rate};
    use proptest::prelude::*;

    #[test]
    fn a_rate_is_a_share_or_a_percentage() {
        assert_eq!(parse_rate("0.01"), Ok(0.01));
        assert_eq!(parse_rate("1%"), Ok(0.01));
        assert_eq!(parse_rate("0"), Ok(0.0));
        assert_eq!(parse_rate("1"), Ok(1.0));
        for bad in ["", "x", "-1", "2", "101%", "NaN", "inf", "%", "1 %%"] {
            assert!(parse_rate(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_seen_is_not_good() {
        assert_eq!(Watched::default().at_the_end(1.0), Verdict::NothingSeen);
    }

    #[test]
    fn exactly_the_highest_rate_is_allowed() {
        let watched = Watched { asked: 100, failed: 1 };
        assert_eq!(watched.at_the_end(0.01), Verdict::Fine);
        assert_eq!(watched.at_the_end(0.009), Verdict::TooMany);
        assert_eq!(Watched { asked: 1, failed: 1 }.at_the_end(0.0), Verdict::TooMany);
    }

    proptest! {
        /// Stopping early never says otherwise than the end would have said.
        #[test]
        fn early_and_late_verdicts_agree(answers in prop::collection::vec(prop::bool::weighted(0.9), 1..200), highest in 0.0..0.5) {
            let mut watched = Watched::default();
            let mut stopped = false;
            for (index, good) in answers.iter().enumerate() {
                watched.count(*good);
                let to_come = u32::try_from(answers.len() - index - 1).unwrap();
                stopped |= watched.so_far(to_come, highest) == Verdict::TooMany;
            }
            prop_assert_eq!(stopped, watched.at_the_end(highest) == Verdict::TooMany);
            prop_assert_eq!(watched.failed as usize, answers.iter().filter(|good| !**good).count());
        }
    }
}
