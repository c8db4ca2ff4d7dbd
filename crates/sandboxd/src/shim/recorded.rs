//! What is left of a command on disk: `result.json` with the report, beside it the kept bytes of each stream as they were written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use molt_common::control::{ExecPage, ExecReport};
use molt_common::output::{OutputPiece, StreamName};
use serde::{Deserialize, Serialize};

use super::child::record;
use super::extent::{Extent, PagePlan};
use super::output::KeptOutput;
use super::page::OutputQuery;

/// Name of the note that a request was taken.
pub const NOTED: &str = "request.json";
/// Its name once the shim has set about starting the command.
pub const STARTED: &str = "started.json";
const RESULT: &str = "result.json";

/// Marks the command as one that may have begun. A rename, because it needs no room on the disk.
pub fn mark_started(folder: &Path) -> io::Result<()> {
    fs::rename(folder.join(NOTED), folder.join(STARTED))
}

/// Contents of `result.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// The final report.
    pub report: ExecReport,
    /// What is kept of standard output.
    pub stdout: Extent,
    /// What is kept of standard error.
    pub stderr: Extent,
}

impl Recorded {
    /// Writes everything into the folder of a command, the report last: where there is one, the rest is whole.
    pub fn write(folder: &Path, report: &ExecReport, stdout: &KeptOutput, stderr: &KeptOutput) -> io::Result<()> {
        for (stream, kept) in [(StreamName::Stdout, stdout), (StreamName::Stderr, stderr)] {
            let mut file = fs::OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o600)
                .open(folder.join(stream.word()))?;
            for part in kept.parts() {
                file.write_all(part)?;
            }
        }
        Self {
            report: report.clone(),
            stdout: stdout.extent(),
            stderr: stderr.extent(),
        }
        .write_report(folder)
    }

    /// Writes the report of a command that has left no output.
    pub fn write_report(&self, folder: &Path) -> io::Result<()> {
        record(&folder.join(RESULT), self)
    }

    /// Reads the report, when there is one.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        match fs::read(folder.join(RESULT)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The page that a query gets.
    pub fn page(self, folder: &Path, query: &OutputQuery) -> io::Result<ExecPage> {
        let plan = PagePlan::new(&self.stdout, &self.stderr, query.after, query.limit_bytes);
        let pieces = plan.ranges.iter().map(|(stream, range)| {
            let extent = match stream {
                StreamName::Stdout => &self.stdout,
                StreamName::Stderr => &self.stderr,
            };
            let bytes = read_range(&folder.join(stream.word()), extent, range)?;
            Ok(OutputPiece {
                stream: *stream,
                at: range.start,
                bytes,
            })
        });
        Ok(ExecPage {
            pieces: pieces.collect::<io::Result<_>>()?,
            report: self.report,
            cursor: plan.cursor,
            more: plan.more,
        })
    }
}

fn read_range(path: &Path, extent: &Extent, range: &Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    File::open(path)?.read_exact_at(&mut bytes, extent.position(range.start))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use molt_common::control::WaitFor;
    use molt_common::output::OutputCursor;

    use super::*;
    use crate::shim::running_report;

    #[test]
    fn pages_from_disk_are_those_from_memory() {
        let folder = tempfile::tempdir().unwrap();
        let (mut stdout, mut stderr) = (KeptOutput::new(9), KeptOutput::new(9));
        assert!(Recorded::read(folder.path()).unwrap().is_none());
        for piece in [&b"\xff\x00ab"[..], b"cdefgh", b"ijkl\n"] {
            stdout.push(piece);
            stderr.push(&piece[..2]);
        }
        Recorded::write(folder.path(), &running_report("e", 1), &stdout, &stderr).unwrap();
        for limit in 1..20 {
            let mut after = OutputCursor::default();
            loop {
                let query = OutputQuery {
                    after,
                    wait_ms: 0,
                    wait_for: WaitFor::Output,
                    limit_bytes: limit,
                };
                let page = Recorded::read(folder.path())
                    .unwrap()
                    .unwrap()
                    .page(folder.path(), &query)
                    .unwrap();
                let plan = PagePlan::new(&stdout.extent(), &stderr.extent(), after, limit);
                assert_eq!((page.cursor, page.more), (plan.cursor, plan.more));
                for (piece, (stream, range)) in page.pieces.iter().zip(&plan.ranges) {
                    let mut bytes = Vec::new();
                    let kept = if *stream == StreamName::Stdout {
                        &stdout
                    } else {
                        &stderr
                    };
                    kept.copy(range, &mut bytes);
                    assert_eq!((&piece.bytes, piece.at), (&bytes, range.start));
                }
                after = page.cursor;
                if !page.more {
                    break;
                }
            }
        }
    }
}
