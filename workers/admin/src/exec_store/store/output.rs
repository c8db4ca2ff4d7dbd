//! What commands wrote: rows of bytes by stream and offset (see `molt_common::kept_output`).

use super::Store;
use crate::exec_store::Output;
use molt_common::api::exec::STATUS_OUTPUT_BYTES;
use molt_common::id::ExecId;
use molt_common::kept_output::{Write, lay, left_out, remains, shown};
use molt_common::output::{OutputCursor, OutputPiece, StreamName};
use molt_platform::sql::integer;
use std::ops::Range;
use worker::{Result, SqlStorageValue};

/// Output that was fetched.
pub struct NewOutput<'a> {
    /// What was written after what is known; what is known already is not written again.
    pub pieces: &'a [OutputPiece],
    /// Position after the pieces.
    pub cursor: OutputCursor,
    /// Bytes written so far, kept or not.
    pub written: OutputCursor,
    /// Bytes of each stream that are kept.
    pub limit: u64,
    /// Whether nothing more will come. What was written and did not come is left out.
    pub last: bool,
}

/// A part of what is kept.
#[derive(Debug, Default)]
pub struct KeptPage {
    /// Bytes after the position, of each stream in order.
    pub pieces: Vec<OutputPiece>,
    /// Position after the pieces; where nothing that is kept follows, how far the stream was fetched.
    pub cursor: OutputCursor,
    /// Whether more is kept already.
    pub more: bool,
}

/// How far the streams of a command were fetched, and how long they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    /// Everything before was fetched, or was not kept in the sandbox.
    pub fetched: OutputCursor,
    /// Bytes written so far, kept or not.
    pub written: OutputCursor,
}

impl Store {
    /// Keeps output that was fetched. What is fetched twice is kept once. Call it in the transaction that stores the job.
    pub fn append(&self, id: &ExecId, new: &NewOutput<'_>) -> Result<()> {
        let Some(mut extent) = self.extent(id)? else {
            return Ok(());
        };
        for stream in StreamName::BOTH {
            let mut fetched = extent.fetched.of(stream);
            for piece in new.pieces.iter().filter(|piece| piece.stream == stream) {
                self.write(id, piece, fetched)?;
                fetched = fetched.max(piece.end());
            }
            let written = extent.written.of(stream).max(new.written.of(stream)).max(fetched);
            fetched = fetched.max(new.cursor.of(stream).min(written));
            if new.last {
                fetched = written;
            }
            extent.fetched.set(stream, fetched);
            extent.written.set(stream, written);
            self.cut(id, stream, &left_out(new.limit, written), new.last)?;
        }
        self.sql.exec(
            "UPDATE execs SET stdout_next = ?, stderr_next = ?, stdout_bytes = ?, stderr_bytes = ? WHERE exec_id = ?",
            vec![
                integer(extent.fetched.stdout),
                integer(extent.fetched.stderr),
                integer(extent.written.stdout),
                integer(extent.written.stderr),
                id.as_str().into(),
            ],
        )?;
        Ok(())
    }

    /// How far the streams of a command are.
    pub fn extent(&self, id: &ExecId) -> Result<Option<Extent>> {
        let query = "SELECT stdout_next, stderr_next, stdout_bytes, stderr_bytes FROM execs WHERE exec_id = ?";
        let Some(mut row) = self.row(query, vec![id.as_str().into()])? else {
            return Ok(None);
        };
        let mut position = || -> Result<OutputCursor> {
            Ok(OutputCursor {
                stdout: row.number()?,
                stderr: row.number()?,
            })
        };
        Ok(Some(Extent {
            fetched: position()?,
            written: position()?,
        }))
    }

    /// What is kept after a position, `limit_bytes` of it. A stream that would fill the page leaves half of it to one that would too.
    pub fn output_after(&self, id: &ExecId, after: OutputCursor, limit_bytes: u64) -> Result<KeptPage> {
        let mut page = KeptPage {
            cursor: after,
            ..KeptPage::default()
        };
        let Some(extent) = self.extent(id)? else {
            return Ok(page);
        };
        let waiting = extent.fetched.stderr.saturating_sub(after.stderr);
        let mut left = limit_bytes;
        for (stream, reserved) in [
            (StreamName::Stdout, waiting.min(limit_bytes / 2)),
            (StreamName::Stderr, 0),
        ] {
            let mut share = left.saturating_sub(reserved);
            let mut whole = true;
            for row in self.ranges(id, stream, after.of(stream))? {
                if share == 0 {
                    whole = false;
                    break;
                }
                let from = row.start.max(after.of(stream));
                let to = row.end.min(from.saturating_add(share));
                let bytes = self.bytes(id, stream, row.start, from..to)?;
                share = share.saturating_sub(to - from);
                left = left.saturating_sub(to - from);
                whole = to == row.end;
                page.cursor.set(stream, to);
                page.pieces.push(OutputPiece {
                    stream,
                    at: from,
                    bytes,
                });
            }
            if whole {
                let end = page.cursor.of(stream).max(extent.fetched.of(stream));
                page.cursor.set(stream, end);
            } else {
                page.more = true;
            }
        }
        Ok(page)
    }

    /// What a status shows: the ends of each stream.
    pub(super) fn status_output(&self, id: &ExecId, mut output: Output, extent: Extent) -> Result<Output> {
        for stream in StreamName::BOTH {
            let kept = self.ranges(id, stream, 0)?;
            let parts = shown(&kept, STATUS_OUTPUT_BYTES as u64);
            let text = self.text(id, stream, &kept, &parts)?;
            output.truncated |= length(&parts) < extent.fetched.of(stream);
            match stream {
                StreamName::Stdout => output.stdout = text,
                StreamName::Stderr => output.stderr = text,
            }
        }
        Ok(output)
    }

    /// Whether anything between the beginning and what was fetched is not kept.
    pub(super) fn has_gap(&self, id: &ExecId, extent: Extent) -> Result<bool> {
        for stream in StreamName::BOTH {
            if length(&self.ranges(id, stream, 0)?) < extent.fetched.of(stream) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Parts of the kept rows as text. What was left out between two parts makes no character of their ends.
    fn text(&self, id: &ExecId, stream: StreamName, rows: &[Range<u64>], parts: &[Range<u64>]) -> Result<String> {
        let (mut text, mut stretch, mut end) = (String::new(), Vec::new(), 0);
        for part in parts {
            if part.start != end {
                text.push_str(&String::from_utf8_lossy(&stretch));
                stretch.clear();
            }
            if let Some(row) = rows.iter().find(|row| row.start <= part.start && part.end <= row.end) {
                stretch.extend(self.bytes(id, stream, row.start, part.clone())?);
            }
            end = part.end;
        }
        text.push_str(&String::from_utf8_lossy(&stretch));
        Ok(text)
    }

    fn write(&self, id: &ExecId, piece: &OutputPiece, known: u64) -> Result<()> {
        let last = self.last_range(id, piece.stream)?;
        for write in lay(last.clone(), known, piece.at, piece.bytes.len()) {
            let part = |range: Range<usize>| piece.bytes.get(range).unwrap_or_default();
            match (write, &last) {
                (Write::Extend(range), Some(last)) => {
                    let mut bytes = self.bytes(id, piece.stream, last.start, last.clone())?;
                    bytes.extend_from_slice(part(range));
                    self.put(id, piece.stream, last.start, bytes)?;
                }
                (Write::Row(start, range), _) => self.put(id, piece.stream, start, part(range).to_vec())?,
                (Write::Extend(_), None) => {}
            }
        }
        Ok(())
    }

    /// Drops the rows that lie wholly in what is left out; `exactly` cuts those at its edges too.
    fn cut(&self, id: &ExecId, stream: StreamName, left_out: &Range<u64>, exactly: bool) -> Result<()> {
        if left_out.is_empty() {
            return Ok(());
        }
        self.sql.exec(
            "DELETE FROM output WHERE exec_id = ? AND stream = ? AND start >= ? AND start + length(bytes) <= ?",
            key(id, stream)
                .into_iter()
                .chain([integer(left_out.start), integer(left_out.end)])
                .collect::<Vec<_>>(),
        )?;
        if !exactly {
            return Ok(());
        }
        for row in self.ranges(id, stream, 0)? {
            let parts = remains(&row, left_out);
            if parts.first() == Some(&row) {
                continue;
            }
            let parts = parts
                .into_iter()
                .map(|part| Ok((part.start, self.bytes(id, stream, row.start, part)?)))
                .collect::<Result<Vec<_>>>()?;
            let mut at = key(id, stream);
            at.push(integer(row.start));
            self.sql
                .exec("DELETE FROM output WHERE exec_id = ? AND stream = ? AND start = ?", at)?;
            for (start, bytes) in parts {
                self.put(id, stream, start, bytes)?;
            }
        }
        Ok(())
    }

    fn put(&self, id: &ExecId, stream: StreamName, start: u64, bytes: Vec<u8>) -> Result<()> {
        let mut values = key(id, stream);
        values.extend([integer(start), bytes.into()]);
        self.sql.exec(
            "INSERT INTO output (exec_id, stream, start, bytes) VALUES (?, ?, ?, ?) \
             ON CONFLICT (exec_id, stream, start) DO UPDATE SET bytes = excluded.bytes",
            values,
        )?;
        Ok(())
    }

    /// The ranges of the rows that hold anything after an offset, in order. Lengths are read without the bytes.
    fn ranges(&self, id: &ExecId, stream: StreamName, after: u64) -> Result<Vec<Range<u64>>> {
        let mut values = key(id, stream);
        values.push(integer(after));
        let query = "SELECT start, start + length(bytes) FROM output \
                     WHERE exec_id = ? AND stream = ? AND start + length(bytes) > ? ORDER BY start";
        self.rows(query, values)?
            .map(|row| {
                let mut row = row?;
                Ok(row.number()?..row.number()?)
            })
            .collect()
    }

    fn last_range(&self, id: &ExecId, stream: StreamName) -> Result<Option<Range<u64>>> {
        let query = "SELECT start, start + length(bytes) FROM output \
                     WHERE exec_id = ? AND stream = ? ORDER BY start DESC LIMIT 1";
        self.row(query, key(id, stream))?
            .map(|mut row| Ok(row.number()?..row.number()?))
            .transpose()
    }

    /// A part of one row.
    fn bytes(&self, id: &ExecId, stream: StreamName, row_start: u64, part: Range<u64>) -> Result<Vec<u8>> {
        // SQLite counts from 1.
        let mut values = vec![
            integer(part.start.saturating_sub(row_start).saturating_add(1)),
            integer(part.end.saturating_sub(part.start)),
        ];
        values.extend(key(id, stream));
        values.push(integer(row_start));
        let query = "SELECT substr(bytes, ?, ?) FROM output WHERE exec_id = ? AND stream = ? AND start = ?";
        self.row(query, values)?
            .map_or_else(|| Ok(Vec::new()), |mut row| row.bytes())
    }
}

fn key(id: &ExecId, stream: StreamName) -> Vec<SqlStorageValue> {
    vec![id.as_str().into(), stream.word().into()]
}

fn length(parts: &[Range<u64>]) -> u64 {
    parts.iter().map(|part| part.end.saturating_sub(part.start)).sum()
}
