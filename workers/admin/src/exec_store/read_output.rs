//! What a command wrote after a position: at once, or as soon as there is something to tell.

use super::Row;
use super::read_calls::{AwaitEnd, OutputRead, ReadOutput};
use super::store::Store;
use super::watch::moved;
use crate::exec_result_store_do::ExecResultStore;
use molt_common::api::exec::{ExecChange, ExecEnd, ExecOutput};
use molt_common::id::ExecId;
use molt_common::output::chunks::{SPARE_BYTES, Stretch, Told, tell};
use molt_common::output::follow::News;
use molt_common::output::{OutputCursor, StreamName};
use molt_platform::entropy;
use worker::Result;

/// Longest wait of one call.
const LONGEST_WAIT_MS: u64 = 25_000;

/// How a command stands, and what it wrote after a position.
pub struct Reading {
    /// How it stands, without output.
    pub row: Row,
    /// What it wrote so far, kept or not.
    pub written: OutputCursor,
    /// What is to be told.
    pub told: Vec<Told>,
    /// The position after that.
    pub cursor: OutputCursor,
    /// The command has ended, and nothing follows the position.
    pub done: bool,
    /// The command ended before the position that was given.
    pub beyond: bool,
}

impl Reading {
    /// For somebody who follows.
    pub fn into_news(self) -> News {
        let status = self.row.into_status();
        News {
            change: ExecChange {
                state: status.state,
                status: status.status.clone(),
                generation: status.generation,
                started_at: status.started_at.clone(),
                error: status.error.clone(),
            },
            told: self.told,
            end: self.done.then_some(ExecEnd {
                exec_id: status.exec_id,
                found: status.found,
                user_id: status.user_id,
                command: status.command,
                state: status.state,
                status: status.status,
                exit_code: status.exit_code,
                signal: status.signal,
                stdout_bytes: self.written.stdout,
                stderr_bytes: self.written.stderr,
                truncated: status.truncated,
                created_at: status.created_at,
                started_at: status.started_at,
                completed_at: status.completed_at,
                generation: status.generation,
                error: status.error,
            }),
        }
    }
}

/// Reads what follows a position, `limit` bytes of it; `None` when there is no such exec.
pub fn read(store: &Store, id: &ExecId, after: OutputCursor, limit: u64) -> Result<Option<Reading>> {
    let Some(row) = store.head(id)? else { return Ok(None) };
    let written = OutputCursor {
        stdout: row.output.stdout_bytes,
        stderr: row.output.stderr_bytes,
    };
    let ended = row.job.state.is_terminal();
    let page = store.output_after(id, after, limit.saturating_add(SPARE_BYTES))?;
    let last = ended && !page.more;
    let mut stretch = Stretch {
        after,
        pieces: page.pieces,
        end: page.cursor,
        last,
    };
    if last {
        // What was written and never came is a gap as well.
        for stream in StreamName::BOTH {
            let end = stretch.end.of(stream).max(written.of(stream));
            stretch.end.set(stream, end);
        }
    }
    let told = tell(&stretch, limit);
    let cursor = told.last().map_or(after, |told| told.after);
    Ok(Some(Reading {
        done: last && cursor == stretch.end,
        beyond: ended
            && StreamName::BOTH
                .iter()
                .any(|stream| after.of(*stream) > written.of(*stream)),
        row,
        written,
        told,
        cursor,
    }))
}

impl ExecResultStore {
    /// Answers when there is something to tell, the command has ended, or the wait is over.
    pub(crate) async fn read_output(&self, asked: &ReadOutput) -> Result<OutputRead> {
        let until = entropy::now().plus(asked.wait_ms.min(LONGEST_WAIT_MS));
        let _watching = (asked.wait_ms > 0).then(|| self.watches.watch(&asked.exec_id));
        let version = || self.watches.version(&asked.exec_id);
        loop {
            let seen = version();
            let Some(reading) = read(&self.store()?, &asked.exec_id, asked.after, asked.limit)? else {
                return Ok(OutputRead::Unknown);
            };
            if reading.beyond {
                return Ok(OutputRead::Beyond);
            }
            if !reading.told.is_empty() || reading.done || !moved(version, seen, until).await {
                return Ok(OutputRead::Output {
                    output: Box::new(shown(reading)),
                });
            }
        }
    }

    /// Answers when the command has ended or the wait is over; `None` when there is no such exec. It is not watched: nobody asks for its output
    /// before the end.
    pub(crate) async fn await_end(&self, asked: &AwaitEnd) -> Result<Option<Row>> {
        let until = entropy::now().plus(asked.wait_ms.min(LONGEST_WAIT_MS));
        loop {
            let seen = self.watches.changes();
            let store = self.store()?;
            let Some(row) = store.head(&asked.exec_id)? else {
                return Ok(None);
            };
            if row.job.state.is_terminal() || !moved(|| self.watches.changes(), seen, until).await {
                return store.get(&asked.exec_id);
            }
        }
    }
}

fn shown(reading: Reading) -> ExecOutput {
    let job = reading.row.job;
    ExecOutput {
        exec_id: reading.row.exec_id,
        state: job.state,
        status: job.state.status().into(),
        exit_code: job.exit_code,
        signal: job.signal,
        error: job.error,
        chunks: reading.told.into_iter().map(|told| told.chunk).collect(),
        cursor: reading.cursor,
        done: reading.done,
        stdout_bytes: reading.written.stdout,
        stderr_bytes: reading.written.stderr,
    }
}
