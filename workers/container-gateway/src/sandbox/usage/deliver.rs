//! Tells the database of all sandboxes what was counted here. Of each row the newest version counts, so whatever is told twice or late does no harm.

use super::store::Usage;
use crate::sandbox_do::Sandbox;
use futures_util::future::{Either, select};
use molt_common::id::UserId;
use molt_common::time::Millis;
use molt_common::usage::day::Day;
use molt_platform::sql::integer;
use molt_platform::{entropy, log};
use serde_json::{Map, Value, json};
use std::pin::pin;
use std::time::Duration;
use worker::d1::{D1Database, D1PreparedStatement, D1Type};
use worker::{Delay, Error, Result, SqlStorage};

const DATABASE: &str = "PLATFORM_DB";
/// Told at most this often.
const EVERY_MS: u64 = 5_000;
/// What could not be told is told again after this long.
const AGAIN_MS: u64 = 5_000;
/// One attempt takes at most this long.
const ATTEMPT: Duration = Duration::from_millis(1_500);
/// Rows of one attempt.
const BATCH: u64 = 40;

/// A table, here and there. The key is the same on both sides but for the user.
struct Table {
    name: &'static str,
    key: &'static [&'static str],
    values: &'static [&'static str],
}

const TABLES: [Table; 3] = [
    Table {
        name: "usage_days",
        key: &["day", "provider", "own_key"],
        values: &[
            "requests",
            "ended",
            "failed",
            "request_bytes",
            "answer_bytes",
            "stated",
            "input_tokens",
            "cached_input_tokens",
            "output_tokens",
            "priced",
            "nano_usd",
        ],
    },
    Table {
        name: "container_days",
        key: &["day", "tier"],
        values: &["ms"],
    },
    Table {
        name: "storage_days",
        key: &["day"],
        values: &["bytes"],
    },
];

/// A row that was not told as it is.
type Row = Map<String, Value>;

/// Tells what is new. Answers when to go on, if there is more or it must be tried again.
pub async fn deliver(object: &Sandbox) -> Option<Millis> {
    let now = entropy::now();
    match is_behind(object) {
        Ok(false) => return None,
        Ok(true) => {}
        Err(error) => return failed(object, &error),
    }
    let due = object.usage_told_at.get().map_or(now, |at| at.plus(EVERY_MS));
    // A clock that went back must not hold it up.
    if due > now && due.since(now) <= EVERY_MS {
        return Some(due);
    }
    object.usage_told_at.set(Some(now));
    let outcome = match select(pin!(tell(object)), pin!(Delay::from(ATTEMPT))).await {
        Either::Left((outcome, _)) => outcome,
        // It may still arrive: no row takes what is older than what it has.
        Either::Right(_) => Err(Error::RustError("D1 did not answer in time".into())),
    };
    match outcome {
        Ok(true) => Some(now.plus(EVERY_MS)),
        // What was counted while the database answered has set no alarm: this one was running.
        Ok(false) => match is_behind(object) {
            Ok(behind) => behind.then(|| now.plus(EVERY_MS)),
            Err(error) => failed(object, &error),
        },
        Err(error) => failed(object, &error),
    }
}

fn failed(object: &Sandbox, error: &Error) -> Option<Millis> {
    log::error(
        "usage_not_told",
        json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
    );
    Some(entropy::now().plus(AGAIN_MS))
}

fn user(object: &Sandbox) -> Result<Option<UserId>> {
    let store = object.store()?;
    Ok(store.load()?.owner.or(store.audited()?))
}

fn is_behind(object: &Sandbox) -> Result<bool> {
    if user(object)?.is_none() {
        return Ok(false);
    }
    let usage = Usage::of(object)?;
    for table in &TABLES {
        if !table.behind(usage.sql(), 1)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether there was more than one attempt takes.
async fn tell(object: &Sandbox) -> Result<bool> {
    let Some(user) = user(object)? else { return Ok(false) };
    let usage = Usage::of(object)?;
    let sql = usage.sql();
    let database = object.env.d1(DATABASE)?;
    let now = entropy::now();
    let user = user.to_string();
    let mut statements = Vec::new();
    let mut told = Vec::new();
    let mut more = false;
    for table in &TABLES {
        let rows = table.behind(sql, BATCH)?;
        more |= u64::try_from(rows.len()).unwrap_or(u64::MAX) >= BATCH;
        for row in rows {
            statements.push(table.upsert(&database, &user, &row, now)?);
            told.push((table, row));
        }
    }
    if statements.is_empty() {
        return Ok(false);
    }
    database.batch(statements).await?;
    for (table, row) in &told {
        table.told(sql, row)?;
    }
    usage.forget(Day::of(now))?;
    Ok(more)
}

impl Table {
    fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.key.iter().chain(self.values).copied()
    }

    /// Rows that were not told as they are.
    fn behind(&self, sql: &SqlStorage, limit: u64) -> Result<Vec<Row>> {
        let columns: Vec<&str> = self.columns().collect();
        let query = format!(
            "SELECT {}, version FROM {} WHERE version > told ORDER BY day LIMIT ?",
            columns.join(", "),
            self.name
        );
        sql.exec(&query, vec![integer(limit)])?.to_array()
    }

    fn upsert(&self, database: &D1Database, user: &str, row: &Row, now: Millis) -> Result<D1PreparedStatement> {
        let columns: Vec<&str> = self.columns().collect();
        let places: Vec<String> = (1..columns.len().saturating_add(4))
            .map(|place| format!("?{place}"))
            .collect();
        let set: Vec<String> = self
            .values
            .iter()
            .chain(&["version", "updated_at"])
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let statement = database.prepare(format!(
            "INSERT INTO {table} (user_id, {columns}, version, updated_at) VALUES ({places}) \
             ON CONFLICT (user_id, {key}) DO UPDATE SET {set} WHERE excluded.version > {table}.version",
            table = self.name,
            columns = columns.join(", "),
            places = places.join(", "),
            key = self.key.join(", "),
            set = set.join(", "),
        ));
        let mut values = vec![D1Type::Text(user)];
        for name in columns.into_iter().chain(["version"]) {
            values.push(match row.get(name) {
                Some(Value::String(text)) => D1Type::Text(text),
                Some(value) => D1Type::Real(value.as_f64().unwrap_or(0.0)),
                None => return Err(Error::RustError(format!("stored usage: there is no {name}"))),
            });
        }
        #[allow(clippy::cast_precision_loss)] // A time of this era.
        values.push(D1Type::Real(now.0 as f64));
        statement.bind_refs(&values)
    }

    /// Notes that this version was told; one that came meanwhile was not.
    fn told(&self, sql: &SqlStorage, row: &Row) -> Result<()> {
        let conditions: Vec<String> = self.key.iter().map(|name| format!("{name} = ?")).collect();
        let number = |name: &str| integer(row.get(name).and_then(whole).unwrap_or(0));
        let version = number("version");
        let mut values = vec![version.clone()];
        for name in self.key {
            values.push(match row.get(*name) {
                Some(Value::String(text)) => text.as_str().into(),
                _ => number(name),
            });
        }
        values.push(version);
        sql.exec(
            &format!(
                "UPDATE {} SET told = ? WHERE {} AND told < ?",
                self.name,
                conditions.join(" AND ")
            ),
            values,
        )?;
        Ok(())
    }
}

/// Numbers come through JavaScript, where all are of one kind.
fn whole(value: &Value) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Counters, far below 2^53.
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64))
}
