//! The tables of the `ControlPlane` object. A change and its audit entry are one transaction (`change`).

mod flags;
mod keys;
mod outbox;
mod people;
mod recovery;

pub use outbox::{Item, Task};

use super::calls::NoteJob;
use molt_common::audit::{Author, Chain, Change};
use molt_common::time::Millis;
use molt_common::trust::TrustSnapshot;
use molt_platform::audit_log::{self, AuditLog};
use molt_platform::sql::integer;
use molt_platform::{entropy, transaction};
use serde::Deserialize;
use serde_json::Value;
use worker::{Error, Result, SqlStorage, State};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS control (
  id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, published INTEGER NOT NULL, bootstrap_off INTEGER NOT NULL
);
INSERT INTO control (id, version, published, bootstrap_off) VALUES (1, 1, 0, 0) ON CONFLICT (id) DO NOTHING;
CREATE TABLE IF NOT EXISTS keys (
  id TEXT PRIMARY KEY, hash TEXT NOT NULL, name TEXT NOT NULL, scopes TEXT NOT NULL, created_at INTEGER NOT NULL, created_by TEXT NOT NULL,
  expires_at INTEGER, last_used_at INTEGER, revoked_at INTEGER
);
CREATE TABLE IF NOT EXISTS ended_sessions (session TEXT PRIMARY KEY, until INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS suspended (user TEXT PRIMARY KEY, since INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS invitations (email TEXT PRIMARY KEY, created_at INTEGER NOT NULL, invited_by TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER NOT NULL);
";

/// The object's tables.
pub struct Store<'a> {
    state: &'a State,
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct ControlRow {
    version: u64,
    published: u64,
    bootstrap_off: u64,
}

fn stored(error: impl std::fmt::Display) -> Error {
    Error::RustError(format!("stored control plane: {error}"))
}

/// What is noted down about a change.
pub struct Note<'a> {
    /// Who, and in which request.
    pub author: &'a Author,
    /// `<thing>.<done>`.
    pub action: &'a str,
    /// An id.
    pub target: &'a str,
    /// More, without secrets.
    pub detail: Value,
}

impl<'a> Store<'a> {
    /// Makes the tables; once in the object's life is enough.
    pub fn create(state: &State) -> Result<()> {
        let sql = state.storage().sql();
        sql.exec(SCHEMA, None)?;
        sql.exec(flags::SCHEMA, None)?;
        sql.exec(audit_log::SCHEMA, None)?;
        sql.exec(molt_platform::recovery::SCHEMA, None)?;
        Ok(())
    }

    /// The tables, which exist.
    pub fn of(state: &'a State) -> Self {
        Self {
            state,
            sql: state.storage().sql(),
        }
    }

    /// The object's chain.
    pub fn audit(&self) -> AuditLog {
        AuditLog::of(self.state, Chain::ControlPlane)
    }

    /// Performs a change with its note in the audit trail: both or neither. `write` answers whether anything changed; without a change
    /// there is no note, and when it fails nothing that it wrote remains. `seen_by_routers` says whether routers must learn of it. Until a restore
    /// is finished there are no changes.
    fn change<E: From<Error>>(
        &self,
        note: &Note<'_>,
        seen_by_routers: bool,
        write: impl FnOnce(Millis) -> std::result::Result<bool, E>,
    ) -> std::result::Result<bool, E> {
        transaction::transaction(self.state, || {
            self.must_not_be_restoring()?;
            let at = entropy::now();
            if !write(at)? {
                return Ok(false);
            }
            if seen_by_routers {
                self.sql
                    .exec("UPDATE control SET version = version + 1 WHERE id = 1", None)?;
            }
            self.audit().append(&Change {
                at,
                author: note.author,
                action: note.action,
                target: note.target,
                detail: &note.detail,
            })?;
            Ok(true)
        })
    }

    /// Rows that a statement inserted, changed or removed.
    fn changes(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Count {
            value: u64,
        }
        let rows: Vec<Count> = self.sql.exec("SELECT changes() AS value", None)?.to_array()?;
        Ok(rows.first().map_or(0, |row| row.value))
    }

    fn control(&self) -> Result<ControlRow> {
        let rows: Vec<ControlRow> = self
            .sql
            .exec(
                "SELECT version, published, bootstrap_off FROM control WHERE id = 1",
                None,
            )?
            .to_array()?;
        rows.into_iter().next().ok_or_else(|| stored("no control row"))
    }

    /// Notes, once, what was done about a job.
    pub fn note_job(&self, told: &NoteJob) -> Result<bool> {
        let target = told.job_id.to_string();
        let note = Note {
            author: &told.author,
            action: &told.action,
            target: &target,
            detail: told.detail.clone(),
        };
        self.change(&note, false, |_| Ok(!self.audit().has_about(&told.action, &target)?))
    }

    /// Version that routers must have.
    pub fn version(&self) -> Result<u64> {
        Ok(self.control()?.version)
    }

    /// Whether the copy in KV is older.
    pub fn is_unpublished(&self) -> Result<bool> {
        let row = self.control()?;
        Ok(row.version != row.published)
    }

    /// The copy in KV has this version now.
    pub fn published(&self, version: u64) -> Result<()> {
        self.sql
            .exec("UPDATE control SET published = ? WHERE id = 1", vec![integer(version)])?;
        Ok(())
    }

    /// What routers must know.
    pub fn snapshot(&self, now: Millis) -> Result<TrustSnapshot> {
        let row = self.control()?;
        Ok(TrustSnapshot {
            version: row.version,
            bootstrap_off: row.bootstrap_off != 0,
            keys: self.good_keys(now)?,
            ended: self.ended(now)?,
            suspended: self.suspended()?,
            flags: self.flag_set()?,
        })
    }
}
