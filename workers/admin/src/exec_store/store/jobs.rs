//! Commands and where they stand.

use super::{Row as Columns, Store, stored};
use crate::exec_store::{Output, Row, announce};
use molt_common::api::exec::{ExecSummary, JobState};
use molt_common::control::{ExecReport, ExecStart};
use molt_common::id::{ExecId, UserId};
use molt_common::job_id::JobId;
use molt_common::output::OutputCursor;
use molt_common::time::Millis;
use molt_lifecycle::exec::ExecJob;
use molt_platform::sql::integer;
use serde::{Deserialize, Serialize};
use worker::{Result, SqlStorageValue};

const COLUMNS: &str = "exec_id, user_id, command, job, truncated, stdout_bytes, stderr_bytes";

/// A command that was just accepted.
pub struct NewExec<'a> {
    /// Owner of the sandbox.
    pub user: UserId,
    /// His tier.
    pub tier: u8,
    /// The command as lists show it.
    pub shown: &'a str,
    /// The command for the supervisor.
    pub start: &'a ExecStart,
    /// Where it stands.
    pub job: &'a ExecJob,
    /// A caller's key, and the fingerprint of what it was used for.
    pub key: Option<(&'a str, &'a str)>,
    /// The job that it is a part of.
    pub parent: Option<&'a JobId>,
}

/// A job that has not ended, with what is needed to bring it on.
pub struct Active {
    /// Owner of the sandbox.
    pub user_id: UserId,
    /// His tier.
    pub tier: u8,
    /// The command for the supervisor.
    pub start: ExecStart,
    /// Where it stands.
    pub job: ExecJob,
    /// How far its output was fetched.
    pub fetched: OutputCursor,
    /// Its end, observed, while the rest of its output is still being fetched.
    pub ending: Option<Ending>,
}

/// An end that was observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// What the supervisor said.
    pub report: ExecReport,
    /// When it was heard first.
    pub heard_at: Millis,
    /// Since when nobody has answered about the rest.
    #[serde(default)]
    pub silent_since: Option<Millis>,
}

/// Which commands a list shows.
#[derive(Clone, Debug, Default)]
pub struct Listing<'a> {
    /// In one of these states; `None` for any.
    pub states: Option<&'a [JobState]>,
    /// Submitted then or later.
    pub since: Option<Millis>,
    /// Submitted earlier.
    pub until: Option<Millis>,
    /// Submitted before this one, which was submitted then.
    pub before: Option<(Millis, &'a ExecId)>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// Keeps a new exec.
    pub fn insert(&self, new: &NewExec<'_>) -> Result<()> {
        let (key, fingerprint) = match new.key {
            Some((key, fingerprint)) => (key.into(), fingerprint.into()),
            None => (SqlStorageValue::Null, SqlStorageValue::Null),
        };
        self.sql.exec(
            "INSERT INTO execs (exec_id, user_id, tier, command, start, job, created_at, idempotency_key, fingerprint) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            vec![
                new.start.exec_id.as_str().into(),
                new.user.to_string().into(),
                i32::from(new.tier).into(),
                new.shown.into(),
                serde_json::to_string(new.start)?.into(),
                serde_json::to_string(new.job)?.into(),
                integer(new.job.created_at.0),
                key,
                fingerprint,
            ],
        )?;
        announce::accepted(&self.sql, &new.start.exec_id, new.parent)
    }

    /// Whose commands these are; `None` before the first. An object has one user's.
    pub fn user(&self) -> Result<Option<UserId>> {
        self.row("SELECT user_id FROM execs LIMIT 1", vec![])?
            .map(|mut row| row.parsed(UserId::parse))
            .transpose()
    }

    /// The exec that was accepted under a key, and the fingerprint of its request.
    pub fn by_key(&self, key: &str) -> Result<Option<(ExecId, String)>> {
        self.row(
            "SELECT exec_id, fingerprint FROM execs WHERE idempotency_key = ?",
            vec![key.into()],
        )?
        .map(|mut row| Ok((row.parsed(ExecId::parse)?, row.optional_text()?.unwrap_or_default())))
        .transpose()
    }

    /// One exec with the ends of its output.
    pub fn get(&self, id: &ExecId) -> Result<Option<Row>> {
        let (Some(mut row), Some(extent)) = (self.bare(id)?, self.extent(id)?) else {
            return Ok(None);
        };
        row.output = self.status_output(id, row.output, extent)?;
        Ok(Some(row))
    }

    /// One exec without the text of its output.
    pub fn head(&self, id: &ExecId) -> Result<Option<Row>> {
        let (Some(mut row), Some(extent)) = (self.bare(id)?, self.extent(id)?) else {
            return Ok(None);
        };
        row.output.truncated |= self.has_gap(id, extent)?;
        Ok(Some(row))
    }

    fn bare(&self, id: &ExecId) -> Result<Option<Row>> {
        let query = format!("SELECT {COLUMNS} FROM execs WHERE exec_id = ?");
        self.row(&query, vec![id.as_str().into()])?
            .map(|mut row| shown(&mut row))
            .transpose()
    }

    /// Execs of a listing, newest first.
    pub fn list(&self, listing: &Listing<'_>) -> Result<Vec<ExecSummary>> {
        let mut query = format!("SELECT {COLUMNS} FROM execs WHERE created_at >= ? AND created_at < ?");
        let mut values = vec![
            integer(listing.since.map_or(0, |at| at.0)),
            integer(listing.until.map_or(u64::MAX, |at| at.0)),
        ];
        if let Some(states) = listing.states {
            let places = vec!["?"; states.len()].join(", ");
            query.push_str(&format!(" AND state IN ({places})"));
            for state in states {
                values.push(word(*state)?.into());
            }
        }
        if let Some((at, id)) = listing.before {
            query.push_str(" AND (created_at, exec_id) < (?, ?)");
            values.extend([integer(at.0), id.as_str().into()]);
        }
        query.push_str(" ORDER BY created_at DESC, exec_id DESC LIMIT ?");
        values.push(integer(u64::from(listing.limit)));
        self.rows(&query, values)?
            .map(|row| Ok(shown(&mut row?)?.into_summary()))
            .collect()
    }

    /// How many there are in each state.
    pub fn counts(&self) -> Result<Vec<(JobState, u64)>> {
        self.rows("SELECT state, COUNT(*) FROM execs GROUP BY state", vec![])?
            .map(|row| {
                let mut row = row?;
                Ok((row.parsed(state)?, row.number()?))
            })
            .collect()
    }

    /// Ids of the execs that were begun and have not ended.
    pub fn under_way(&self) -> Result<Vec<ExecId>> {
        self.ids(
            "SELECT exec_id FROM execs WHERE ended_at IS NULL AND state <> 'queued' ORDER BY rowid",
            vec![],
        )
    }

    /// Ids of the first execs that wait for their turn, in the order of their submission.
    pub fn waiting(&self, most: u32) -> Result<Vec<ExecId>> {
        self.ids(
            "SELECT exec_id FROM execs WHERE ended_at IS NULL AND state = 'queued' ORDER BY rowid LIMIT ?",
            vec![integer(u64::from(most))],
        )
    }

    fn ids(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<ExecId>> {
        self.rows(query, values)?
            .map(|row| row?.parsed(ExecId::parse))
            .collect()
    }

    /// Numbers of those that were begun and have not ended, and of those that wait.
    pub fn load(&self) -> Result<(u32, u32)> {
        let query = "SELECT coalesce(SUM(state <> 'queued'), 0), coalesce(SUM(state = 'queued'), 0) \
                     FROM execs WHERE ended_at IS NULL";
        let Some(mut row) = self.row(query, vec![])? else {
            return Ok((0, 0));
        };
        let mut count = || row.number().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        Ok((count()?, count()?))
    }

    /// One exec, if it has not ended.
    pub fn active(&self, id: &ExecId) -> Result<Option<Active>> {
        let query = "SELECT user_id, tier, start, job, stdout_next, stderr_next, ending FROM execs \
                     WHERE exec_id = ? AND ended_at IS NULL";
        self.row(query, vec![id.as_str().into()])?
            .map(|mut row| {
                Ok(Active {
                    user_id: row.parsed(UserId::parse)?,
                    tier: u8::try_from(row.number()?).map_err(stored)?,
                    start: row.json()?,
                    job: row.json()?,
                    fetched: OutputCursor {
                        stdout: row.number()?,
                        stderr: row.number()?,
                    },
                    ending: row
                        .optional_text()?
                        .map(|json| serde_json::from_str(&json).map_err(stored))
                        .transpose()?,
                })
            })
            .transpose()
    }

    /// Stores where a job stands, and its end while the rest of its output is being fetched.
    pub fn update(&self, id: &ExecId, job: &ExecJob, ending: Option<&Ending>) -> Result<()> {
        let ended = job
            .completed_at
            .filter(|_| job.state.is_terminal())
            .map_or(SqlStorageValue::Null, |at| integer(at.0));
        let ending = ending.map(serde_json::to_string).transpose()?;
        self.sql.exec(
            "UPDATE execs SET job = ?, ended_at = ?, ending = ? WHERE exec_id = ?",
            vec![
                serde_json::to_string(job)?.into(),
                ended,
                ending.into(),
                id.as_str().into(),
            ],
        )?;
        announce::moved(&self.sql, id)
    }
}

fn shown(row: &mut Columns) -> Result<Row> {
    Ok(Row {
        exec_id: row.parsed(ExecId::parse)?,
        user_id: row.parsed(UserId::parse)?,
        command: row.text()?,
        job: row.json()?,
        output: Output {
            truncated: row.number()? != 0,
            stdout_bytes: row.number()?,
            stderr_bytes: row.number()?,
            ..Output::default()
        },
    })
}

fn word(state: JobState) -> Result<String> {
    match serde_json::to_value(state)? {
        serde_json::Value::String(word) => Ok(word),
        _ => Err(stored("a state is no word")),
    }
}

fn state(word: &str) -> std::result::Result<JobState, serde_json::Error> {
    serde_json::from_value(word.into())
}
