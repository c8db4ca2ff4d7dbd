//! What a sandbox's object keeps in SQLite: the state machines' states, the token of the current start, and the outbox.

use molt_common::boot::StartTimes;
use molt_common::id::UserId;
use molt_common::sandbox_call::SandboxView;
use molt_lifecycle::ownership::Ownership;
use molt_lifecycle::sandbox::Sandbox;
use molt_platform::{audit_log, job_index::outbox, recovery};
use serde::Deserialize;
use worker::{Error, Result, SqlStorage, State};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sandbox (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL, control_token TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS audited (id INTEGER PRIMARY KEY CHECK (id = 1), user TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ownership (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS start_times (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (sequence INTEGER PRIMARY KEY AUTOINCREMENT, view TEXT NOT NULL);
";

/// The object's tables.
pub struct Store {
    sql: SqlStorage,
}

/// An event that lists should show.
pub struct Announcement {
    /// Counts the object's events.
    pub sequence: i64,
    /// What it was at that event, as JSON.
    pub view: String,
}

#[derive(Deserialize)]
struct StateRow {
    state: String,
    control_token: String,
}

#[derive(Deserialize)]
struct OwnershipRow {
    state: String,
}

#[derive(Deserialize)]
struct StartTimesRow {
    state: String,
}

#[derive(Deserialize)]
struct AuditedRow {
    user: String,
}

#[derive(Deserialize)]
struct OutboxRow {
    sequence: f64,
    view: String,
}

impl Store {
    /// Makes the tables; once in the object's life is enough.
    pub fn create(state: &State) -> Result<()> {
        let sql = state.storage().sql();
        sql.exec(SCHEMA, None)?;
        sql.exec(audit_log::SCHEMA, None)?;
        sql.exec(super::changes::SCHEMA, None)?;
        sql.exec(super::snapshots::SCHEMA, None)?;
        sql.exec(super::config::SCHEMA, None)?;
        sql.exec(super::usage::SCHEMA, None)?;
        sql.exec(super::secrets::SCHEMA, None)?;
        sql.exec(super::providers::handed::SCHEMA, None)?;
        sql.exec(super::outbound::SCHEMA, None)?;
        sql.exec(super::legacy::SCHEMA, None)?;
        sql.exec(outbox::SCHEMA, None)?;
        sql.exec(recovery::SCHEMA, None)?;
        Ok(())
    }

    /// The tables, which exist.
    pub fn of(state: &State) -> Self {
        Self {
            sql: state.storage().sql(),
        }
    }

    /// Whose audit chain the object keeps; `None` while nothing was noted.
    pub fn audited(&self) -> Result<Option<UserId>> {
        let rows: Vec<AuditedRow> = self
            .sql
            .exec("SELECT user FROM audited WHERE id = 1", None)?
            .to_array()?;
        let user = rows.first().map(|row| UserId::parse(&row.user));
        user.transpose()
            .map_err(|error| Error::RustError(format!("stored user: {error}")))
    }

    /// Keeps whose chain it is.
    pub fn set_audited(&self, user: UserId) -> Result<()> {
        self.sql.exec(
            "INSERT INTO audited (id, user) VALUES (1, ?) ON CONFLICT (id) DO NOTHING",
            vec![user.to_string().into()],
        )?;
        Ok(())
    }

    fn row(&self) -> Result<Option<StateRow>> {
        let rows: Vec<StateRow> = self
            .sql
            .exec("SELECT state, control_token FROM sandbox WHERE id = 1", None)?
            .to_array()?;
        Ok(rows.into_iter().next())
    }

    /// The state machine's state; a new sandbox is stopped.
    pub fn load(&self) -> Result<Sandbox> {
        match self.row()? {
            Some(row) => {
                serde_json::from_str(&row.state).map_err(|error| Error::RustError(format!("stored state: {error}")))
            }
            None => Ok(Sandbox::default()),
        }
    }

    /// Stores it.
    pub fn save(&self, sandbox: &Sandbox) -> Result<()> {
        let state = serde_json::to_string(sandbox)?;
        self.sql.exec(
            "INSERT INTO sandbox (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            vec![state.into()],
        )?;
        Ok(())
    }

    /// Where the user is; `None` when nothing about it was ever decided.
    pub fn ownership(&self) -> Result<Option<Ownership>> {
        let rows: Vec<OwnershipRow> = self
            .sql
            .exec("SELECT state FROM ownership WHERE id = 1", None)?
            .to_array()?;
        let stored = rows.first().map(|row| serde_json::from_str(&row.state));
        stored
            .transpose()
            .map_err(|error| Error::RustError(format!("stored ownership: {error}")))
    }

    /// Stores it.
    pub fn save_ownership(&self, ownership: &Ownership) -> Result<()> {
        let state = serde_json::to_string(ownership)?;
        self.sql.exec(
            "INSERT INTO ownership (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            vec![state.into()],
        )?;
        Ok(())
    }

    /// How long the last starts took.
    pub fn start_times(&self) -> Result<StartTimes> {
        let rows: Vec<StartTimesRow> = self
            .sql
            .exec("SELECT state FROM start_times WHERE id = 1", None)?
            .to_array()?;
        // Nothing but what a page says is usual depends on it.
        let stored = rows
            .first()
            .map(|row| serde_json::from_str(&row.state).unwrap_or_default());
        Ok(stored.unwrap_or_default())
    }

    /// Stores it.
    pub fn save_start_times(&self, times: &StartTimes) -> Result<()> {
        self.sql.exec(
            "INSERT INTO start_times (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            vec![serde_json::to_string(times)?.into()],
        )?;
        Ok(())
    }

    /// Has lists told. Call it in the transaction of the change.
    pub fn announce(&self, mut view: SandboxView) -> Result<()> {
        view.log_tail.clear();
        self.sql.exec(
            "INSERT INTO outbox (view) VALUES (?)",
            vec![serde_json::to_string(&view)?.into()],
        )?;
        Ok(())
    }

    /// The token that opens the control port of the current start.
    pub fn control_token(&self) -> Result<String> {
        Ok(self.row()?.map(|row| row.control_token).unwrap_or_default())
    }

    /// Keeps the token of a start that is about to be made.
    pub fn set_control_token(&self, token: &str) -> Result<()> {
        self.sql
            .exec("UPDATE sandbox SET control_token = ? WHERE id = 1", vec![token.into()])?;
        Ok(())
    }

    /// The newest event that lists have not been told.
    pub fn undelivered(&self) -> Result<Option<Announcement>> {
        let rows: Vec<OutboxRow> = self
            .sql
            .exec("SELECT sequence, view FROM outbox ORDER BY sequence DESC LIMIT 1", None)?
            .to_array()?;
        #[allow(clippy::cast_possible_truncation)] // A counter, far below 2^53.
        Ok(rows.into_iter().next().map(|row| Announcement {
            sequence: row.sequence as i64,
            view: row.view,
        }))
    }

    /// Lists were told of this event and so of every earlier one.
    pub fn delivered(&self, sequence: i64) -> Result<()> {
        self.sql
            .exec("DELETE FROM outbox WHERE sequence <= ?", vec![sequence.into()])?;
        Ok(())
    }
}
