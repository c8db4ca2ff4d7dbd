//! Whether one more call to a provider is admitted: by the user's budget, by how many are under way, and by how many there were in this minute.
//!
//! A request is counted where it is admitted, in the same transaction as this decision, so a budget of n admits exactly n however many ask at once, and
//! one that nobody ever told the end of is a request all the same.

use molt_common::problem::Problem;
use molt_common::time::Millis;
use molt_common::usage::Budget;
use molt_common::usage::day::Day;
use serde::{Deserialize, Serialize};

/// The span of [`Limits::per_minute`].
pub const MINUTE_MS: u64 = 60_000;
/// A call whose end nobody told is not under way any more after this long.
pub const LONGEST_CALL_MS: u64 = 3_600_000;
/// Per cent of a limit from which on warnings are given, where a budget says nothing.
pub const WARN_AT_PERCENT: u8 = 80;
/// Whoever has too many calls under way is to try again after so many seconds.
const SOON_S: u32 = 1;

/// What every user's sandbox may do, whatever his budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls within any minute.
    pub per_minute: u64,
    /// Calls at once.
    pub at_once: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_minute: 600,
            at_once: 128,
        }
    }
}

/// What there is already. Rows of [`super::tables::COUNTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Calls admitted today.
    pub requests_today: u64,
    /// Tokens of calls admitted today, in and out, as far as they were told.
    pub tokens_today: u64,
    /// The same of this month.
    pub tokens_month: u64,
    /// Calls admitted in the last minute.
    pub in_minute: u64,
    /// When the first of them was admitted.
    pub minute_began: Option<u64>,
    /// Calls of this start that have not ended.
    pub under_way: u64,
    /// Calls of this name.
    pub known: u64,
}

/// What is to be done with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Count it and let it go on; with a warning when a limit is near.
    Admit {
        /// For the agent.
        warning: Option<String>,
    },
    /// It was counted already: let it go on.
    Again,
    /// Refuse it. Nothing is counted.
    Refuse(Box<Problem>),
}

/// One limit of a budget.
struct Line {
    field: &'static str,
    what: &'static str,
    limit: Option<u64>,
    used: u64,
    resets: Day,
}

/// Decides about a call that wants to begin now.
#[must_use]
pub fn decide(budget: &Budget, limits: Limits, counts: &Counts, now: Millis) -> Decision {
    if counts.known > 0 {
        return Decision::Again;
    }
    let lines = lines(budget, counts, Day::of(now));
    if let Some(problem) = lines.iter().find_map(|line| line.exhausted(now)) {
        return Decision::Refuse(Box::new(problem));
    }
    if counts.under_way >= limits.at_once {
        let text = format!(
            "{} calls to providers are under way, as many as one sandbox may have at once.",
            counts.under_way
        );
        let problem = Problem::new(429, "too_many_calls", text).retry_after(SOON_S);
        return Decision::Refuse(Box::new(problem));
    }
    if counts.in_minute >= limits.per_minute {
        let text = format!(
            "{} calls to providers were made within a minute, as many as one sandbox may make.",
            counts.in_minute
        );
        let free = Millis(counts.minute_began.unwrap_or(now.0)).plus(MINUTE_MS);
        let problem = Problem::new(429, "rate_limited", text).retry_after(seconds(free.since(now)));
        return Decision::Refuse(Box::new(problem));
    }
    let at = budget.warn_at_percent.unwrap_or(WARN_AT_PERCENT);
    // With this one, which is counted now.
    let with_it = Counts {
        requests_today: counts.requests_today.saturating_add(1),
        ..counts.clone()
    };
    let near: Vec<String> = self::lines(budget, &with_it, Day::of(now))
        .iter()
        .filter_map(|line| line.near(at))
        .collect();
    Decision::Admit {
        warning: (!near.is_empty()).then(|| near.join("; ")),
    }
}

/// What of a budget is nearly or wholly used up, in words; `None` when nothing is.
#[must_use]
pub fn warning(budget: &Budget, counts: &Counts, now: Millis) -> Option<String> {
    let at = budget.warn_at_percent.unwrap_or(WARN_AT_PERCENT);
    let near: Vec<String> = lines(budget, counts, Day::of(now))
        .iter()
        .filter_map(|line| line.near(at))
        .collect();
    (!near.is_empty()).then(|| near.join("; "))
}

fn lines(budget: &Budget, counts: &Counts, today: Day) -> [Line; 3] {
    [
        Line {
            field: "requestsPerDay",
            what: "requests of today",
            limit: budget.requests_per_day,
            used: counts.requests_today,
            resets: today.next(),
        },
        Line {
            field: "tokensPerDay",
            what: "tokens of today",
            limit: budget.tokens_per_day,
            used: counts.tokens_today,
            resets: today.next(),
        },
        Line {
            field: "tokensPerMonth",
            what: "tokens of this month",
            limit: budget.tokens_per_month,
            used: counts.tokens_month,
            resets: today.next_month(),
        },
    ]
}

impl Line {
    fn text(&self, limit: u64) -> String {
        format!(
            "{} of {limit} {} are used (counted anew from {})",
            self.used,
            self.what,
            self.resets.start().iso()
        )
    }

    fn exhausted(&self, now: Millis) -> Option<Problem> {
        let limit = self.limit.filter(|limit| self.used >= *limit)?;
        let text = format!("The budget is used up: {}.", self.text(limit));
        let mut problem =
            Problem::new(402, "budget_exhausted", text).retry_after(seconds(self.resets.start().since(now)));
        problem.field = Some(self.field.into());
        Some(problem)
    }

    fn near(&self, percent: u8) -> Option<String> {
        let limit = self.limit?;
        let near = u128::from(self.used) * 100 >= u128::from(limit) * u128::from(percent);
        near.then(|| self.text(limit))
    }
}

/// Whole seconds, at least one, so that nobody comes back too early.
fn seconds(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::{Counts, Decision, Limits, decide};
    use molt_common::problem::Problem;
    use molt_common::time::Millis;
    use molt_common::usage::Budget;

    const LIMITS: Limits = Limits {
        per_minute: 10,
        at_once: 4,
    };

    fn noon() -> Millis {
        Millis::parse_iso("2026-02-28T12:00:00Z").unwrap()
    }

    fn refused(budget: &Budget, counts: &Counts) -> Problem {
        match decide(budget, LIMITS, counts, noon()) {
            Decision::Refuse(problem) => *problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_budget_that_is_used_up_says_which_how_far_and_until_when() {
        let budget = Budget {
            requests_per_day: Some(100),
            ..Budget::default()
        };
        let counts = Counts {
            requests_today: 100,
            ..Counts::default()
        };
        let problem = refused(&budget, &counts);
        assert_eq!((problem.status, problem.code.as_str()), (402, "budget_exhausted"));
        assert_eq!(problem.field.as_deref(), Some("requestsPerDay"));
        assert_eq!(problem.retry_after, Some(12 * 3_600));
        let says = "100 of 100 requests of today are used (counted anew from 2026-03-01T00:00:00.000Z)";
        assert!(problem.detail.contains(says), "{}", problem.detail);

        let budget = Budget {
            tokens_per_month: Some(5),
            ..Budget::default()
        };
        let counts = Counts {
            tokens_month: 9,
            ..Counts::default()
        };
        let problem = refused(&budget, &counts);
        assert_eq!(problem.field.as_deref(), Some("tokensPerMonth"));
        assert!(
            problem.detail.contains("9 of 5 tokens of this month"),
            "{}",
            problem.detail
        );
        assert!(problem.detail.contains("2026-03-01"), "{}", problem.detail);
    }

    #[test]
    fn nothing_is_admitted_by_a_budget_of_nothing_and_anything_by_none() {
        let nothing = Budget {
            requests_per_day: Some(0),
            ..Budget::default()
        };
        assert_eq!(refused(&nothing, &Counts::default()).status, 402);
        let counts = Counts {
            requests_today: u64::MAX,
            tokens_today: u64::MAX,
            tokens_month: u64::MAX,
            ..Counts::default()
        };
        let none = decide(&Budget::default(), LIMITS, &counts, noon());
        assert_eq!(none, Decision::Admit { warning: None });
    }

    #[test]
    fn a_warning_is_given_from_the_percentage_on_with_this_call() {
        let warned = |used, percent| {
            let budget = Budget {
                requests_per_day: Some(10),
                warn_at_percent: percent,
                ..Budget::default()
            };
            let counts = Counts {
                requests_today: used,
                ..Counts::default()
            };
            match decide(&budget, LIMITS, &counts, noon()) {
                Decision::Admit { warning } => warning,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(warned(6, None), None);
        let text = warned(7, None).unwrap();
        assert!(text.starts_with("8 of 10 requests of today"), "{text}");
        assert_eq!(warned(7, Some(90)), None);
        assert!(warned(8, Some(90)).is_some());
        assert!(warned(0, Some(1)).is_some());
    }

    #[test]
    fn too_many_at_once_or_in_a_minute_are_told_when_to_come_again() {
        let counts = Counts {
            under_way: 4,
            ..Counts::default()
        };
        let problem = refused(&Budget::default(), &counts);
        assert_eq!((problem.status, problem.code.as_str()), (429, "too_many_calls"));
        assert_eq!(problem.retry_after, Some(1));
        let counts = Counts {
            in_minute: 10,
            minute_began: Some(noon().0 - 20_500),
            ..Counts::default()
        };
        let problem = refused(&Budget::default(), &counts);
        assert_eq!((problem.status, problem.code.as_str()), (429, "rate_limited"));
        assert_eq!(problem.retry_after, Some(40));
    }

    #[test]
    fn the_same_call_again_is_not_another_one() {
        let nothing = Budget {
            requests_per_day: Some(0),
            ..Budget::default()
        };
        let counts = Counts {
            known: 1,
            under_way: 4,
            ..Counts::default()
        };
        assert_eq!(decide(&nothing, LIMITS, &counts, noon()), Decision::Again);
    }
}
