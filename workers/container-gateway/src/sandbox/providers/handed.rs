//! What the newest start was given, as far as it may be told: no token, no secret.

use crate::sandbox_do::Sandbox;
use molt_common::provider::offer::Offer;
use serde::{Deserialize, Serialize};
use worker::{Error, Result, SqlStorage};

/// The table; the object makes it once in its life.
pub const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS providers_handed (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);";

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handed {
    /// Which start.
    pub generation: u64,
    /// Id of the hand-over.
    pub id: String,
    /// What the agent is offered.
    pub offer: Offer,
}

#[derive(Deserialize)]
struct Row {
    state: String,
}

/// The object's note of it.
pub struct HandedStore {
    sql: SqlStorage,
}

impl HandedStore {
    /// The table, which exists from here on.
    pub fn of(object: &Sandbox) -> Result<Self> {
        object.store()?;
        Ok(Self {
            sql: object.state.storage().sql(),
        })
    }

    /// The newest, if there was one.
    pub fn load(&self) -> Result<Option<Handed>> {
        let rows: Vec<Row> = self
            .sql
            .exec("SELECT state FROM providers_handed WHERE id = 1", None)?
            .to_array()?;
        let stored = rows.first().map(|row| serde_json::from_str(&row.state));
        stored
            .transpose()
            .map_err(|error| Error::RustError(format!("stored hand-over: {error}")))
    }

    /// Keeps it.
    pub fn save(&self, handed: &Handed) -> Result<()> {
        self.sql.exec(
            "INSERT INTO providers_handed (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            vec![serde_json::to_string(handed)?.into()],
        )?;
        Ok(())
    }
}
