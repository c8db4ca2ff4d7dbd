//! The counters of this isolate, shared through KV behind the requests.

use crate::dispatch::Call;
use molt_common::limit::{CounterKey, Duty, IsolateCounters, KV_PREFIX, Policy, Standing};
use molt_platform::{entropy, kv, log};
use serde_json::json;
use std::cell::RefCell;
use std::time::Duration;
use worker::{Delay, Env, Error};

const BINDING: &str = "RATE_LIMIT_KV";
/// A counter is written at most this often: KV refuses more than one write a second.
const PAUSE: Duration = Duration::from_secs(1);
/// Nobody waits for KV; this only ends what would never end.
const KV_LIMIT: Duration = Duration::from_secs(5);

thread_local! {
    // Plain data, never a future.
    static COUNTERS: RefCell<IsolateCounters> = RefCell::default();
}

/// Counts a request by what this isolate knows.
pub fn take(call: &Call<'_>, key: &CounterKey, policy: Policy) -> Standing {
    let (standing, duty) = COUNTERS.with_borrow_mut(|counters| counters.take(key, policy, entropy::now()));
    if duty != Duty::None {
        let (env, key) = (call.env.clone(), key.clone());
        call.context
            .wait_until(async move { share(&env, &key, policy, duty).await });
    }
    standing
}

/// Reads what other isolates counted and writes what is known here. Losing it costs exactness between isolates and nothing else.
async fn share(env: &Env, key: &CounterKey, policy: Policy, duty: Duty) {
    if duty == Duty::ReadAndShare {
        read(env, key, policy).await;
    }
    Delay::from(PAUSE).await;
    // Others may have written since; what is written next takes the place of that and so has to hold it.
    read(env, key, policy).await;
    let write = COUNTERS.with_borrow_mut(|counters| counters.write(key, policy, entropy::now()));
    if let Some((text, ttl_s)) = write {
        let outcome = kv::put(env, BINDING, &name(key), &text, Some(ttl_s), KV_LIMIT).await;
        if let Err(error) = outcome {
            report(&error);
        }
    }
    COUNTERS.with_borrow_mut(|counters| counters.shared(key));
}

async fn read(env: &Env, key: &CounterKey, policy: Policy) {
    match kv::get(env, BINDING, &name(key), KV_LIMIT).await {
        Ok(Some(text)) => COUNTERS.with_borrow_mut(|counters| counters.join(key, policy, &text, entropy::now())),
        Ok(None) => {}
        Err(error) => report(&error),
    }
}

fn name(key: &CounterKey) -> String {
    format!("{KV_PREFIX}{}", key.as_str())
}

fn report(error: &Error) {
    if COUNTERS.with_borrow_mut(|counters| counters.reports(entropy::now())) {
        log::error("limits_not_shared", json!({"error": error.to_string()}));
    }
}
