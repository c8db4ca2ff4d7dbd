//! The changes in the object's SQLite. Every write announces the change as a job, so that lists are told of exactly what is kept.

use crate::sandbox_do::Sandbox;
use molt_common::id::{ExecId, UserId};
use molt_common::job_id::JobId;
use molt_common::time::Millis;
use molt_lifecycle::change::Change;
use molt_lifecycle::job::Retention;
use molt_platform::job_index::outbox::Outbox;
use molt_platform::sql::integer;
use serde::Deserialize;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

/// The tables; the object makes them once in its life, with the outbox of jobs. A row without `ended_at` is under way: there is at most one.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, tier INTEGER NOT NULL, change TEXT NOT NULL, ended_at INTEGER
);
CREATE UNIQUE INDEX IF NOT EXISTS change_under_way ON changes (ended_at IS NULL) WHERE ended_at IS NULL;
CREATE TABLE IF NOT EXISTS tier_to_copy (
  version INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, tier INTEGER NOT NULL
);
";

/// A change, and whose sandbox it is about.
pub struct Kept {
    /// Whose.
    pub owner: UserId,
    /// Tier of his row when it was asked for.
    pub tier: u8,
    /// What.
    pub change: Change,
}

impl Kept {
    /// Its id as a job.
    pub fn job(&self) -> JobId {
        self.change.job(self.owner)
    }
}

#[derive(Deserialize)]
struct Row {
    owner: String,
    tier: u8,
    change: String,
}

#[derive(Deserialize)]
struct Number {
    value: Option<u64>,
}

/// The object's changes.
pub struct Changes {
    sql: SqlStorage,
}

fn stored(error: impl std::fmt::Display) -> Error {
    Error::RustError(format!("stored change: {error}"))
}

/// The id of the change that is under way.
pub fn under_way(object: &Sandbox) -> Result<Option<JobId>> {
    Ok(Changes::of(object)?.under_way()?.map(|kept| kept.job()))
}

impl Changes {
    /// The tables, which exist from here on.
    pub fn of(object: &Sandbox) -> Result<Self> {
        object.store()?;
        Ok(Self {
            sql: object.state.storage().sql(),
        })
    }

    fn one(&self, condition: &str, values: Vec<SqlStorageValue>) -> Result<Option<Kept>> {
        let query = format!("SELECT owner, tier, change FROM changes WHERE {condition}");
        let rows: Vec<Row> = self.sql.exec(&query, values)?.to_array()?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Kept {
            owner: UserId::parse(&row.owner).map_err(stored)?,
            tier: row.tier,
            change: serde_json::from_str(&row.change).map_err(stored)?,
        }))
    }

    /// The one with this id.
    pub fn get(&self, id: &ExecId) -> Result<Option<Kept>> {
        self.one("id = ?", vec![id.as_str().into()])
    }

    /// The one that has not ended.
    pub fn under_way(&self) -> Result<Option<Kept>> {
        self.one("ended_at IS NULL", vec![])
    }

    /// Keeps a new one, or how one stands now, and announces it. Call it in the transaction of what it is about.
    pub fn save(&self, kept: &Kept) -> Result<()> {
        let change = &kept.change;
        self.sql.exec(
            "INSERT INTO changes (id, owner, tier, change, ended_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET change = excluded.change, ended_at = excluded.ended_at",
            vec![
                change.id.as_str().into(),
                kept.owner.to_string().into(),
                i32::from(kept.tier).into(),
                serde_json::to_string(change)?.into(),
                change.completed_at.map_or(SqlStorageValue::Null, |at| integer(at.0)),
            ],
        )?;
        Outbox::of(&self.sql).put(&change.view(kept.owner).job_view(), change.created_at)
    }

    /// Forgets what is older than is kept. Answers when the next one is.
    pub fn forget(&self, now: Millis) -> Result<Option<Millis>> {
        let kept = Retention::CHANGES;
        self.sql.exec(
            "DELETE FROM changes WHERE ended_at IS NOT NULL AND seq NOT IN (SELECT seq FROM changes ORDER BY seq DESC LIMIT ?)",
            vec![integer(kept.newest.into())],
        )?;
        if let Some(ended_by) = kept.ended_by(now) {
            self.sql
                .exec("DELETE FROM changes WHERE ended_at <= ?", vec![integer(ended_by.0)])?;
        }
        let oldest = self.number("SELECT MIN(ended_at) AS value FROM changes")?;
        Ok(oldest.map(|at| kept.expiry(Millis(at))))
    }

    fn number(&self, query: &str) -> Result<Option<u64>> {
        let rows: Vec<Number> = self.sql.exec(query, None)?.to_array()?;
        Ok(rows.first().and_then(|row| row.value))
    }
}
