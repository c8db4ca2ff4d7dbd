//! How much each class allows: the variable `LIMITS` of the router.
//!
//! `default`, `test`, or changes to one of them: `page=120/60s;login=20/1m;asset=off`, `test;login=3/10s`. A window is a whole number of seconds
//! (`s`), minutes (`m`), hours (`h`) or days (`d`), up to 31 days; a limit is between 1 and a million. A class that is not named keeps what the
//! base says, and the base is `default` unless the text begins with another.

use super::class::Class;
use serde::{Deserialize, Serialize};

/// Longest window, in seconds: 31 days.
const LONGEST_S: u64 = 31 * 24 * 3600;
/// Largest limit.
const LARGEST: u32 = 1_000_000;
/// Limit of every class under `test`: whatever a test suite sends from one address, it meets none.
const TEST_LIMIT: u32 = 100_000;

/// At most `limit` requests within any `window_ms` milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// Requests, at least 1.
    pub limit: u32,
    /// Milliseconds, whole seconds.
    pub window_ms: u64,
}

impl Policy {
    /// `limit` requests in `seconds`; both are at least 1 and at most what a configuration may ask for.
    #[must_use]
    pub const fn new(limit: u32, seconds: u64) -> Self {
        let seconds = if seconds > LONGEST_S { LONGEST_S } else { seconds };
        let limit = if limit > LARGEST { LARGEST } else { limit };
        Self {
            limit: if limit == 0 { 1 } else { limit },
            window_ms: if seconds == 0 { 1_000 } else { seconds * 1_000 },
        }
    }

    /// The window in seconds.
    #[must_use]
    pub const fn window_s(self) -> u64 {
        self.window_ms / 1_000
    }

    /// The same within the bounds of [`Policy::new`]: for one that another worker stated.
    #[must_use]
    pub const fn bounded(self) -> Self {
        Self::new(self.limit, self.window_ms.div_ceil(1_000))
    }
}

/// The policy of every class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies([Option<Policy>; Class::ALL.len()]);

/// Why a text is no set of policies. Names the part that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// It is not `class=limit/window`.
    #[error("{0:?} is not of the form class=limit/window or class=off")]
    Form(String),
    /// There is no such class.
    #[error("{0:?} is no class of requests")]
    Class(String),
    /// It stands there twice.
    #[error("{0:?} stands there twice")]
    Twice(String),
    /// The limit is no whole number from 1 to a million.
    #[error("the limit in {0:?} is no whole number from 1 to 1000000")]
    Limit(String),
    /// The window is no whole number of seconds, minutes, hours or days, up to 31 days.
    #[error("the window in {0:?} is not 1s to 31d, a whole number with s, m, h or d")]
    Window(String),
}

impl Default for Policies {
    fn default() -> Self {
        Self(Class::ALL.map(|class| Some(Policy::new(usual(class), 60))))
    }
}

/// Requests a minute in production.
const fn usual(class: Class) -> u32 {
    match class {
        Class::Page | Class::Socket => 60,
        Class::Asset | Class::AdminRead => 600,
        Class::Api | Class::AdminWrite => 120,
        Class::Sandbox => 1_200,
        Class::AdminGuess => 20,
        Class::Login => 10,
    }
}

impl Policies {
    /// High enough for tests, and of the same form.
    #[must_use]
    pub fn test() -> Self {
        Self(Class::ALL.map(|_| Some(Policy::new(TEST_LIMIT, 60))))
    }

    /// The policy of a class; `None`: it is off.
    #[must_use]
    pub fn of(&self, class: Class) -> Option<Policy> {
        self.0.get(class as usize).copied().flatten()
    }

    /// Reads the variable; an empty or missing one is `default`.
    ///
    /// # Errors
    /// [`BadPolicy`], which names the part; nothing of the text counts then.
    pub fn parse(text: &str) -> Result<Self, BadPolicy> {
        let mut policies = Self::default();
        let mut named = Vec::new();
        let parts = text.split(';').map(str::trim).enumerate();
        for (place, part) in parts.filter(|(_, part)| !part.is_empty()) {
            match part {
                "default" if place == 0 => continue,
                "test" if place == 0 => {
                    policies = Self::test();
                    continue;
                }
                _ => {}
            }
            let (word, value) = part.split_once('=').ok_or_else(|| BadPolicy::Form(part.into()))?;
            let class = Class::named(word.trim()).ok_or_else(|| BadPolicy::Class(word.trim().into()))?;
            if named.contains(&class) {
                return Err(BadPolicy::Twice(class.word().into()));
            }
            named.push(class);
            let policy = match value.trim() {
                "off" => None,
                value => Some(policy(part, value)?),
            };
            if let Some(slot) = policies.0.get_mut(class as usize) {
                *slot = policy;
            }
        }
        Ok(policies)
    }
}

fn policy(part: &str, value: &str) -> Result<Policy, BadPolicy> {
    let (limit, window) = value.split_once('/').ok_or_else(|| BadPolicy::Form(part.into()))?;
    let limit = whole(limit.trim())
        .and_then(|limit| u32::try_from(limit).ok())
        .filter(|limit| (1..=LARGEST).contains(limit))
        .ok_or_else(|| BadPolicy::Limit(part.into()))?;
    let seconds = window_s(window.trim())
        .filter(|seconds| (1..=LONGEST_S).contains(seconds))
        .ok_or_else(|| BadPolicy::Window(part.into()))?;
    Ok(Policy::new(limit, seconds))
}

fn window_s(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 24 * 3_600,
        _ => return None,
    };
    whole(text.strip_suffix(unit)?)?.checked_mul(seconds)
}

/// Digits alone: no sign, no blank.
fn whole(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::{BadPolicy, Policies, Policy};
    use crate::limit::Class;
    use proptest::prelude::*;

    fn of(text: &str, class: Class) -> Option<Policy> {
        Policies::parse(text).unwrap().of(class)
    }

    #[test]
    fn the_defaults_are_those_of_the_design() {
        for text in ["", "default", " default ; "] {
            for (class, limit) in [
                (Class::Page, 60),
                (Class::Asset, 600),
                (Class::Socket, 60),
                (Class::Api, 120),
                (Class::Sandbox, 1_200),
                (Class::AdminRead, 600),
                (Class::AdminWrite, 120),
                (Class::Login, 10),
            ] {
                assert_eq!(of(text, class), Some(Policy::new(limit, 60)), "{text} {class:?}");
            }
        }
    }

    #[test]
    fn what_is_named_changes_and_the_rest_stays() {
        let text = "page=5/10s; login = 3/2m ;asset=off;api=7/1h;sandbox=1/31d";
        assert_eq!(of(text, Class::Page), Some(Policy::new(5, 10)));
        assert_eq!(of(text, Class::Login), Some(Policy::new(3, 120)));
        assert_eq!(of(text, Class::Asset), None);
        assert_eq!(of(text, Class::Api), Some(Policy::new(7, 3_600)));
        assert_eq!(of(text, Class::Sandbox), Some(Policy::new(1, 31 * 86_400)));
        assert_eq!(of(text, Class::AdminRead), Some(Policy::new(600, 60)));
        assert_eq!(of("test;page=5/10s", Class::Page), Some(Policy::new(5, 10)));
        assert!(of("test;page=5/10s", Class::Login).is_some_and(|policy| policy.limit >= 1_000));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let form = |part: &str| BadPolicy::Form(part.into());
        let limit = |part: &str| BadPolicy::Limit(part.into());
        let window = |part: &str| BadPolicy::Window(part.into());
        for (text, error) in [
            ("none", form("none")),
            ("off", form("off")),
            ("page=60", form("page=60")),
            ("page=5/10s;test", form("test")),
            ("test;default", form("default")),
            ("pages=60/60s", BadPolicy::Class("pages".into())),
            ("=60/60s", BadPolicy::Class(String::new())),
            ("page=60/60s;api=1/1s;page=off", BadPolicy::Twice("page".into())),
            ("page=0/60s", limit("page=0/60s")),
            ("page=-1/60s", limit("page=-1/60s")),
            ("page=+1/60s", limit("page=+1/60s")),
            ("page=1000001/60s", limit("page=1000001/60s")),
            ("page=/60s", limit("page=/60s")),
            ("page=99999999999999999999/60s", limit("page=99999999999999999999/60s")),
            ("page=60/60", window("page=60/60")),
            ("page=60/0s", window("page=60/0s")),
            ("page=60/32d", window("page=60/32d")),
            ("page=60/1.5h", window("page=60/1.5h")),
            ("page=60/s", window("page=60/s")),
            ("page=60/60ms", window("page=60/60ms")),
            ("page=60/60s/60s", window("page=60/60s/60s")),
            ("page=60/18446744073709551615d", window("page=60/18446744073709551615d")),
        ] {
            assert_eq!(Policies::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_another_worker_states_is_kept_within_bounds() {
        let stated = |limit, window_ms| Policy { limit, window_ms }.bounded();
        assert_eq!(stated(0, 0), Policy::new(1, 1));
        assert_eq!(stated(u32::MAX, u64::MAX), Policy::new(1_000_000, 31 * 86_400));
        assert_eq!(stated(5, 1_001), Policy::new(5, 2));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = Policies::parse(&text);
        }
    }
}
