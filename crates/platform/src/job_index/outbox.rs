//! What the index is still to be told, in the storage of the object that drives the jobs. Of each job only the newest announcement counts.

use super::KEPT_MS;
use crate::sql::integer;
use molt_common::api::jobs::JobView;
use molt_common::time::Millis;
use serde::Deserialize;
use worker::d1::{D1Database, D1PreparedStatement, D1Type};
use worker::{Error, Result, SqlStorage};

/// Announcements that go to D1 in one batch.
const BATCH: u64 = 50;
/// Old rows that one batch removes at most.
const PURGED: i32 = 100;

/// The table; the object makes it once in its life. A number is never used twice, so that of two announcements of a job the higher is the newer.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS announcements (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, view TEXT NOT NULL
);
";

/// The announcements of one object.
pub struct Outbox {
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct Row {
    seq: u64,
    created_at: u64,
    view: String,
}

impl Outbox {
    /// The table, which exists.
    #[must_use]
    pub fn of(sql: &SqlStorage) -> Self {
        Self { sql: sql.clone() }
    }

    /// Announces a job anew. Call it with the change that it is about, so that both are committed together.
    ///
    /// # Errors
    /// When storage fails.
    pub fn put(&self, view: &JobView, created_at: Millis) -> Result<()> {
        self.sql.exec(
            "INSERT OR REPLACE INTO announcements (job_id, created_at, view) VALUES (?, ?, ?)",
            vec![
                view.job_id.to_string().into(),
                integer(created_at.0),
                serde_json::to_string(view)?.into(),
            ],
        )?;
        Ok(())
    }

    /// Whether there is anything to tell.
    ///
    /// # Errors
    /// When storage fails.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.rows(1)?.is_empty())
    }

    fn rows(&self, limit: u64) -> Result<Vec<Row>> {
        self.sql
            .exec(
                "SELECT seq, created_at, view FROM announcements ORDER BY seq LIMIT ?",
                vec![integer(limit)],
            )?
            .to_array()
    }

    /// Tells the index everything, oldest first.
    ///
    /// # Errors
    /// When D1 or storage fails; what was told until then is noted.
    pub async fn deliver(&self, database: &D1Database, now: Millis) -> Result<()> {
        loop {
            let rows = self.rows(BATCH)?;
            let Some(last) = rows.last().map(|row| row.seq) else {
                return Ok(());
            };
            let mut statements = Vec::with_capacity(rows.len().saturating_add(1));
            for row in &rows {
                statements.push(written(database, row, now)?);
            }
            statements.push(purge(database, now)?);
            database.batch(statements).await?;
            // What was announced meanwhile has a higher number.
            self.sql
                .exec("DELETE FROM announcements WHERE seq <= ?", vec![integer(last)])?;
        }
    }
}

fn written(database: &D1Database, row: &Row, now: Millis) -> Result<D1PreparedStatement> {
    let view: JobView =
        serde_json::from_str(&row.view).map_err(|error| Error::RustError(format!("stored announcement: {error}")))?;
    let statement = database.prepare(
        "INSERT INTO jobs (job_id, kind, user_id, parent, state, created_at, version, view, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (job_id) DO UPDATE SET state = excluded.state, version = excluded.version, view = excluded.view, \
         updated_at = excluded.updated_at WHERE excluded.version > jobs.version",
    );
    let id = view.job_id.to_string();
    let (user, parent) = (
        view.user_id.map(|user| user.to_string()),
        view.parent.as_ref().map(ToString::to_string),
    );
    // Counters and times of this era are exact in the f64 that D1 takes.
    #[allow(clippy::cast_precision_loss)]
    let (created_at, version, updated_at) = (row.created_at as f64, row.seq as f64, now.0 as f64);
    statement.bind_refs(&[
        D1Type::Text(&id),
        D1Type::Text(view.kind.word()),
        user.as_deref().map_or(D1Type::Null, D1Type::Text),
        parent.as_deref().map_or(D1Type::Null, D1Type::Text),
        D1Type::Text(view.state.word()),
        D1Type::Real(created_at),
        D1Type::Real(version),
        D1Type::Text(&row.view),
        D1Type::Real(updated_at),
    ])
}

/// Rows are as old as the last word about them, so whoever announces something takes some old ones along; lists do not show what remains.
fn purge(database: &D1Database, now: Millis) -> Result<D1PreparedStatement> {
    #[allow(clippy::cast_precision_loss)] // A time of this era.
    let before = now.0.saturating_sub(KEPT_MS) as f64;
    database
        .prepare("DELETE FROM jobs WHERE job_id IN (SELECT job_id FROM jobs WHERE updated_at < ?1 LIMIT ?2)")
        .bind_refs(&[D1Type::Real(before), D1Type::Integer(PURGED)])
}
