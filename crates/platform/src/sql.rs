//! Values of SQLite statements in Durable Objects.

use worker::SqlStorageValue;

/// Largest number that both sides hold exactly: numbers pass through JavaScript.
const LARGEST: i64 = 9_007_199_254_740_991;

/// A count or a time; one that is larger than can be held is the largest.
#[must_use]
pub fn integer(value: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(value).unwrap_or(i64::MAX).min(LARGEST))
}
