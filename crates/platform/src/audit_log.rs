//! A chain of audit entries in the SQLite storage of a Durable Object (see `molt_common::audit`), and its copy in D1.

use crate::sql::integer;
use molt_common::audit::{Chain, Change, Entry, Head, Walk};
use molt_common::audit_call::{ChainReport, VerifyChain};
use serde::Deserialize;
use worker::d1::{D1Database, D1Type};
use worker::{Result, SqlStorage, SqlStorageValue, State};

/// Entries that one walk looks at.
const STEPS: u64 = 1_000;
/// Entries that go to the copy at once: what D1 takes in one batch.
const BATCH: u64 = 50;
const COLUMNS: &str = "seq, at, actor, action, target, request_id AS requestId, detail, previous, hash";

/// The tables; the object makes them once in its life.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS audit (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
  request_id TEXT NOT NULL, detail TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS audit_copied (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL);
";

/// One object's chain.
pub struct AuditLog {
    sql: SqlStorage,
    chain: Chain,
}

#[derive(Deserialize)]
struct Number {
    value: u64,
}

impl AuditLog {
    /// The chain of this name; the object has one.
    #[must_use]
    pub fn of(state: &State, chain: Chain) -> Self {
        Self {
            sql: state.storage().sql(),
            chain,
        }
    }

    fn entries(&self, condition: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Entry>> {
        let query = format!("SELECT {COLUMNS} FROM audit {condition}");
        self.sql.exec(&query, values)?.to_array()
    }

    /// The newest entry.
    ///
    /// # Errors
    /// When storage fails.
    pub fn head(&self) -> Result<Head> {
        let newest = self.entries("ORDER BY seq DESC LIMIT 1", vec![])?;
        Ok(newest.first().map_or_else(Head::start, Entry::head))
    }

    /// Adds an entry. Call it in the transaction of the change that it is about.
    ///
    /// # Errors
    /// When storage fails.
    pub fn append(&self, change: &Change<'_>) -> Result<()> {
        let entry = self.head()?.next(self.chain, change);
        self.sql.exec(
            "INSERT INTO audit (seq, at, actor, action, target, request_id, detail, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            vec![
                integer(entry.seq),
                integer(entry.at.0),
                entry.actor.into(),
                entry.action.into(),
                entry.target.into(),
                entry.request_id.into(),
                entry.detail.into(),
                entry.previous.into(),
                entry.hash.into(),
            ],
        )?;
        Ok(())
    }

    /// Whether there is an entry about this action.
    ///
    /// # Errors
    /// When storage fails.
    pub fn has(&self, action: &str) -> Result<bool> {
        let found = self.entries("WHERE action = ? LIMIT 1", vec![action.into()])?;
        Ok(!found.is_empty())
    }

    /// Whether there is an entry about this action on this target.
    ///
    /// # Errors
    /// When storage fails.
    pub fn has_about(&self, action: &str, target: &str) -> Result<bool> {
        let found = self.entries(
            "WHERE action = ? AND target = ? LIMIT 1",
            vec![action.into(), target.into()],
        )?;
        Ok(!found.is_empty())
    }

    /// Walks along the chain. A chain under another name has no sound entry.
    ///
    /// # Errors
    /// When storage fails.
    pub fn verify(&self, asked: &VerifyChain) -> Result<ChainReport> {
        let mut walk = Walk::behind(self.chain, asked.behind.clone());
        let rows = self.entries(
            "WHERE seq > ? ORDER BY seq LIMIT ?",
            vec![integer(asked.behind.seq), integer(STEPS)],
        )?;
        let broken = rows.iter().find_map(|entry| walk.step(entry).err());
        let newest = self.head()?;
        let copy_agrees = match &asked.copy {
            None => None,
            Some(copy) => {
                let ours = self.entries("WHERE seq = ?", vec![integer(copy.seq)])?;
                Some(ours.first().is_some_and(|entry| entry.hash == copy.hash))
            }
        };
        Ok(ChainReport {
            whole: broken.is_none() && walk.head().seq >= newest.seq,
            sound: walk.head().clone(),
            broken,
            copy_agrees,
        })
    }

    fn copied(&self) -> Result<u64> {
        let rows: Vec<Number> = self
            .sql
            .exec("SELECT seq AS value FROM audit_copied WHERE id = 1", None)?
            .to_array()?;
        Ok(rows.first().map_or(0, |row| row.value))
    }

    /// Whether the copy lacks entries.
    ///
    /// # Errors
    /// When storage fails.
    pub fn is_behind(&self) -> Result<bool> {
        Ok(self.head()?.seq > self.copied()?)
    }

    /// Brings the copy up to date. What the copy has is never written over: it bears witness.
    ///
    /// # Errors
    /// When D1 or storage fails; what was copied until then is noted.
    pub async fn copy(&self, database: &D1Database) -> Result<()> {
        loop {
            let rows = self.entries(
                "WHERE seq > ? ORDER BY seq LIMIT ?",
                vec![integer(self.copied()?), integer(BATCH)],
            )?;
            let Some(last) = rows.last() else { return Ok(()) };
            let chain = self.chain.to_string();
            let insert = database.prepare(
                "INSERT INTO audit (chain, seq, at, actor, action, target, request_id, detail, previous, hash) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (chain, seq) DO NOTHING",
            );
            let mut statements = Vec::with_capacity(rows.len());
            for entry in &rows {
                // Counters and times of this era are exact in the f64 that D1 takes.
                #[allow(clippy::cast_precision_loss)]
                let (seq, at) = (entry.seq as f64, entry.at.0 as f64);
                statements.push(insert.clone().bind_refs(&[
                    D1Type::Text(&chain),
                    D1Type::Real(seq),
                    D1Type::Real(at),
                    D1Type::Text(&entry.actor),
                    D1Type::Text(&entry.action),
                    D1Type::Text(&entry.target),
                    D1Type::Text(&entry.request_id),
                    D1Type::Text(&entry.detail),
                    D1Type::Text(&entry.previous),
                    D1Type::Text(&entry.hash),
                ])?);
            }
            database.batch(statements).await?;
            self.sql.exec(
                "INSERT INTO audit_copied (id, seq) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET seq = MAX(seq, excluded.seq)",
                vec![integer(last.seq)],
            )?;
        }
    }
}
