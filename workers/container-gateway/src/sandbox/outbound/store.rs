//! The lists in the object's SQLite, and how the newest start was made.

use crate::sandbox_do::Sandbox;
use molt_common::outbound_policy::OutboundPolicy;
use molt_common::time::Millis;
use molt_platform::sql::integer;
use serde::Deserialize;
use worker::{Error, Result, SqlStorage};

/// The tables; the object makes them once in its life.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS outbound (id INTEGER PRIMARY KEY CHECK (id = 1), policy TEXT NOT NULL, version INTEGER NOT NULL, changed_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS outbound_start (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, intercepted INTEGER NOT NULL);
";

#[derive(Deserialize)]
struct Row {
    policy: String,
    version: u64,
    changed_at: u64,
}

#[derive(Deserialize)]
struct StartRow {
    generation: u64,
    intercepted: u8,
}

/// What is kept.
pub struct Kept {
    pub policy: OutboundPolicy,
    /// 0 when nothing was ever set.
    pub version: u64,
    pub changed_at: Option<Millis>,
}

/// The tables, which exist.
pub struct Outbound {
    sql: SqlStorage,
}

impl Outbound {
    pub fn of(object: &Sandbox) -> Result<Self> {
        // The tables exist then.
        object.store()?;
        Ok(Self {
            sql: object.state.storage().sql(),
        })
    }

    pub fn kept(&self) -> Result<Kept> {
        let rows: Vec<Row> = self
            .sql
            .exec("SELECT policy, version, changed_at FROM outbound WHERE id = 1", None)?
            .to_array()?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(Kept {
                policy: OutboundPolicy::default(),
                version: 0,
                changed_at: None,
            });
        };
        Ok(Kept {
            // What cannot be read is never taken for "everything".
            policy: serde_json::from_str(&row.policy)
                .map_err(|error| Error::RustError(format!("stored outbound policy: {error}")))?,
            version: row.version,
            changed_at: Some(Millis(row.changed_at)),
        })
    }

    pub fn policy(&self) -> Result<OutboundPolicy> {
        self.kept().map(|kept| kept.policy)
    }

    pub fn save(&self, policy: &OutboundPolicy, version: u64, at: Millis) -> Result<()> {
        self.sql.exec(
            "INSERT INTO outbound (id, policy, version, changed_at) VALUES (1, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET policy = excluded.policy, version = excluded.version, changed_at = excluded.changed_at",
            vec![serde_json::to_string(policy)?.into(), integer(version), integer(at.0)],
        )?;
        Ok(())
    }

    /// Notes how a start is made.
    pub fn start(&self, generation: u64, intercepted: bool) -> Result<()> {
        self.sql.exec(
            "INSERT INTO outbound_start (id, generation, intercepted) VALUES (1, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, intercepted = excluded.intercepted",
            vec![integer(generation), integer(u64::from(intercepted))],
        )?;
        Ok(())
    }

    /// Whether this start's ways out lead through the edge; `None` when that was not noted: it was made by an earlier version, with the internet open.
    pub fn is_intercepted(&self, generation: u64) -> Result<Option<bool>> {
        let rows: Vec<StartRow> = self
            .sql
            .exec("SELECT generation, intercepted FROM outbound_start WHERE id = 1", None)?
            .to_array()?;
        let row = rows.into_iter().find(|row| row.generation == generation);
        Ok(row.map(|row| row.intercepted != 0))
    }
}
