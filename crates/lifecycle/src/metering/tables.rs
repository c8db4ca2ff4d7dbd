//! The statements by which a sandbox's object counts. They are here, and not where they are run, so that they are tried natively against the same SQLite.
//!
//! Every row has a version, which grows with each change, and the version that was told to the database of all sandboxes: what is not told yet is
//! told again until it is, and of two copies of a row the one with the higher version is the newer.

use super::admission::{LONGEST_CALL_MS, MINUTE_MS};
use molt_common::time::Millis;
use molt_common::usage::day::Day;

/// The tables; the object makes them once in its life.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS usage_days (
  day INTEGER NOT NULL, provider TEXT NOT NULL, own_key INTEGER NOT NULL, requests INTEGER NOT NULL DEFAULT 0, ended INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0, request_bytes INTEGER NOT NULL DEFAULT 0, answer_bytes INTEGER NOT NULL DEFAULT 0,
  stated INTEGER NOT NULL DEFAULT 0, input_tokens INTEGER NOT NULL DEFAULT 0, cached_input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0, priced INTEGER NOT NULL DEFAULT 0, nano_usd INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1, told INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (day, provider, own_key)
);
CREATE TABLE IF NOT EXISTS container_days (
  day INTEGER NOT NULL, tier INTEGER NOT NULL, ms INTEGER NOT NULL, version INTEGER NOT NULL DEFAULT 1, told INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (day, tier)
);
CREATE TABLE IF NOT EXISTS storage_days (
  day INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, version INTEGER NOT NULL DEFAULT 1, told INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS provider_calls (
  call TEXT PRIMARY KEY, generation INTEGER NOT NULL, provider TEXT NOT NULL, own_key INTEGER NOT NULL, day INTEGER NOT NULL,
  admitted_at INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS provider_calls_by_time ON provider_calls (admitted_at);
CREATE TABLE IF NOT EXISTS container_run (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS budget (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
";

/// Forgets calls that count for nothing any more, so that few are kept. Values: [`sweep`].
pub const SWEEP: &str = "DELETE FROM provider_calls WHERE (ended = 1 AND admitted_at <= ?1) OR admitted_at <= ?2";

/// What there is, as [`super::admission::Counts`]. Values: [`counts`], then the start's number and the call's name.
pub const COUNTS: &str = "SELECT
  (SELECT COALESCE(SUM(requests), 0) FROM usage_days WHERE day = ?1) AS requests_today,
  (SELECT COALESCE(SUM(input_tokens + output_tokens), 0) FROM usage_days WHERE day = ?1) AS tokens_today,
  (SELECT COALESCE(SUM(input_tokens + output_tokens), 0) FROM usage_days WHERE day >= ?2 AND day < ?3) AS tokens_month,
  (SELECT COUNT(*) FROM provider_calls WHERE admitted_at > ?4) AS in_minute,
  (SELECT MIN(admitted_at) FROM provider_calls WHERE admitted_at > ?4) AS minute_began,
  (SELECT COUNT(*) FROM provider_calls WHERE ended = 0 AND admitted_at > ?5 AND generation = ?6) AS under_way,
  (SELECT COUNT(*) FROM provider_calls WHERE call = ?7) AS known";

/// Notes a call that is admitted. Values: its name, the start's number, provider, whether the key is the user's own, the day, now.
pub const BEGIN: &str = "INSERT INTO provider_calls (call, generation, provider, own_key, day, admitted_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Counts it. Values: the day, provider, whether the key is the user's own.
pub const COUNT: &str = "INSERT INTO usage_days (day, provider, own_key, requests) VALUES (?1, ?2, ?3, 1)
  ON CONFLICT (day, provider, own_key) DO UPDATE SET requests = requests + 1, version = version + 1";

/// A call that has not ended. Values: its name.
pub const UNDER_WAY: &str = "SELECT provider, own_key, day FROM provider_calls WHERE call = ?1 AND ended = 0";

/// It has. Values: its name.
pub const END: &str = "UPDATE provider_calls SET ended = 1 WHERE call = ?1";

/// Adds what it took. Values: the day, provider and key of [`UNDER_WAY`], then the fields of [`super::call::Addition`] in order, tokens as input,
/// cached, output.
pub const ADD: &str = "UPDATE usage_days SET ended = ended + 1, failed = failed + ?4, request_bytes = request_bytes + ?5,
  answer_bytes = answer_bytes + ?6, stated = stated + ?7, input_tokens = input_tokens + ?8, cached_input_tokens = cached_input_tokens + ?9,
  output_tokens = output_tokens + ?10, priced = priced + ?11, nano_usd = nano_usd + ?12, version = version + 1
  WHERE day = ?1 AND provider = ?2 AND own_key = ?3";

/// Adds a part of a run. Values: day, tier, milliseconds.
pub const RAN: &str = "INSERT INTO container_days (day, tier, ms) VALUES (?1, ?2, ?3)
  ON CONFLICT (day, tier) DO UPDATE SET ms = ms + excluded.ms, version = version + 1";

/// Notes how much is stored, where that is not what was noted last. Values: day, bytes.
pub const STORED: &str = "INSERT INTO storage_days (day, bytes) SELECT ?1, ?2
  WHERE ?2 IS NOT (SELECT bytes FROM storage_days WHERE day <= ?1 ORDER BY day DESC LIMIT 1)
  AND (?2 > 0 OR EXISTS (SELECT 1 FROM storage_days))
  ON CONFLICT (day) DO UPDATE SET bytes = excluded.bytes, version = version + 1 WHERE bytes <> excluded.bytes";

/// Days of before this one, all of which were told, are forgotten: lists read the database of all sandboxes. Storage keeps its newest row, which
/// counts on.
pub const FORGET: [&str; 3] = [
    "DELETE FROM usage_days WHERE day < ?1 AND told = version",
    "DELETE FROM container_days WHERE day < ?1 AND told = version",
    "DELETE FROM storage_days WHERE day < ?1 AND told = version AND day < (SELECT MAX(day) FROM storage_days)",
];

/// Days that the object keeps: more than a month, by which budgets count.
pub const KEPT_DAYS: u32 = 62;

/// Values of [`SWEEP`].
#[must_use]
pub const fn sweep(now: Millis) -> [u64; 2] {
    [now.0.saturating_sub(MINUTE_MS), now.0.saturating_sub(LONGEST_CALL_MS)]
}

/// The first values of [`COUNTS`].
#[must_use]
pub fn counts(now: Millis) -> [u64; 5] {
    let today = Day::of(now);
    let [minute, longest] = sweep(now);
    [
        u64::from(today.0),
        u64::from(today.month().0),
        u64::from(today.next_month().0),
        minute,
        longest,
    ]
}
