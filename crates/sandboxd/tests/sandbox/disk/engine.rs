//! What stands in for `sandboxd snapshot`, and a look at what it keeps.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use molt_common::snapshot::SnapshotId;
use nix::unistd::{Pid, Uid};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::give_to_agent;

/// A folder with the program and its repository.
pub struct Engine {
    folder: tempfile::TempDir,
}

impl Engine {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("engine");
        std::fs::write(&program, include_str!("engine.sh")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    pub fn program(&self) -> PathBuf {
        self.folder.path().join("engine")
    }

    /// Has it stop at this place until [`Self::release`].
    pub fn hold(&self, place: &str) {
        std::fs::write(self.folder.path().join(format!("hold-{place}")), "").unwrap();
    }

    pub fn release(&self, place: &str) {
        std::fs::remove_file(self.folder.path().join(format!("hold-{place}"))).unwrap();
    }

    /// Has it answer each order of this kind with these lines.
    pub fn say(&self, work: &str, lines: &str) {
        // Whole at once: it may be about to be read.
        let partial = self.folder.path().join("say.partial");
        std::fs::write(&partial, lines).unwrap();
        std::fs::rename(partial, self.folder.path().join(format!("say-{work}"))).unwrap();
    }

    pub fn say_no_more(&self, work: &str) {
        std::fs::remove_file(self.folder.path().join(format!("say-{work}"))).unwrap();
    }

    /// The newest order.
    pub fn order(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.folder.path().join("order")).unwrap()).unwrap()
    }

    /// What the newest order, a prune, keeps.
    pub fn pruned_all_but(&self) -> BTreeSet<SnapshotId> {
        serde_json::from_value(self.order()["work"]["upkeep"]["keep"].clone()).unwrap()
    }

    /// Processes that were started for this kind of work, in order.
    pub fn children(&self, work: &str) -> Vec<Pid> {
        let children = std::fs::read_to_string(self.folder.path().join("children")).unwrap_or_default();
        let of_work = |line: &str| line.strip_prefix(work)?.trim().parse().ok().map(Pid::from_raw);
        children.lines().filter_map(of_work).collect()
    }

    pub fn folder_of(&self, snapshot: SnapshotId) -> PathBuf {
        self.folder.path().join("repository").join(snapshot.to_string())
    }

    /// What a file of a snapshot holds; nothing when it has none.
    pub fn read(&self, snapshot: SnapshotId, path: &str) -> Option<String> {
        std::fs::read_to_string(self.folder_of(snapshot).join(path)).ok()
    }

    /// Puts a snapshot there that has these files.
    pub fn make(&self, files: &[(&str, &str)]) -> SnapshotId {
        let id = SnapshotId::new(Sha256::digest(format!("{files:?}")).into());
        for (path, text) in files {
            let path = self.folder_of(id).join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
            std::fs::write(path, text).unwrap();
        }
        if Uid::effective().is_root() {
            give_to_agent(&self.folder_of(id));
        }
        id
    }
}
