//! What is remembered, in the object's SQLite.

use crate::sandbox_do::Sandbox;
use molt_common::legacy_data::ImportRecord;
use serde::Deserialize;
use worker::{Error, Result, SqlStorage};

/// The table; the object makes it once in its life.
pub const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS legacy_kept (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);";

/// What is remembered of the old system.
pub struct Kept {
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct Row {
    state: String,
}

impl Kept {
    /// The table, which exists from here on.
    pub fn of(object: &Sandbox) -> Result<Self> {
        object.store()?;
        Ok(Self {
            sql: object.state.storage().sql(),
        })
    }

    /// All of it.
    pub fn record(&self) -> Result<ImportRecord> {
        let rows: Vec<Row> = self
            .sql
            .exec("SELECT state FROM legacy_kept WHERE id = 1", None)?
            .to_array()?;
        match rows.first() {
            Some(row) => serde_json::from_str(&row.state)
                .map_err(|error| Error::RustError(format!("stored record of an import: {error}"))),
            None => Ok(ImportRecord::default()),
        }
    }

    /// Stores it.
    pub fn save(&self, record: &ImportRecord) -> Result<()> {
        self.sql.exec(
            "INSERT INTO legacy_kept (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            vec![serde_json::to_string(record)?.into()],
        )?;
        Ok(())
    }
}
