//! What is known about commands on disk: `exec/<id>/request.json` before the start, which the shim renames when it starts the command;
//! after the end what [`Recorded`] says.
//!
//! Nothing is synced: what the kernel was told survives the death of any process here, and should the kernel itself go down, the container
//! with this disk goes with it.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use molt_common::control::{ExecPage, ExecReport, ExecStart, ExecState};
use molt_common::output::OutputCursor;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::shim::page::OutputQuery;
use crate::shim::recorded::{NOTED, Recorded, STARTED};
use crate::shim::{Extent, record, running_report};

/// What has to be known of a request to recognise it. Its text stays out: environment and standard input may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Hash of the whole request.
    pub digest: String,
    /// Epoch milliseconds at which it was taken.
    pub taken_at: u64,
}

/// Hash of the whole request, hexadecimal.
pub fn digest(request: &ExecStart) -> io::Result<String> {
    let hash = Sha256::digest(serde_json::to_vec(request)?);
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The report of a command whose outcome nobody saw.
pub fn lost(exec_id: &str, started_at: u64, completed_at: u64, error: &str) -> ExecReport {
    ExecReport {
        state: ExecState::Lost,
        completed_at: Some(completed_at),
        error: Some(error.to_owned()),
        ..running_report(exec_id, started_at)
    }
}

/// The page of a command that has ended and of which no output is left.
pub const fn without_output(report: ExecReport, after: OutputCursor) -> ExecPage {
    ExecPage {
        report,
        pieces: Vec::new(),
        cursor: after,
        more: false,
    }
}

/// The folder of all commands and the folder of the shims' sockets.
#[derive(Clone, Debug)]
pub struct Journal {
    exec: PathBuf,
    run: PathBuf,
}

impl Journal {
    /// In the supervisor's state folder, where `init` has made both.
    pub fn new(state_dir: &Path) -> Self {
        Self {
            exec: state_dir.join("exec"),
            run: state_dir.join("run"),
        }
    }

    /// Notes that a command is about to start.
    pub fn begin(&self, exec_id: &str, entry: &Entry) -> io::Result<()> {
        let folder = self.exec.join(exec_id);
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder)?;
        record(&folder.join(NOTED), entry)
    }

    /// Whether the command's shim has set about starting it. Without this it has never begun.
    pub fn was_started(&self, exec_id: &str) -> bool {
        // An error is no proof that it has not.
        self.folder(exec_id).join(STARTED).try_exists().unwrap_or(true)
    }

    /// Where everything about a command is.
    pub fn folder(&self, exec_id: &str) -> PathBuf {
        self.exec.join(exec_id)
    }

    /// Socket of its shim. Socket paths are limited to 107 bytes, so the name is short whatever the id.
    pub fn socket(&self, exec_id: &str) -> PathBuf {
        let hash = Sha256::digest(exec_id);
        let name: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        self.run.join(name)
    }

    /// The final report, when there is one.
    pub fn result(&self, exec_id: &str) -> io::Result<Option<ExecReport>> {
        Ok(Recorded::read(&self.folder(exec_id))?.map(|recorded| recorded.report))
    }

    /// A page of what a command has left, when it has ended.
    pub fn page(&self, exec_id: &str, query: &OutputQuery) -> io::Result<Option<ExecPage>> {
        let folder = self.folder(exec_id);
        Recorded::read(&folder)?
            .map(|recorded| recorded.page(&folder, query))
            .transpose()
    }

    /// Writes the final report of a command that has no shim to do it.
    pub fn finish(&self, report: &ExecReport) -> io::Result<()> {
        Recorded {
            report: report.clone(),
            stdout: Extent::default(),
            stderr: Extent::default(),
        }
        .write_report(&self.folder(&report.exec_id))
    }

    /// Everything that was begun and not forgotten.
    pub fn entries(&self) -> io::Result<Vec<(String, Entry)>> {
        let mut entries = Vec::new();
        for folder in fs::read_dir(&self.exec)? {
            let folder = folder?;
            let Ok(exec_id) = folder.file_name().into_string() else {
                continue;
            };
            let noted = [STARTED, NOTED].map(|name| read(&folder.path().join(name)));
            match noted
                .into_iter()
                .find(|entry| !matches!(entry, Ok(None)))
                .unwrap_or(Ok(None))
            {
                Ok(Some(entry)) => entries.push((exec_id, entry)),
                // Killed between making the folder and noting the request: it was never taken.
                Ok(None) => fs::remove_dir_all(folder.path())?,
                // One that cannot be read must not keep all the others from being served.
                Err(error) => tracing::error!(exec_id, %error, "a journal entry cannot be read"),
            }
        }
        Ok(entries)
    }

    /// Removes a finished command.
    pub fn forget(&self, exec_id: &str) -> io::Result<()> {
        match fs::remove_file(self.socket(exec_id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match fs::remove_dir_all(self.folder(exec_id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
