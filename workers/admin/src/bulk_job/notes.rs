//! What the control plane's audit trail is still to be told of a bulk job. It notes each thing once, however often it is told.

use crate::control_plane;
use crate::control_plane::calls::NoteJob;
use futures_util::future::{Either, select};
use molt_common::time::Millis;
use molt_platform::sql::integer;
use molt_platform::{call, entropy, log};
use serde::Deserialize;
use serde_json::json;
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Env, Error, Result, SqlStorage};

/// What could not be told is told again after this long.
const AGAIN_MS: u64 = 5_000;

/// The table; the object makes it once in its life.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS notes (seq INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT NOT NULL);
";

#[derive(Deserialize)]
struct Row {
    seq: u64,
    note: String,
}

/// Adds a note. Call it in the transaction of what it is about.
pub fn put(sql: &SqlStorage, note: &NoteJob) -> Result<()> {
    sql.exec(
        "INSERT INTO notes (note) VALUES (?)",
        vec![serde_json::to_string(note)?.into()],
    )?;
    Ok(())
}

/// Tells what is still to be told, for at most this long. Answers when to try again, if it must be.
pub async fn deliver(env: &Env, sql: &SqlStorage, longest: Duration) -> Option<Millis> {
    let told = pin!(deliver_now(env, sql));
    let outcome = match select(told, pin!(Delay::from(longest))).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(Error::RustError("no answer in time".into())),
    };
    match outcome {
        Ok(()) => None,
        Err(error) => {
            log::error("job_not_noted", json!({"error": error.to_string()}));
            Some(entropy::now().plus(AGAIN_MS))
        }
    }
}

async fn deliver_now(env: &Env, sql: &SqlStorage) -> Result<()> {
    let rows: Vec<Row> = sql.exec("SELECT seq, note FROM notes ORDER BY seq", None)?.to_array()?;
    for row in rows {
        let note: NoteJob =
            serde_json::from_str(&row.note).map_err(|error| Error::RustError(format!("stored note: {error}")))?;
        call::make(&control_plane::stub(env)?, &note).await?;
        sql.exec("DELETE FROM notes WHERE seq = ?", vec![integer(row.seq)])?;
    }
    Ok(())
}
