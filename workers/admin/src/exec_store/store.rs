//! The store's tables. Output lies in rows of its own, each under the 2 MB that a row may have.

use super::{Output, Row};
use molt_common::control::{ExecReport, ExecStart};
use molt_common::id::{ExecId, UserId};
use molt_common::time::Millis;
use molt_lifecycle::exec::ExecJob;
use molt_platform::audit_log;
use molt_platform::sql::integer;
use serde::Deserialize;
use worker::{Error, Result, SqlStorage, SqlStorageValue, State};

/// Results kept per sandbox.
const KEPT: u32 = 100;
/// Results are kept this long after the end.
pub const TTL_MS: u64 = 24 * 3600 * 1000;
/// Longest text in a row; replaced bytes make a text longer than what the command wrote.
const LONGEST_TEXT: usize = 1_800_000;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS execs (
  exec_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, tier INTEGER NOT NULL, command TEXT NOT NULL, start TEXT NOT NULL,
  job TEXT NOT NULL, ended_at INTEGER, created_at INTEGER NOT NULL, idempotency_key TEXT UNIQUE, fingerprint TEXT
);
CREATE INDEX IF NOT EXISTS execs_by_end ON execs (ended_at);
CREATE TABLE IF NOT EXISTS outputs (
  exec_id TEXT NOT NULL, stream TEXT NOT NULL, text TEXT NOT NULL, bytes INTEGER NOT NULL, truncated INTEGER NOT NULL,
  PRIMARY KEY (exec_id, stream)
);
";

/// The object's tables.
pub struct Store {
    sql: SqlStorage,
}

/// A job that has not ended, with what is needed to bring it on.
pub struct Active {
    pub exec_id: ExecId,
    pub user_id: UserId,
    pub tier: u8,
    pub start: ExecStart,
    pub job: ExecJob,
}

#[derive(Deserialize)]
struct ExecRow {
    exec_id: String,
    user_id: String,
    tier: u8,
    command: String,
    start: String,
    job: String,
    fingerprint: Option<String>,
}

#[derive(Deserialize)]
struct OutputRow {
    stream: String,
    text: String,
    bytes: f64,
    truncated: f64,
}

#[derive(Deserialize)]
struct Number {
    value: Option<f64>,
}

fn stored<T: serde::de::DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::RustError(format!("stored exec: {error}")))
}

fn id_error(error: molt_common::id::IdError) -> Error {
    Error::RustError(format!("stored exec: {error}"))
}

impl Store {
    /// Makes the tables; once in the object's life is enough.
    pub fn create(state: &State) -> Result<()> {
        let sql = state.storage().sql();
        sql.exec(SCHEMA, None)?;
        sql.exec(audit_log::SCHEMA, None)?;
        Ok(())
    }

    /// The tables, which exist.
    pub fn of(state: &State) -> Self {
        Self {
            sql: state.storage().sql(),
        }
    }

    /// Whose commands these are; `None` before the first. An object has one user's.
    pub fn user(&self) -> Result<Option<UserId>> {
        let row = self.rows("1 = 1 LIMIT 1", vec![])?.into_iter().next();
        row.map(|row| UserId::parse(&row.user_id).map_err(id_error)).transpose()
    }

    fn rows(&self, condition: &str, values: Vec<SqlStorageValue>) -> Result<Vec<ExecRow>> {
        let query =
            format!("SELECT exec_id, user_id, tier, command, start, job, fingerprint FROM execs WHERE {condition}");
        self.sql.exec(&query, values)?.to_array()
    }

    fn number(&self, query: &str) -> Result<Option<u64>> {
        let rows: Vec<Number> = self.sql.exec(query, None)?.to_array()?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Counts and times, never negative.
        Ok(rows
            .into_iter()
            .next()
            .and_then(|row| row.value)
            .map(|value| value as u64))
    }

    /// Keeps a new exec.
    pub fn insert(
        &self,
        user: UserId,
        tier: u8,
        command: &str,
        start: &ExecStart,
        job: &ExecJob,
        key: Option<(&str, &str)>,
    ) -> Result<()> {
        let (key, fingerprint) = match key {
            Some((key, fingerprint)) => (key.into(), fingerprint.into()),
            None => (SqlStorageValue::Null, SqlStorageValue::Null),
        };
        self.sql.exec(
            "INSERT INTO execs (exec_id, user_id, tier, command, start, job, created_at, idempotency_key, fingerprint) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            vec![
                start.exec_id.as_str().into(),
                user.to_string().into(),
                i32::from(tier).into(),
                command.into(),
                serde_json::to_string(start)?.into(),
                serde_json::to_string(job)?.into(),
                integer(job.created_at.0),
                key,
                fingerprint,
            ],
        )?;
        Ok(())
    }

    /// The exec that was accepted under a key, and the fingerprint of its request.
    pub fn by_key(&self, key: &str) -> Result<Option<(ExecId, String)>> {
        let row = self.rows("idempotency_key = ?", vec![key.into()])?.into_iter().next();
        row.map(|row| {
            Ok((
                ExecId::parse(&row.exec_id).map_err(id_error)?,
                row.fingerprint.unwrap_or_default(),
            ))
        })
        .transpose()
    }

    /// One exec with its output.
    pub fn get(&self, id: &ExecId) -> Result<Option<Row>> {
        let Some(row) = self.rows("exec_id = ?", vec![id.as_str().into()])?.into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(Row {
            exec_id: id.clone(),
            user_id: UserId::parse(&row.user_id).map_err(id_error)?,
            command: row.command,
            job: stored(&row.job)?,
            output: self.output(id)?,
        }))
    }

    fn output(&self, id: &ExecId) -> Result<Output> {
        let query = "SELECT stream, text, bytes, truncated FROM outputs WHERE exec_id = ?";
        let rows: Vec<OutputRow> = self.sql.exec(query, vec![id.as_str().into()])?.to_array()?;
        let mut output = Output::default();
        for row in rows {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A count.
            let bytes = row.bytes as u64;
            output.truncated |= row.truncated != 0.0;
            match row.stream.as_str() {
                "stdout" => (output.stdout, output.stdout_bytes) = (row.text, bytes),
                _ => (output.stderr, output.stderr_bytes) = (row.text, bytes),
            }
        }
        Ok(output)
    }

    /// Ids of the execs that have not ended, oldest first.
    pub fn active_ids(&self) -> Result<Vec<ExecId>> {
        let rows = self.rows("ended_at IS NULL ORDER BY created_at, exec_id", vec![])?;
        rows.iter()
            .map(|row| ExecId::parse(&row.exec_id).map_err(id_error))
            .collect()
    }

    /// One exec, if it has not ended.
    pub fn active(&self, id: &ExecId) -> Result<Option<Active>> {
        let row = self
            .rows("exec_id = ? AND ended_at IS NULL", vec![id.as_str().into()])?
            .into_iter()
            .next();
        row.map(|row| {
            Ok(Active {
                exec_id: id.clone(),
                user_id: UserId::parse(&row.user_id).map_err(id_error)?,
                tier: row.tier,
                start: stored(&row.start)?,
                job: stored(&row.job)?,
            })
        })
        .transpose()
    }

    /// Stores where a job stands and, in the same commit, what it has written.
    pub fn update(&self, id: &ExecId, job: &ExecJob, report: Option<&ExecReport>) -> Result<()> {
        let ended = job
            .completed_at
            .filter(|_| job.state.is_terminal())
            .map_or(SqlStorageValue::Null, |at| integer(at.0));
        self.sql.exec(
            "UPDATE execs SET job = ?, ended_at = ? WHERE exec_id = ?",
            vec![serde_json::to_string(job)?.into(), ended, id.as_str().into()],
        )?;
        if let Some(report) = report {
            self.keep(id, "stdout", &report.stdout, report.stdout_bytes, report.truncated)?;
            self.keep(id, "stderr", &report.stderr, report.stderr_bytes, report.truncated)?;
        }
        Ok(())
    }

    fn keep(&self, id: &ExecId, stream: &str, text: &str, bytes: u64, truncated: bool) -> Result<()> {
        let (text, cut) = match text.char_indices().map(|(at, _)| at).find(|at| *at > LONGEST_TEXT) {
            Some(_) => (
                text.chars()
                    .scan(0, |at, c| {
                        *at += c.len_utf8();
                        (*at <= LONGEST_TEXT).then_some(c)
                    })
                    .collect(),
                true,
            ),
            None => (text.to_owned(), false),
        };
        self.sql.exec(
            "INSERT INTO outputs (exec_id, stream, text, bytes, truncated) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (exec_id, stream) DO UPDATE SET text = excluded.text, bytes = excluded.bytes, truncated = excluded.truncated",
            vec![id.as_str().into(), stream.into(), text.into(), integer(bytes), i32::from(truncated || cut).into()],
        )?;
        Ok(())
    }

    /// Forgets what is too old or too much; what has not ended stays.
    pub fn purge(&self, now: Millis) -> Result<()> {
        let doomed = "SELECT exec_id FROM execs WHERE ended_at IS NOT NULL AND (ended_at <= ? OR exec_id NOT IN \
                      (SELECT exec_id FROM execs ORDER BY created_at DESC, exec_id DESC LIMIT ?))";
        let values = || vec![integer(now.0.saturating_sub(TTL_MS)), integer(u64::from(KEPT))];
        self.sql
            .exec(&format!("DELETE FROM outputs WHERE exec_id IN ({doomed})"), values())?;
        self.sql
            .exec(&format!("DELETE FROM execs WHERE exec_id IN ({doomed})"), values())?;
        Ok(())
    }

    /// When the oldest result is to be forgotten.
    pub fn next_expiry(&self) -> Result<Option<Millis>> {
        Ok(self
            .number("SELECT MIN(ended_at) AS value FROM execs")?
            .map(|at| Millis(at).plus(TTL_MS)))
    }
}
