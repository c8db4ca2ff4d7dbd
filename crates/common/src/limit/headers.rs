//! What an answer says about the limit that counted its request.
//!
//! `RateLimit-Policy` and `RateLimit` have the form of draft-ietf-httpapi-ratelimit-headers-11: the policy's name with quota (`q`) and window in
//! seconds (`w`), and what is left of it (`r`) until the first of the counted requests leaves the window (`t`, seconds). `X-RateLimit-Limit`,
//! `-Remaining` and `-Reset` say the same the widespread way; `Reset` is a number of seconds, not a point in time, so that no clock has to agree with
//! ours. When nothing is left, `t`, `Reset` and `Retry-After` are the same number: whoever waits that long is admitted.

use super::{Class, Policy, Standing};

/// Names of these headers but `Retry-After`, which others may send too.
pub const NAMES: [&str; 5] = [
    "ratelimit-policy",
    "ratelimit",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];

/// Whether a header of this name speaks about limits, also by the names of earlier drafts. Only the edge may send it.
#[must_use]
pub fn is_about_limits(name: &str) -> bool {
    name == "ratelimit" || name.starts_with("ratelimit-") || name.starts_with("x-ratelimit-")
}

/// The headers in the order of [`NAMES`].
#[must_use]
pub fn values(class: Class, policy: Policy, standing: &Standing) -> [(&'static str, String); 5] {
    let (word, limit, remaining, wait) = (class.word(), policy.limit, standing.remaining, standing.wait_s());
    let [policies, current, x_limit, x_remaining, x_reset] = NAMES;
    [
        (policies, format!("\"{word}\";q={limit};w={}", policy.window_s())),
        (current, format!("\"{word}\";r={remaining};t={wait}")),
        (x_limit, limit.to_string()),
        (x_remaining, remaining.to_string()),
        (x_reset, wait.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::{NAMES, is_about_limits, values};
    use crate::limit::{Class, Policy, Standing};

    #[test]
    fn they_have_the_form_of_the_draft() {
        let standing = Standing {
            admitted: true,
            remaining: 59,
            wait_ms: 60_000,
        };
        let expected = [
            ("ratelimit-policy", r#""page";q=60;w=60"#),
            ("ratelimit", r#""page";r=59;t=60"#),
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", "59"),
            ("x-ratelimit-reset", "60"),
        ];
        let seen = values(Class::Page, Policy::new(60, 60), &standing);
        assert_eq!(seen.each_ref().map(|(name, _)| *name), NAMES);
        assert_eq!(seen.each_ref().map(|(name, value)| (*name, value.as_str())), expected);
    }

    #[test]
    fn every_name_of_theirs_is_the_edges() {
        assert!(NAMES.iter().all(|name| is_about_limits(name)));
        assert!(is_about_limits("ratelimit-remaining"));
        assert!(!is_about_limits("retry-after"));
        assert!(!is_about_limits("ratelimited"));
    }
}
