//! What came of counting one request, and what the caller is told when it was one too many.

use super::{Class, Policy};
use crate::problem::Problem;
use serde::{Deserialize, Serialize};

/// Where a counter stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Whether the request is admitted. Only then it was counted.
    pub admitted: bool,
    /// Requests that would be admitted now.
    pub remaining: u32,
    /// Milliseconds until there is one more than `remaining`: for a refused request, until it would be admitted.
    pub wait_ms: u64,
}

impl Standing {
    /// `wait_ms` in seconds, rounded up and at least 1: whoever waits that long does not come too early.
    #[must_use]
    pub fn wait_s(&self) -> u32 {
        u32::try_from(self.wait_ms.div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
    }
}

/// 429 with the fields of the older API: `error` and, in seconds, `retryAfter`.
#[must_use]
pub fn rate_limited(class: Class, policy: Policy, standing: &Standing) -> Problem {
    let (limit, seconds, wait) = (policy.limit, policy.window_s(), standing.wait_s());
    let plural = if limit == 1 { "" } else { "s" };
    let text = format!(
        "At most {limit} request{plural} of the class {} within {seconds} s. Try again in {wait} s.",
        class.word()
    );
    Problem::new(429, "rate_limited", text)
        .labelled("Rate limit exceeded")
        .retry_after(wait)
}

/// 503 for a request that must be counted and cannot be.
#[must_use]
pub fn unavailable(class: Class) -> Problem {
    let text = format!(
        "Requests of the class {} cannot be counted just now, so none is admitted. Nothing was done; try again in a moment.",
        class.word()
    );
    Problem::new(503, "limiter_unavailable", text).retry_after(2)
}

#[cfg(test)]
mod tests {
    use super::{Standing, rate_limited};
    use crate::limit::{Class, Policy};

    #[test]
    fn a_refusal_keeps_the_fields_of_the_older_api() {
        let standing = Standing {
            admitted: false,
            remaining: 0,
            wait_ms: 1_001,
        };
        let body = rate_limited(Class::Page, Policy::new(60, 60), &standing).json();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"], "Rate limit exceeded");
        assert_eq!(body["retryAfter"], 2);
        assert_eq!(body["code"], "rate_limited");
        assert_eq!(body["status"], 429);
    }

    #[test]
    fn nobody_is_told_to_come_too_early() {
        let wait = |wait_ms| {
            let standing = Standing {
                admitted: false,
                remaining: 0,
                wait_ms,
            };
            standing.wait_s()
        };
        assert_eq!([0, 1, 999, 1_000, 1_001].map(wait), [1, 1, 1, 1, 2]);
    }
}
