//! Faults on request, for the tests that show what a fault takes along. Only in builds with the feature `induced-panic`, which
//! `scripts/build` makes into a folder of their own and nothing deploys.

use crate::forward::header;
use web_sys::Request;

/// Header that asks for one: a place such as `router`, alone or followed by `/trap` or `/stack`.
pub const HEADER: &str = "induced-panic";

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

#[allow(unconditional_recursion, reason = "until there is no stack left")]
fn deeper(depth: u64) -> u64 {
    std::hint::black_box([depth; 64]).iter().sum::<u64>() + deeper(depth + 1)
}
