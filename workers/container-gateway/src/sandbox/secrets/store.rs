//! The sealed secrets in the object's SQLite.

use crate::sandbox_do::Sandbox;
use molt_common::sealed_text::key_id;
use molt_common::time::Millis;
use molt_common::user_secret::SecretUse;
use molt_platform::sql::integer;
use serde::Deserialize;
use serde_json::Value;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

/// The tables; the object makes them once in its life. `revision` counts what was set and taken away.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS user_secrets (name TEXT PRIMARY KEY, used_for TEXT NOT NULL, sealed TEXT NOT NULL, set_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS user_secrets_revision (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL);
";

/// One secret as it is kept.
pub struct Kept {
    pub name: String,
    pub used_for: SecretUse,
    pub sealed: String,
    pub set_at: Millis,
}

impl Kept {
    /// Id of the root key that it is sealed under.
    pub fn key_id(&self) -> &str {
        key_id(&self.sealed).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Row {
    name: String,
    used_for: String,
    sealed: String,
    set_at: u64,
}

#[derive(Deserialize)]
struct Number {
    value: u64,
}

/// The object's secrets.
pub struct Secrets {
    sql: SqlStorage,
}

fn kept(row: Row) -> Result<Kept> {
    let used_for = serde_json::from_value(Value::String(row.used_for));
    Ok(Kept {
        name: row.name,
        used_for: used_for.map_err(|error| Error::RustError(format!("stored secret: {error}")))?,
        sealed: row.sealed,
        set_at: Millis(row.set_at),
    })
}

impl Secrets {
    /// The tables, which exist from here on.
    pub fn of(object: &Sandbox) -> Result<Self> {
        object.store()?;
        Ok(Self {
            sql: object.state.storage().sql(),
        })
    }

    fn rows(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Kept>> {
        let rows: Vec<Row> = self.sql.exec(query, values)?.to_array()?;
        rows.into_iter().map(kept).collect()
    }

    /// All of them, by name.
    pub fn all(&self) -> Result<Vec<Kept>> {
        let query = "SELECT name, used_for, sealed, set_at FROM user_secrets ORDER BY name";
        self.rows(query, vec![])
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Result<Option<Kept>> {
        let query = "SELECT name, used_for, sealed, set_at FROM user_secrets WHERE name = ?";
        Ok(self.rows(query, vec![name.into()])?.into_iter().next())
    }

    fn number(&self, query: &str) -> Result<u64> {
        let rows: Vec<Number> = self.sql.exec(query, None)?.to_array()?;
        Ok(rows.first().map_or(0, |row| row.value))
    }

    /// How many there are.
    pub fn count(&self) -> Result<u64> {
        self.number("SELECT COUNT(*) AS value FROM user_secrets")
    }

    /// Counts what was set and taken away.
    pub fn revision(&self) -> Result<u64> {
        self.number("SELECT revision AS value FROM user_secrets_revision WHERE id = 1")
    }

    fn changed(&self) -> Result<()> {
        self.sql.exec(
            "INSERT INTO user_secrets_revision (id, revision) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET revision = revision + 1",
            None,
        )?;
        Ok(())
    }

    /// Keeps one, in the place of an earlier one of its name.
    pub fn put(&self, kept: &Kept) -> Result<()> {
        self.sql.exec(
            "INSERT INTO user_secrets (name, used_for, sealed, set_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) \
             DO UPDATE SET used_for = excluded.used_for, sealed = excluded.sealed, set_at = excluded.set_at",
            vec![
                kept.name.as_str().into(),
                kept.used_for.word().into(),
                kept.sealed.as_str().into(),
                integer(kept.set_at.0),
            ],
        )?;
        self.changed()
    }

    /// Keeps the same value, sealed again.
    pub fn reseal(&self, name: &str, sealed: &str) -> Result<()> {
        self.sql.exec(
            "UPDATE user_secrets SET sealed = ? WHERE name = ?",
            vec![sealed.into(), name.into()],
        )?;
        Ok(())
    }

    /// Takes one away.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.sql
            .exec("DELETE FROM user_secrets WHERE name = ?", vec![name.into()])?;
        self.changed()
    }
}
