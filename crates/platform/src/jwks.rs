//! Published keys of issuers, kept per isolate and fetched when [`KeyCache`] says so.

use crate::outbound::{self, Freshness, Limits};
use crate::{entropy, log};
use molt_common::time::Millis;
use molt_common::user_token::{
    Decision, FETCH_LIMIT_MS, KeyCache, KeyEndpoint, KeySet, KeySource, LONGEST_KEY_SET, Lookup, Reason,
};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;
use worker::{Context, Delay};

/// A little shorter than what counts as lost, so that a fetch reports before another request takes over.
const LIMITS: Limits = Limits {
    time_ms: 3_000,
    bytes: LONGEST_KEY_SET,
};
const _: () = assert!((LIMITS.time_ms as u64) < FETCH_LIMIT_MS);
/// How long a cache between us and the issuer may keep its keys, in seconds.
const EDGE_CACHE_S: u32 = 300;
/// How often a request without its key looks for what a fetch has brought.
const POLL: Duration = Duration::from_millis(10);

thread_local! {
    // By address. Plain data, never a future: a request must not wait for another one's I/O, only for its own timer.
    static CACHES: RefCell<BTreeMap<String, KeyCache>> = const { RefCell::new(BTreeMap::new()) };
}

fn with_cache<T>(endpoint: &KeyEndpoint, work: impl FnOnce(&mut KeyCache) -> T) -> T {
    CACHES.with_borrow_mut(|caches| {
        let cache = caches
            .entry(endpoint.url.clone())
            .or_insert_with(|| KeyCache::new(endpoint.fresh_ms));
        work(cache)
    })
}

/// The isolate's keys, on behalf of one request.
pub struct IsolateKeys<'a>(
    /// Carries a fetch on after the request is answered, or its client has gone.
    pub &'a Context,
);

impl IsolateKeys<'_> {
    /// Others wait for what it brings, and a search for an unknown key comes once a minute: it must not end with this client.
    fn fetch(&self, endpoint: &KeyEndpoint, kid: &str, reason: Reason, now: Millis) {
        begin(endpoint, reason, now);
        let (endpoint, kid) = (endpoint.clone(), kid.to_owned());
        self.0.wait_until(async move { refresh(&endpoint, &kid, reason).await });
    }
}

impl KeySource for IsolateKeys<'_> {
    async fn find(&self, endpoint: &KeyEndpoint, kid: &str) -> Lookup {
        // Ends: whatever a fetch brings settles the question, and one that is never heard of again is taken over.
        loop {
            let now = entropy::now();
            match with_cache(endpoint, |cache| cache.decide(kid, now)) {
                Decision::Use { key, renew } => {
                    if renew {
                        self.fetch(endpoint, kid, Reason::Renew, now);
                    }
                    return Lookup::Found(key);
                }
                Decision::Fetch(reason) => self.fetch(endpoint, kid, reason, now),
                Decision::Wait => Delay::from(POLL).await,
                Decision::Unknown => return Lookup::Unknown,
                Decision::Unavailable(seconds) => return Lookup::Unavailable(seconds),
            }
        }
    }
}

/// Before the first await, so that no other request begins the same fetch.
fn begin(endpoint: &KeyEndpoint, reason: Reason, now: Millis) {
    with_cache(endpoint, |cache| cache.begin(reason, now));
}

async fn refresh(endpoint: &KeyEndpoint, kid: &str, reason: Reason) {
    let outcome = fetch(&endpoint.url, reason).await;
    let now = entropy::now();
    match outcome {
        Ok(keys) => {
            log::info(
                "keys_fetched",
                json!({"url": endpoint.url, "reason": format!("{reason:?}"), "keys": keys.len()}),
            );
            with_cache(endpoint, |cache| cache.succeed(keys, kid, now));
        }
        Err(why) => {
            log::error(
                "keys_not_fetched",
                json!({"url": endpoint.url, "reason": format!("{reason:?}"), "why": why}),
            );
            with_cache(endpoint, |cache| cache.fail(now));
        }
    }
}

async fn fetch(url: &str, reason: Reason) -> Result<KeySet, String> {
    let freshness = match reason {
        // A cached answer would not have the new key either.
        Reason::UnknownKey => Freshness::FromOrigin,
        Reason::None | Reason::Renew => Freshness::Cached(EDGE_CACHE_S),
    };
    let answer = outbound::get(url, freshness, LIMITS)
        .await
        .map_err(|error| error.to_string())?;
    // A redirect too is none: an issuer's keys are where its operator said.
    if answer.status != 200 {
        return Err(format!("answered {}", answer.status));
    }
    KeySet::parse(answer.body.as_bytes()).map_err(|error| error.to_string())
}
