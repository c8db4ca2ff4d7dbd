//! The sandbox's snapshots: the list of those that count, the key of their repository, and what its supervisor is told of them.

pub mod boot;
pub mod calls;
pub mod key;
pub mod upkeep;

mod notes;
pub mod store;
mod view;

pub use store::{SCHEMA, Snapshots};
pub use view::show;

use molt_platform::settings;
use worker::Env;

/// Seconds between two snapshots while something changes, where the deployment does not say.
const INTERVAL_S: u64 = 300;
/// The longest that a deployment may say: a day.
const INTERVAL_MOST_S: u64 = 24 * 60 * 60;

/// Milliseconds between two snapshots (`SNAPSHOT_INTERVAL_SECONDS`).
pub fn interval_ms(env: &Env) -> u64 {
    let said = settings::text(env, "SNAPSHOT_INTERVAL_SECONDS").and_then(|text| text.trim().parse().ok());
    let seconds = said.filter(|seconds| (1..=INTERVAL_MOST_S).contains(seconds));
    seconds.unwrap_or(INTERVAL_S) * 1000
}
