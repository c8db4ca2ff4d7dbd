//! Faults on request, for the tests that show what a fault takes along. Only in builds with the feature `induced-panic`, which
//! `scripts/build` makes into a folder of their own and nothing deploys.

use crate::forward::header;
use crate::object;
use crate::outbound::{self, Freshness, Limits};
use crate::settings;
use web_sys::Request;
use worker::{Env, Result, State};

/// Header that asks for one: a place such as `router`, alone or followed by `/trap` or `/stack`.
pub const HEADER: &str = "induced-panic";

/// Variable with the address of the list of faults that are to be there now, one name a line.
pub const FAULTS_URL: &str = "INDUCED_FAULTS_URL";
const FAULTS: Limits = Limits {
    time_ms: 1_000,
    bytes: 4_096,
};

/// Whether this fault is to be there now. Without the variable, or when nobody answers there, none is.
pub async fn fault(env: &Env, name: &str) -> bool {
    let Some(url) = settings::text(env, FAULTS_URL) else {
        return false;
    };
    let question = format!("{url}/?{name}");
    let answer = outbound::get(&question, Freshness::FromOrigin, FAULTS).await;
    answer.is_ok_and(|answer| answer.status == 200 && answer.body.lines().any(|line| line.trim() == name))
}

/// Panics when the request asks for it at this place.
pub fn asked_by(request: &Request, place: &str) {
    asked(header(request, HEADER).as_deref(), place);
}

/// Panics when a text asks for it at this place; `/trap` and `/stack` end the instance instead.
#[allow(clippy::panic, reason = "it is what this is for")]
pub fn asked(text: Option<&str>, place: &str) {
    match text.and_then(|text| text.strip_prefix(place)) {
        Some("") => panic!("induced at {place}"),
        #[cfg(target_arch = "wasm32")]
        Some("/trap") => core::arch::wasm32::unreachable(),
        Some("/stack") => drop(deeper(0)),
        _ => {}
    }
}

/// Drops the object from memory when a text asks for it: the place, followed by `/evict`. Whatever it does at the time ends with it, as when
/// the runtime evicts it.
///
/// # Errors
/// The runtime's own, when it was asked for.
pub async fn eviction(state: &State, text: Option<&str>, place: &str) -> Result<()> {
    match text.and_then(|text| text.strip_prefix(place)) {
        Some("/evict") => object::abort(state, "induced").await,
        _ => Ok(()),
    }
}

#[allow(unconditional_recursion, reason = "until there is no stack left")]
fn deeper(depth: u64) -> u64 {
    std::hint::black_box([depth; 64]).iter().sum::<u64>() + deeper(depth + 1)
}
