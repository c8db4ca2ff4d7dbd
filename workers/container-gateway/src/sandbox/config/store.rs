//! The versions in the object's SQLite, newest 100, and which of them is where.

use crate::sandbox_do::Sandbox;
use molt_common::agent_config::standing::Standing;
use molt_common::agent_config::{KEPT_VERSIONS, Origin, hash};
use molt_common::config_call::ConfigVersion;
use molt_common::time::Millis;
use molt_platform::sql::integer;
use serde::Deserialize;
use serde_json::{Map, Value};
use worker::{Error, Result, SqlStorage, SqlStorageValue};

/// The tables; the object makes them once in its life.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS config_versions (
  version INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL, document TEXT NOT NULL, author TEXT NOT NULL, reason TEXT, at INTEGER NOT NULL,
  request_id TEXT NOT NULL, source TEXT NOT NULL, edit_id TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS config_edit ON config_versions (edit_id) WHERE edit_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS config_standing (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
";

const COLUMNS: &str = "version, hash, author, reason, at, request_id, source";

/// A version that is to be kept.
pub struct New<'a> {
    /// The user's part, shown.
    pub document: &'a Value,
    pub author: &'a str,
    pub reason: Option<&'a str>,
    pub at: Millis,
    pub request_id: &'a str,
    pub source: Origin,
    pub edit_id: Option<&'a str>,
}

#[derive(Deserialize)]
struct Row {
    version: u64,
    hash: String,
    author: String,
    reason: Option<String>,
    at: u64,
    request_id: String,
    source: String,
}

#[derive(Deserialize)]
struct DocumentRow {
    document: String,
}

#[derive(Deserialize)]
struct HashRow {
    hash: String,
}

#[derive(Deserialize)]
struct Number {
    value: Option<u64>,
}

#[derive(Deserialize)]
struct StateRow {
    state: String,
}

/// The object's versions.
pub struct Versions {
    sql: SqlStorage,
}

fn stored(error: impl std::fmt::Display) -> Error {
    Error::RustError(format!("stored configuration: {error}"))
}

impl Row {
    fn version(self) -> Result<ConfigVersion> {
        Ok(ConfigVersion {
            version: self.version,
            hash: self.hash,
            author: self.author,
            reason: self.reason,
            at: Millis(self.at),
            request_id: self.request_id,
            source: serde_json::from_value(Value::String(self.source)).map_err(stored)?,
        })
    }
}

/// A document in which nothing was chosen.
pub fn empty() -> Value {
    Value::Object(Map::new())
}

impl Versions {
    /// The tables, which exist from here on.
    pub fn of(object: &Sandbox) -> Result<Self> {
        object.store()?;
        Ok(Self {
            sql: object.state.storage().sql(),
        })
    }

    /// Which version is where.
    pub fn standing(&self) -> Result<Standing> {
        let query = "SELECT state FROM config_standing WHERE id = 1";
        let rows: Vec<StateRow> = self.sql.exec(query, None)?.to_array()?;
        let state = rows.first().map(|row| serde_json::from_str(&row.state));
        Ok(state.transpose().map_err(stored)?.unwrap_or_default())
    }

    /// Stores it.
    pub fn set_standing(&self, standing: &Standing) -> Result<()> {
        self.sql.exec(
            "INSERT INTO config_standing (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            vec![serde_json::to_string(standing)?.into()],
        )?;
        Ok(())
    }

    fn some(&self, condition: &str, values: Vec<SqlStorageValue>) -> Result<Vec<ConfigVersion>> {
        let query = format!("SELECT {COLUMNS} FROM config_versions {condition}");
        let rows: Vec<Row> = self.sql.exec(&query, values)?.to_array()?;
        rows.into_iter().map(Row::version).collect()
    }

    /// One of them.
    pub fn get(&self, version: u64) -> Result<Option<ConfigVersion>> {
        let found = self.some("WHERE version = ?", vec![integer(version)])?;
        Ok(found.into_iter().next())
    }

    /// The one that an edit of this id made.
    pub fn of_edit(&self, id: &str) -> Result<Option<ConfigVersion>> {
        Ok(self.some("WHERE edit_id = ?", vec![id.into()])?.into_iter().next())
    }

    /// Those before a version, newest first.
    pub fn before(&self, version: Option<u64>, limit: u32) -> Result<Vec<ConfigVersion>> {
        self.some(
            "WHERE version < ? ORDER BY version DESC LIMIT ?",
            vec![integer(version.unwrap_or(u64::MAX)), integer(limit.into())],
        )
    }

    /// What a version says; `None` when it is not kept.
    pub fn document(&self, version: u64) -> Result<Option<Value>> {
        let query = "SELECT document FROM config_versions WHERE version = ?";
        let rows: Vec<DocumentRow> = self.sql.exec(query, vec![integer(version)])?.to_array()?;
        let document = rows.first().map(|row| serde_json::from_str(&row.document));
        document.transpose().map_err(stored)
    }

    /// What this version says, or what there is where nothing was ever changed.
    pub fn document_or_empty(&self, version: Option<u64>) -> Result<Value> {
        let found = version.map(|version| self.document(version)).transpose()?;
        Ok(found.flatten().unwrap_or_else(empty))
    }

    /// The hashes of all.
    pub fn hashes(&self) -> Result<Vec<String>> {
        let query = "SELECT DISTINCT hash FROM config_versions";
        let rows: Vec<HashRow> = self.sql.exec(query, None)?.to_array()?;
        Ok(rows.into_iter().map(|row| row.hash).collect())
    }

    /// Keeps one more, and forgets the oldest. Call it in the transaction of what it is about.
    pub fn add(&self, new: &New<'_>, standing: &Standing) -> Result<u64> {
        self.sql.exec(
            "INSERT INTO config_versions (hash, document, author, reason, at, request_id, source, edit_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            vec![
                hash(new.document).into(),
                new.document.to_string().into(),
                new.author.into(),
                new.reason.map_or(SqlStorageValue::Null, Into::into),
                integer(new.at.0),
                new.request_id.into(),
                serde_json::to_value(new.source)?.as_str().unwrap_or_default().into(),
                new.edit_id.map_or(SqlStorageValue::Null, Into::into),
            ],
        )?;
        let rows: Vec<Number> = self
            .sql
            .exec("SELECT MAX(version) AS value FROM config_versions", None)?
            .to_array()?;
        let version = rows.first().and_then(|row| row.value);
        let version = version.ok_or_else(|| stored("no version was kept"))?;
        // What the disk holds, and what is to get there, is never forgotten.
        let held = |version: Option<u64>| version.map_or(SqlStorageValue::Null, integer);
        self.sql.exec(
            "DELETE FROM config_versions WHERE version NOT IN (SELECT version FROM config_versions ORDER BY version DESC LIMIT ?) \
             AND version IS NOT ? AND version IS NOT ?",
            vec![integer(KEPT_VERSIONS.into()), held(standing.live), held(standing.staged)],
        )?;
        Ok(version)
    }
}
