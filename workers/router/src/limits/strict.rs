//! Counters of which there is one for everybody: the `RateLimiter` objects of the admin worker.

use crate::dispatch::Call;
use crate::trust;
use molt_common::limit::{CounterKey, Policy, Standing, TAKE_PATH, Take};
use molt_common::time::Millis;
use molt_platform::{entropy, log};
use serde_json::json;
use std::cell::Cell;
use std::time::Duration;
use worker::{Error, Result};

/// A request waits for its count this long.
const LIMIT: Duration = Duration::from_secs(1);
/// After a failure nobody who can be counted here waits again for this long.
const RETRY_MS: u64 = 2_000;

thread_local! {
    static FAILED_AT: Cell<Option<Millis>> = const { Cell::new(None) };
}

/// Counts a request; `None` when nobody could. Whoever `insists` is counted there or not at all, so he is not spared the question.
pub async fn take(call: &Call<'_>, key: &CounterKey, policy: Policy, insists: bool) -> Option<Standing> {
    let failed = FAILED_AT.get().is_some_and(|at| entropy::now().since(at) < RETRY_MS);
    if failed && !insists {
        return None;
    }
    match ask(call, key, policy).await {
        Ok(standing) => {
            FAILED_AT.set(None);
            Some(standing)
        }
        Err(error) => {
            FAILED_AT.set(Some(entropy::now()));
            log::error(
                "limiter_unavailable",
                json!({"requestId": call.id, "error": error.to_string()}),
            );
            None
        }
    }
}

async fn ask(call: &Call<'_>, key: &CounterKey, policy: Policy) -> Result<Standing> {
    let take = Take {
        key: key.clone(),
        policy,
    };
    let body = serde_json::to_string(&take)?;
    let (status, text) = trust::post(call.env, TAKE_PATH, &call.id, &body, LIMIT).await?;
    if status != 200 {
        return Err(Error::RustError(format!("the admin worker answered {status}")));
    }
    Ok(serde_json::from_str(&text)?)
}
