//! Commands as jobs: what the index is told of them, and what `GET /api/super/jobs/{id}` shows.

use crate::job_index::outbox::{self, Outbox};
use molt_common::api::jobs::JobView;
use molt_common::id::{ExecId, UserId};
use molt_common::job_id::{JobId, JobKind};
use molt_common::job_title::title;
use molt_common::time::Millis;
use molt_lifecycle::exec::ExecJob;
use serde::{Deserialize, Serialize};
use worker::{Error, Result, SqlStorage, SqlStorageValue};

/// Whose part a command is, and which state of it was last announced. Rows go with the commands; what is still to be announced of them stays.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS exec_jobs (exec_id TEXT PRIMARY KEY, parent TEXT, announced TEXT);
";

/// A command as a job, with what a parent wants to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExecJobView {
    /// As the API shows it.
    pub view: JobView,
    /// Null unless observed.
    pub exit_code: Option<i32>,
}

#[derive(Deserialize)]
struct Row {
    user_id: String,
    command: String,
    job: String,
    created_at: u64,
    parent: Option<String>,
    announced: Option<String>,
}

fn stored(error: impl std::fmt::Display) -> Error {
    Error::RustError(format!("stored exec: {error}"))
}

/// Makes the tables; once in the object's life is enough.
pub fn create(sql: &SqlStorage) -> Result<()> {
    sql.exec(SCHEMA, None)?;
    sql.exec(outbox::SCHEMA, None)?;
    Ok(())
}

/// Notes whose part a new command is, and announces it. Call it in the transaction that keeps the command.
pub fn accepted(sql: &SqlStorage, id: &str, parent: Option<&JobId>) -> Result<()> {
    let parent = parent.map_or(SqlStorageValue::Null, |parent| parent.to_string().into());
    sql.exec(
        "INSERT INTO exec_jobs (exec_id, parent) VALUES (?, ?)",
        vec![id.into(), parent],
    )?;
    moved(sql, &ExecId::parse(id).map_err(stored)?)
}

/// Announces a command whose state is another than was last announced. Call it with every change.
pub fn moved(sql: &SqlStorage, id: &ExecId) -> Result<()> {
    let Some(row) = row(sql, id)? else { return Ok(()) };
    let job = job(&row)?;
    let word = job.state.word();
    if row.announced.as_deref() == Some(word) {
        return Ok(());
    }
    Outbox::of(sql).put(&view(id, &row, job)?.view, Millis(row.created_at))?;
    sql.exec(
        "INSERT INTO exec_jobs (exec_id, announced) VALUES (?, ?) ON CONFLICT (exec_id) DO UPDATE SET announced = excluded.announced",
        vec![id.as_str().into(), word.into()],
    )?;
    Ok(())
}

/// One command as a job; without its output, which may be long.
pub fn read(sql: &SqlStorage, id: &ExecId) -> Result<Option<ExecJobView>> {
    let Some(row) = row(sql, id)? else { return Ok(None) };
    let job = job(&row)?;
    view(id, &row, job).map(Some)
}

fn row(sql: &SqlStorage, id: &ExecId) -> Result<Option<Row>> {
    let rows: Vec<Row> = sql
        .exec(
            "SELECT e.user_id, e.command, e.job, e.created_at, j.parent, j.announced \
             FROM execs e LEFT JOIN exec_jobs j ON j.exec_id = e.exec_id WHERE e.exec_id = ?",
            vec![id.as_str().into()],
        )?
        .to_array()?;
    Ok(rows.into_iter().next())
}

fn job(row: &Row) -> Result<ExecJob> {
    serde_json::from_str(&row.job).map_err(stored)
}

fn view(id: &ExecId, row: &Row, job: ExecJob) -> Result<ExecJobView> {
    let user = UserId::parse(&row.user_id).map_err(stored)?;
    Ok(ExecJobView {
        view: JobView {
            job_id: JobId::exec(user, id.clone()),
            kind: JobKind::Exec,
            user_id: Some(user),
            parent: row.parent.as_deref().map(JobId::parse).transpose().map_err(stored)?,
            title: title(&row.command),
            state: job.state,
            status: job.state.status().into(),
            error: job.error.as_deref().map(title),
            progress: None,
            change: None,
            created_at: job.created_at.iso(),
            started_at: job.started_at.map(Millis::iso),
            completed_at: job.completed_at.map(Millis::iso),
            result_url: Some(format!("/api/super/users/{user}/exec/{id}")),
        },
        exit_code: job.exit_code,
    })
}
