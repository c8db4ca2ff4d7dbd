//! The list in the object's SQLite.

use crate::sandbox_do::Sandbox;
use molt_common::snapshot::{ListedSnapshot, SnapshotId};
use molt_lifecycle::snapshots::{Keeping, List};
use molt_platform::sql::integer;
use serde::Deserialize;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

/// The tables; the object makes them once in its life.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS snapshots (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, entry TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots_kept (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS repository_key (id INTEGER PRIMARY KEY CHECK (id = 1), wrapped TEXT NOT NULL);
";

/// The object's snapshots.
pub struct Snapshots {
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct StateRow {
    state: String,
}

#[derive(Deserialize)]
struct EntryRow {
    entry: String,
}

#[derive(Deserialize)]
struct KeyRow {
    wrapped: String,
}

fn stored(error: impl std::fmt::Display) -> Error {
    Error::RustError(format!("stored snapshots: {error}"))
}

impl Snapshots {
    /// The tables, which exist from here on.
    pub fn of(object: &Sandbox) -> Result<Self> {
        object.store()?;
        Ok(Self {
            sql: object.state.storage().sql(),
        })
    }

    /// What is kept beside the entries.
    pub fn keeping(&self) -> Result<Keeping> {
        let rows: Vec<StateRow> = self
            .sql
            .exec("SELECT state FROM snapshots_kept WHERE id = 1", None)?
            .to_array()?;
        match rows.first() {
            Some(row) => serde_json::from_str(&row.state).map_err(stored),
            None => Ok(Keeping::default()),
        }
    }

    /// Stores it.
    pub fn save_keeping(&self, keeping: &Keeping) -> Result<()> {
        self.sql.exec(
            "INSERT INTO snapshots_kept (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            vec![serde_json::to_string(keeping)?.into()],
        )?;
        Ok(())
    }

    fn entries(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<ListedSnapshot>> {
        let rows: Vec<EntryRow> = self.sql.exec(query, values)?.to_array()?;
        rows.iter()
            .map(|row| serde_json::from_str(&row.entry).map_err(stored))
            .collect()
    }

    /// All of it.
    pub fn list(&self) -> Result<List> {
        Ok(List {
            snapshots: self.entries("SELECT entry FROM snapshots ORDER BY sequence", vec![])?,
            keeping: self.keeping()?,
        })
    }

    /// How much lies in the repository, by the list.
    pub fn stored_bytes(&self) -> Result<u64> {
        // The whole list is read only where nobody has counted yet.
        match self.keeping()?.stored_bytes {
            Some(bytes) => Ok(bytes),
            None => Ok(self.list()?.stored_bytes()),
        }
    }

    /// Those before a number, the newest first.
    pub fn page(&self, before: Option<u64>, limit: u32) -> Result<Vec<ListedSnapshot>> {
        // Numbers are counted from 1 by one sandbox: none comes near what SQLite's integers hold.
        let before = before.unwrap_or(u64::MAX).min(1 << 52);
        self.entries(
            "SELECT entry FROM snapshots WHERE sequence < ? ORDER BY sequence DESC LIMIT ?",
            vec![integer(before), integer(limit.into())],
        )
    }

    /// One of them.
    pub fn get(&self, id: SnapshotId) -> Result<Option<ListedSnapshot>> {
        let found = self.entries("SELECT entry FROM snapshots WHERE id = ?", vec![id.to_string().into()])?;
        Ok(found.into_iter().next())
    }

    /// Stores what is different now. Call it in the transaction of what it is about.
    pub fn save(&self, before: &List, after: &List) -> Result<()> {
        for entry in &after.snapshots {
            if before.get(entry.id) == Some(entry) {
                continue;
            }
            self.sql.exec(
                "INSERT INTO snapshots (sequence, id, entry) VALUES (?, ?, ?) \
                 ON CONFLICT (sequence) DO UPDATE SET entry = excluded.entry",
                vec![
                    integer(entry.sequence),
                    entry.id.to_string().into(),
                    serde_json::to_string(entry)?.into(),
                ],
            )?;
        }
        for entry in before.snapshots.iter().filter(|entry| after.get(entry.id).is_none()) {
            self.sql.exec(
                "DELETE FROM snapshots WHERE sequence = ?",
                vec![integer(entry.sequence)],
            )?;
        }
        self.save_keeping(&after.keeping)
    }

    /// The repository's wrapped key.
    pub fn wrapped_key(&self) -> Result<Option<String>> {
        let rows: Vec<KeyRow> = self
            .sql
            .exec("SELECT wrapped FROM repository_key WHERE id = 1", None)?
            .to_array()?;
        Ok(rows.into_iter().next().map(|row| row.wrapped))
    }

    /// Stores it.
    pub fn save_wrapped_key(&self, wrapped: String) -> Result<()> {
        self.sql.exec(
            "INSERT INTO repository_key (id, wrapped) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET wrapped = excluded.wrapped",
            vec![wrapped.into()],
        )?;
        Ok(())
    }

    /// Nothing is left of it.
    pub fn destroy(&self) -> Result<()> {
        for table in ["repository_key", "snapshots", "snapshots_kept"] {
            self.sql.exec(&format!("DELETE FROM {table}"), None)?;
        }
        Ok(())
    }
}
