//! The index of jobs in D1, for lists. Each object that drives jobs announces them by its own outbox (`outbox`); whoever wants the truth about one
//! job asks its object.

pub mod announcing;
pub mod list;
pub mod outbox;

/// A row about which nothing was announced for this long goes: 30 days, in milliseconds.
pub const KEPT_MS: u64 = 30 * 24 * 3600 * 1000;

const DATABASE: &str = "PLATFORM_DB";
