//! What calls to providers take, and what a user may use. Counted by the user's `Sandbox` object.

pub mod day;
pub mod range;
pub mod rates;

use crate::problem::Problem;
use serde::{Deserialize, Serialize};

/// What one call took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallUsage {
    /// Status of the provider's answer; `None` when it gave none.
    pub status: Option<u16>,
    /// Model that the answer names, else the one that was asked for, where either could be read.
    pub model: Option<String>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body that were passed on.
    pub answer_bytes: u64,
    /// As the answer states them; `None` when it states none.
    pub tokens: Option<Tokens>,
    /// Whether the answer came to its end.
    pub complete: bool,
    /// Whether the user's own key was shown.
    pub own_key: bool,
}

/// Tokens as a provider states them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tokens {
    /// What was asked, all of it, cached or not.
    pub input: u64,
    /// Of `input`: what came from a cache of the provider.
    pub cached_input: u64,
    /// What was answered.
    pub output: u64,
}

/// How far a user may go. What is `None` is not limited. Days and months are those of UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Budget {
    /// Calls to providers in a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<u64>,
    /// Tokens, in and out, in a day. A call that begins below it is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// Tokens, in and out, in a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_month: Option<u64>,
    /// Per cent of a limit from which on warnings are given; 80 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_at_percent: Option<u8>,
}

/// Largest number of a budget: what JSON of every client holds exactly.
pub const LARGEST_LIMIT: u64 = 9_007_199_254_740_991;

impl Budget {
    /// Checks what somebody wants to set.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn check(&self) -> Result<(), Problem> {
        let limits = [
            ("requestsPerDay", self.requests_per_day),
            ("tokensPerDay", self.tokens_per_day),
            ("tokensPerMonth", self.tokens_per_month),
        ];
        if limits.iter().all(|(_, limit)| limit.is_none()) {
            let text = "limits nothing: requestsPerDay, tokensPerDay or tokensPerMonth";
            return Err(Problem::invalid("body", text));
        }
        for (field, limit) in limits {
            if limit.is_some_and(|limit| limit > LARGEST_LIMIT) {
                return Err(Problem::invalid(field, format!("must be at most {LARGEST_LIMIT}")));
            }
        }
        match self.warn_at_percent {
            None | Some(1..=100) => Ok(()),
            Some(_) => Err(Problem::invalid("warnAtPercent", "must be from 1 to 100")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    fn refused(body: &str) -> Option<String> {
        let budget: Budget = serde_json::from_str(body).unwrap();
        budget.check().err().and_then(|problem| problem.field)
    }

    #[test]
    fn a_budget_limits_something_within_bounds() {
        assert_eq!(refused(r#"{"requestsPerDay": 0}"#), None);
        assert_eq!(refused(r#"{"tokensPerMonth": 5, "warnAtPercent": 100}"#), None);
        for (body, field) in [
            ("{}", "body"),
            (r#"{"warnAtPercent": 50}"#, "body"),
            (r#"{"requestsPerDay": 1, "warnAtPercent": 0}"#, "warnAtPercent"),
            (r#"{"requestsPerDay": 1, "warnAtPercent": 101}"#, "warnAtPercent"),
            (r#"{"tokensPerDay": 9007199254740992}"#, "tokensPerDay"),
        ] {
            assert_eq!(refused(body).as_deref(), Some(field), "{body}");
        }
    }
}
