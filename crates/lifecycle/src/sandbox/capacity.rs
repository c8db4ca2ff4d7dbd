//! A start that the platform has no room for: it is tried again for as long as somebody waits.

use molt_common::id::UserId;
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// Whoever has not asked again for this long no longer waits.
pub const INTEREST_MS: u64 = 60_000;
/// Nobody waits longer than this.
pub const PATIENCE_MS: u64 = 30 * 60_000;
/// Renewed interest is stored this often.
const NOTE_EVERY_MS: u64 = 5_000;
const FIRST_MS: u64 = 1_000;
const LONGEST_MS: u64 = 20_000;

/// What the platform says when there is no room for another container, in lower case: the deployment's `max_instances` is reached, no machine
/// is free, or too many are asked for at once. Without codes, so by their words (<https://github.com/cloudflare/containers>).
const NO_ROOM: [&str; 3] = [
    "maximum number of running container instances",
    "no container instance that can be provided",
    "requesting too many containers",
];

/// Whether a refusal of the platform means that there is no room now.
#[must_use]
pub fn is_no_room(text: &str) -> bool {
    let text = text.to_lowercase();
    NO_ROOM.iter().any(|words| text.contains(words))
}

/// The wait of one start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CapacityWait {
    /// When there was no room for the first time.
    pub since: Millis,
    /// When it is tried again.
    pub retry_at: Millis,
    /// Tries so far.
    pub tries: u32,
    /// When somebody asked last.
    pub wanted_at: Millis,
}

impl CapacityWait {
    /// There was no room; `before` is the wait that this start is in already.
    #[must_use]
    pub fn after(before: Option<Self>, owner: Option<UserId>, now: Millis) -> Self {
        let mut wait = before.unwrap_or(Self {
            since: now,
            retry_at: now,
            tries: 0,
            wanted_at: now,
        });
        let pause = FIRST_MS.saturating_mul(1 << wait.tries.min(10)).min(LONGEST_MS);
        wait.tries = wait.tries.saturating_add(1);
        wait.retry_at = now.plus(pause + jitter(owner, wait.tries) % (pause / 2));
        wait
    }

    /// Somebody asks again.
    pub fn wanted(&mut self, now: Millis) {
        if now.since(self.wanted_at) >= NOTE_EVERY_MS {
            self.wanted_at = now;
        }
    }

    /// Whether somebody still waits.
    #[must_use]
    pub const fn goes_on(&self, now: Millis) -> bool {
        now.since(self.wanted_at) < INTEREST_MS && now.since(self.since) < PATIENCE_MS
    }
}

/// Spreads the tries of many sandboxes that were refused together: by owner and try, so that the decision needs no randomness.
fn jitter(owner: Option<UserId>, tries: u32) -> u64 {
    // FNV-1a: a few bytes, and nothing depends on its being hard to guess.
    let text = owner.map(|owner| owner.to_string()).unwrap_or_default();
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    tries.to_le_bytes().into_iter().fold(hash, step)
}
