//! What sandboxes have told of what they used, in D1: sums for a range of days.

use molt_common::api::cost::{CallSums, RunSums};
use molt_common::id::UserId;
use molt_common::usage::day::Day;
use molt_common::usage::range::Range;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use worker::d1::D1Type;
use worker::{Env, Result};

/// What is asked for.
pub struct Scope {
    /// Which days.
    pub range: Range,
    /// Whose; `None`: everybody's.
    pub users: Option<Vec<UserId>>,
    /// Calls to this provider alone.
    pub provider: Option<String>,
}

/// By what sums are told apart.
#[derive(Clone, Copy)]
pub enum By {
    /// Not at all.
    Nothing,
    /// User.
    User,
    /// Day.
    Day,
}

/// Sums under the keys that they are told apart by: a user's id, or the number of a day.
#[derive(Default)]
pub struct Sums {
    /// Calls.
    pub calls: BTreeMap<String, Vec<CallSums>>,
    /// Runs.
    pub runs: BTreeMap<String, Vec<RunSums>>,
    /// Megabytes, each for each day.
    pub stored: BTreeMap<String, u64>,
}

/// Somebody of whom something was counted.
#[derive(Deserialize)]
pub struct Who {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
}

#[derive(Deserialize)]
struct CallRow {
    key: String,
    #[serde(flatten)]
    sums: CallSums,
}

#[derive(Deserialize)]
struct RunRow {
    key: String,
    tier: u8,
    ms: u64,
}

#[derive(Deserialize)]
struct StoredRow {
    key: String,
    megabyte_days: u64,
}

#[derive(Deserialize)]
struct SampleRow {
    day: u32,
    bytes: u64,
}

const BETWEEN: &str = "day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR user_id IN (SELECT value FROM json_each(?3)))";
/// What is stored lies there from its day on until the next row of the same user.
const SPANS: &str = "WITH spans AS (SELECT user_id, bytes, MAX(day, ?1) AS began, \
    MIN(COALESCE(LEAD(day) OVER (PARTITION BY user_id ORDER BY day), ?2 + 1), ?2 + 1) AS ended FROM storage_days \
    WHERE day <= ?2 AND (?3 IS NULL OR user_id IN (SELECT value FROM json_each(?3))))";

impl By {
    const fn key(self) -> &'static str {
        match self {
            Self::Nothing => "''",
            Self::User => "user_id",
            Self::Day => "CAST(day AS TEXT)",
        }
    }
}

async fn rows<T: DeserializeOwned>(env: &Env, scope: &Scope, query: &str) -> Result<Vec<T>> {
    let users = scope.users.as_ref().map(serde_json::to_string).transpose()?;
    env.d1("PLATFORM_DB")?
        .prepare(query)
        .bind_refs(&[
            D1Type::Real(scope.range.from.0.into()),
            D1Type::Real(scope.range.to.0.into()),
            users.as_deref().map_or(D1Type::Null, D1Type::Text),
            scope.provider.as_deref().map_or(D1Type::Null, D1Type::Text),
        ])?
        .all()
        .await?
        .results()
}

/// The sums of a scope. With a provider there are calls to it alone: nothing else is its.
pub async fn sums(env: &Env, scope: &Scope, by: By) -> Result<Sums> {
    let key = by.key();
    let mut sums = Sums::default();
    let calls = format!(
        "SELECT {key} AS key, provider, own_key, SUM(requests) AS requests, SUM(ended) AS ended, SUM(failed) AS failed, \
         SUM(request_bytes) AS request_bytes, SUM(answer_bytes) AS answer_bytes, SUM(stated) AS stated, SUM(input_tokens) AS input_tokens, \
         SUM(cached_input_tokens) AS cached_input_tokens, SUM(output_tokens) AS output_tokens, SUM(priced) AS priced, \
         SUM(nano_usd) AS nano_usd FROM usage_days WHERE {BETWEEN} AND (?4 IS NULL OR provider = ?4) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    );
    for row in rows::<CallRow>(env, scope, &calls).await? {
        sums.calls.entry(row.key).or_default().push(row.sums);
    }
    if scope.provider.is_some() {
        return Ok(sums);
    }
    // Every query names all parameters, so that all are bound alike.
    let runs = format!(
        "SELECT {key} AS key, tier, SUM(ms) AS ms FROM container_days WHERE {BETWEEN} AND ?4 IS NULL GROUP BY 1, 2 ORDER BY 1, 2"
    );
    for row in rows::<RunRow>(env, scope, &runs).await? {
        let RunRow { key, tier, ms } = row;
        sums.runs.entry(key).or_default().push(RunSums { tier, ms });
    }
    sums.stored = match by {
        By::Day => stored_by_day(env, scope).await?,
        By::Nothing | By::User => {
            let stored = format!(
                "{SPANS} SELECT {key} AS key, CAST(SUM(bytes * (ended - began)) / 1000000 AS INTEGER) AS megabyte_days FROM spans \
                 WHERE ended > began AND ?4 IS NULL GROUP BY 1"
            );
            let found = rows::<StoredRow>(env, scope, &stored).await?;
            found.into_iter().map(|row| (row.key, row.megabyte_days)).collect()
        }
    };
    Ok(sums)
}

/// Of the one user of the scope.
async fn stored_by_day(env: &Env, scope: &Scope) -> Result<BTreeMap<String, u64>> {
    let samples = "SELECT day, bytes FROM storage_days WHERE day <= ?2 AND user_id IN (SELECT value FROM json_each(?3)) AND ?4 IS NULL \
                   AND (day >= ?1 OR day = (SELECT MAX(day) FROM storage_days WHERE day < ?1 AND user_id IN (SELECT value FROM json_each(?3)))) \
                   ORDER BY day";
    let samples = rows::<SampleRow>(env, scope, samples).await?;
    let mut samples = samples.into_iter().peekable();
    let mut bytes = 0;
    let mut stored = BTreeMap::new();
    for day in scope.range.iter() {
        while let Some(sample) = samples.next_if(|sample| sample.day <= day.0) {
            bytes = sample.bytes;
        }
        if bytes > 0 {
            stored.insert(day.0.to_string(), bytes / 1_000_000);
        }
    }
    Ok(stored)
}

/// Users of whom something was counted, by id, behind `after`.
pub async fn users(env: &Env, scope: &Scope, after: &str, limit: u32) -> Result<Vec<Who>> {
    let users = scope.users.as_ref().map(serde_json::to_string).transpose()?;
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    env.d1("PLATFORM_DB")?
        .prepare(
            "SELECT id, name FROM users WHERE id > ?5 AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3))) AND (\
             EXISTS (SELECT 1 FROM usage_days WHERE user_id = users.id AND day BETWEEN ?1 AND ?2 AND (?4 IS NULL OR provider = ?4)) \
             OR (?4 IS NULL AND EXISTS (SELECT 1 FROM container_days WHERE user_id = users.id AND day BETWEEN ?1 AND ?2)) \
             OR (?4 IS NULL AND EXISTS (SELECT 1 FROM storage_days WHERE user_id = users.id AND day <= ?2))) ORDER BY id LIMIT ?6",
        )
        .bind_refs(&[
            D1Type::Real(scope.range.from.0.into()),
            D1Type::Real(scope.range.to.0.into()),
            users.as_deref().map_or(D1Type::Null, D1Type::Text),
            scope.provider.as_deref().map_or(D1Type::Null, D1Type::Text),
            D1Type::Text(after),
            D1Type::Integer(limit),
        ])?
        .all()
        .await?
        .results()
}

impl Scope {
    /// What is to come does not lie anywhere yet; `None` where all of it is.
    pub fn until(self, today: Day) -> Option<Self> {
        let range = self.range.until(today)?;
        Some(Self { range, ..self })
    }
}
