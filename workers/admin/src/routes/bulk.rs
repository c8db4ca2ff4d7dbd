//! Work for many users: what its kinds have in common.

pub mod config;
pub mod exec;
pub mod restart;

use crate::bulk_job::calls::Target;
use crate::respond::Failure;
use crate::users;
use molt_common::api::bulk::CONCURRENCY_DEFAULT;
use molt_common::id::UserId;
use molt_common::problem::Problem;
use molt_lifecycle::bulk::{BulkLimits, MOST_AT_ONCE, MOST_CHILDREN};
use std::collections::{HashMap, HashSet};
use worker::Env;

/// Longest pause between the beginning of one part and of the next, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 600_000;

/// How the parts are run.
fn limits(
    concurrency: Option<u32>,
    stop_after_failures: Option<u32>,
    delay_ms: Option<u64>,
) -> Result<BulkLimits, Problem> {
    let concurrency = concurrency.unwrap_or(CONCURRENCY_DEFAULT);
    if !(1..=MOST_AT_ONCE).contains(&concurrency) {
        return Err(Problem::invalid(
            "concurrency",
            format!("must be from 1 to {MOST_AT_ONCE}"),
        ));
    }
    if stop_after_failures == Some(0) {
        return Err(Problem::invalid("stopAfterFailures", "must be at least 1"));
    }
    let pause_ms = delay_ms.unwrap_or_default();
    if pause_ms > LONGEST_PAUSE_MS {
        return Err(Problem::invalid(
            "delayMs",
            format!("must be from 0 to {LONGEST_PAUSE_MS}"),
        ));
    }
    Ok(BulkLimits {
        concurrency,
        stop_after_failures,
        pause_ms,
    })
}

/// Everybody who is meant when nobody is named; `who` says so to whoever finds none.
fn all(found: Vec<(UserId, u8)>, who: &str) -> Result<Vec<Target>, Problem> {
    match found.len() {
        0 => Err(Problem::invalid("userIds", format!("is absent, and there is no {who}"))),
        count if count > MOST_CHILDREN => Err(Problem::invalid(
            "userIds",
            format!("is absent, and there are more than {MOST_CHILDREN}: name them in several jobs"),
        )),
        _ => Ok(found.into_iter().map(target).collect()),
    }
}

/// Those who are named, each once; `field` is where.
async fn named(env: &Env, field: &str, wanted: &[UserId]) -> Result<Vec<Target>, Failure> {
    if !(1..=MOST_CHILDREN).contains(&wanted.len()) {
        return Err(Problem::invalid(field, format!("must name 1 to {MOST_CHILDREN} users")).into());
    }
    let mut seen = HashSet::with_capacity(wanted.len());
    if let Some(index) = wanted.iter().position(|user| !seen.insert(*user)) {
        return Err(Problem::invalid(&format!("{field}[{index}]"), "names a user for the second time").into());
    }
    let tiers: HashMap<UserId, u8> = users::tiers(env, wanted).await?.into_iter().collect();
    let found = wanted.iter().enumerate().map(|(index, user)| match tiers.get(user) {
        Some(tier) => Ok(target((*user, *tier))),
        None => Err(Problem::invalid(&format!("{field}[{index}]"), "names nobody").into()),
    });
    found.collect()
}

const fn target((user_id, tier): (UserId, u8)) -> Target {
    Target { user_id, tier }
}

#[cfg(test)]
mod tests {
    use super::{all, limits};
    use molt_common::id::UserId;

    #[test]
    fn limits_have_bounds() {
        let pause = |delay_ms| limits(None, None, delay_ms).ok().map(|limits| limits.pause_ms);
        assert_eq!(pause(None), Some(0));
        assert_eq!(pause(Some(600_000)), Some(600_000));
        assert_eq!(pause(Some(600_001)), None);
        assert!(limits(Some(51), None, None).is_err() && limits(Some(0), None, None).is_err());
        assert!(limits(None, Some(0), None).is_err());
    }

    #[test]
    fn everybody_is_neither_nobody_nor_too_many() {
        let user = UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap_or_else(|_| unreachable!());
        assert!(all(vec![], "active user").is_err());
        assert_eq!(
            all(vec![(user, 2)], "active user").map(|targets| targets.len()).ok(),
            Some(1)
        );
        assert!(all(vec![(user, 2); 1_001], "active user").is_err());
    }
}
