//! Counters of which there is one for everybody: the `RateLimiter` objects of the admin worker.

use crate::dispatch::Call;
use crate::trust;
use molt_common::limit::{CounterKey, Policy, Refusals, Standing, TAKE_PATH, Take};
use molt_common::time::Millis;
use molt_platform::{entropy, log};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use worker::{Error, Result};

/// A request waits for its count this long: a thousand at once have to wait for one another.
const LIMIT: Duration = Duration::from_secs(5);
/// The same while nobody answered the last one.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// After a failure nobody who can be counted here waits again for this long.
const RETRY_MS: u64 = 2_000;

thread_local! {
    // Plain data, never a future.
    static REFUSALS: RefCell<Refusals> = RefCell::default();
    static ANSWERED_AT: Cell<Option<Millis>> = const { Cell::new(None) };
    static FAILED_AT: Cell<Option<Millis>> = const { Cell::new(None) };
}

/// What came of asking.
pub enum Answer {
    /// It was counted, or refused.
    Counted(Standing),
    /// There was no answer in time, while others got theirs: counting it here would admit one too many.
    Late,
    /// Nobody is answered.
    Nobody,
}

/// Counts a request. Whoever `insists` is counted there or not at all, so he is not spared the question.
pub async fn take(call: &Call<'_>, key: &CounterKey, policy: Policy, insists: bool) -> Answer {
    let asked_at = entropy::now();
    if let Some(refusal) = REFUSALS.with_borrow_mut(|refusals| refusals.known(key, asked_at)) {
        return Answer::Counted(refusal);
    }
    let failed = FAILED_AT.get();
    if !insists && failed.is_some_and(|at| asked_at.since(at) < RETRY_MS) {
        return Answer::Nobody;
    }
    let limit = if failed.is_some() { PROBE_LIMIT } else { LIMIT };
    match ask(call, key, policy, limit).await {
        Ok(standing) => {
            let now = entropy::now();
            ANSWERED_AT.set(Some(now));
            FAILED_AT.set(None);
            REFUSALS.with_borrow_mut(|refusals| refusals.note(key, &standing, now));
            Answer::Counted(standing)
        }
        Err(error) => {
            log::error(
                "limiter_unavailable",
                json!({"requestId": call.id, "error": error.to_string()}),
            );
            if ANSWERED_AT.get().is_some_and(|at| at >= asked_at) {
                return Answer::Late;
            }
            FAILED_AT.set(Some(entropy::now()));
            Answer::Nobody
        }
    }
}

async fn ask(call: &Call<'_>, key: &CounterKey, policy: Policy, limit: Duration) -> Result<Standing> {
    let take = Take {
        key: key.clone(),
        policy,
    };
    let body = serde_json::to_string(&take)?;
    let (status, text) = trust::post(call.env, TAKE_PATH, &call.id, &body, limit).await?;
    if status != 200 {
        return Err(Error::RustError(format!("the admin worker answered {status}")));
    }
    Ok(serde_json::from_str(&text)?)
}
