//! The folder of uploads: `uploads/<id>/{record.json,data,answer}` in the supervisor's state folder, closed to the agent and to commands.
//!
//! How much of an upload is there is the length of its file: no second number can disagree with it. Nothing is synced: the disk goes with the
//! container, and what the kernel was told outlives `serve`.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use molt_common::upload::UploadId;
use tokio::fs::{File, OpenOptions};

use super::record::Record;
use crate::shim::record;

/// See there.
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// In the supervisor's state folder.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(state_dir: &Path) -> io::Result<Self> {
        let folder = state_dir.join("uploads");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    fn file(&self, id: &UploadId, name: &str) -> PathBuf {
        self.folder.join(id.as_str()).join(name)
    }

    /// Makes room for a new upload.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(&self, new: &Record) -> io::Result<()> {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(self.folder.join(new.id.as_str()))?;
        let made = fs::File::create(self.file(&new.id, "data")).and_then(|_| self.write(new));
        if made.is_err() {
            // Nobody knows of it.
            let _ = self.remove(&new.id);
        }
        made
    }

    /// Replaces the record of an upload.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, changed: &Record) -> io::Result<()> {
        record(&self.file(&changed.id, "record.json"), changed)
    }

    /// Bytes that are there; `None` once they are not kept any more.
    pub fn offset(&self, id: &UploadId) -> Option<u64> {
        fs::metadata(self.file(id, "data")).ok().map(|data| data.len())
    }

    /// The bytes, to be added to.
    ///
    /// # Errors
    /// When they are gone.
    pub async fn append(&self, id: &UploadId) -> io::Result<File> {
        OpenOptions::new().append(true).open(self.file(id, "data")).await
    }

    /// The bytes, to be read.
    ///
    /// # Errors
    /// When they are gone.
    pub async fn data(&self, id: &UploadId) -> io::Result<File> {
        File::open(self.file(id, "data")).await
    }

    /// Keeps only the first bytes.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn truncate(&self, id: &UploadId, length: u64) -> io::Result<()> {
        fs::OpenOptions::new()
            .write(true)
            .open(self.file(id, "data"))?
            .set_len(length)
    }

    /// Frees what was uploaded, once the agent has it.
    pub fn forget_data(&self, id: &UploadId) {
        if let Err(error) = fs::remove_file(self.file(id, "data")) {
            tracing::warn!(%error, "an upload that was delivered stays on the disk");
        }
    }

    /// The agent's answer, to be written.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn new_answer(&self, id: &UploadId) -> io::Result<File> {
        File::create(self.file(id, "answer")).await
    }

    /// The agent's answer, to be read.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn answer(&self, id: &UploadId) -> io::Result<File> {
        File::open(self.file(id, "answer")).await
    }

    /// Removes everything about an upload.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self, id: &UploadId) -> io::Result<()> {
        match fs::remove_dir_all(self.folder.join(id.as_str())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Bytes that the disk would still take.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn free(&self) -> io::Result<u64> {
        let disk = nix::sys::statvfs::statvfs(&self.folder)?;
        Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
    }

    /// The records of all uploads. What cannot be read was never answered for, and is removed where that can be done.
    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let paths = match fs::read_dir(&self.folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) => {
                tracing::error!(%error, "the folder of uploads cannot be read");
                Vec::new()
            }
        };
        for path in paths {
            let read = fs::read(path.join("record.json"));
            match read
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok())
            {
                Some(found) if path.file_name().is_some_and(|name| name == found.id.as_str()) => records.push(found),
                _ => {
                    tracing::warn!(path = %path.display(), "no record of an upload");
                    if let Err(error) = fs::remove_dir_all(&path) {
                        tracing::warn!(%error, "it stays");
                    }
                }
            }
        }
        records
    }
}
