//! The index of jobs in D1, for lists: how an object that drives jobs announces them, by an outbox of its own.

pub mod announcing;
pub mod outbox;

/// A row about which nothing was announced for this long goes: 30 days, in milliseconds.
pub const KEPT_MS: u64 = 30 * 24 * 3600 * 1000;

const DATABASE: &str = "PLATFORM_DB";
