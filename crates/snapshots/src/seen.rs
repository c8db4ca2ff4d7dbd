//! What was seen of databases at the last save, so that one that did not change is not copied again.

use crate::databases::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A database as it was copied last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The database, its `-wal` and its `-journal`.
    pub versions: Vec<Option<Version>>,
    /// Bytes of its copy.
    pub size: u64,
}

/// Databases by their path below the home.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SeenDatabases {
    before: BTreeMap<String, Seen>,
    now: BTreeMap<String, Seen>,
}

fn file(work_dir: &Path) -> PathBuf {
    work_dir.join("databases.json")
}

impl SeenDatabases {
    /// What the last save left; nothing where that cannot be read, which costs copies and nothing else.
    pub fn load(work_dir: &Path) -> Self {
        let before = std::fs::read(file(work_dir))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            before,
            now: BTreeMap::new(),
        }
    }

    /// Size of the copy of a database that is still as it was seen last.
    pub fn unchanged(&self, path: &Path, versions: &[Option<Version>]) -> Option<u64> {
        let seen = self.before.get(path.to_str()?)?;
        (seen.versions == versions).then_some(seen.size)
    }

    /// Keeps what is seen now.
    pub fn keep(&mut self, path: &Path, seen: Seen) {
        // A name that is no UTF-8 is copied each time.
        if let Some(path) = path.to_str() {
            self.now.insert(path.to_owned(), seen);
        }
    }

    /// Leaves it for the next save, whole or not at all.
    pub fn store(&self, work_dir: &Path) -> std::io::Result<()> {
        let next = work_dir.join("databases.json.next");
        std::fs::write(&next, serde_json::to_vec(&self.now)?)?;
        std::fs::rename(next, file(work_dir))
    }
}
