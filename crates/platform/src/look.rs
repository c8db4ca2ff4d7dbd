//! Waiting for something that another event of the same object does. Futures and wakers are not shared between events, so whoever waits looks at
//! a number, from a timer of his own.

use crate::entropy;
use molt_common::time::Millis;
use std::time::Duration;
use worker::Delay;

/// The shortest pause between two looks, milliseconds.
const LEAST_MS: u64 = 2;
/// The pause is this part of how long he has waited, so that looking adds little to it.
const SHARE: u64 = 8;

/// Waits until a number is no longer the one that was seen, at most until then; says whether it is another. Looks often at first, because most
/// of what is waited for comes soon, and never less often than every `most_ms` milliseconds.
pub async fn moved(number: impl Fn() -> u64, seen: u64, until: Millis, most_ms: u64) -> bool {
    let began = entropy::now();
    while number() == seen {
        let now = entropy::now();
        if now >= until {
            return false;
        }
        let pause = (now.since(began) / SHARE).clamp(LEAST_MS, most_ms.max(LEAST_MS));
        Delay::from(Duration::from_millis(pause.min(until.since(now)).max(1))).await;
    }
    true
}
