//! Takes a snapshot.

use crate::clock::now;
use crate::failure::{Failure, Outcome};
use crate::findings::Findings;
use crate::order;
use crate::progress::Progress;
use crate::read_back::read_back;
use crate::repository::{Access, Opened, cause, object_id, snapshot};
use crate::seen::SeenDatabases;
use crate::source::HomeSource;
use crate::work_dir::WorkDir;
use molt_common::snapshot::SnapshotId;
use molt_common::time::Millis;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{BackupOptions, ParentOptions, SnapshotGroupCriterion, SnapshotOptions};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the home is read at most, when files are replaced or written to while they are read.
const ROUNDS: usize = 3;
/// Kept in every snapshot's record as the machine it was taken on: sandboxes have no names of their own that would last.
const HOST: &str = "sandbox";
/// What the root of a snapshot's tree is, in its record.
const ROOT: &str = "/";

/// What is saved.
pub struct Save<'a> {
    /// The repository.
    pub access: &'a Access,
    /// What is read.
    pub home: &'a Path,
    /// For copies.
    pub work_dir: &'a WorkDir,
    /// What it is taken on top of.
    pub parent: Option<SnapshotId>,
    /// For the snapshot's record.
    pub tags: &'a [String],
}

impl Save<'_> {
    /// Takes a snapshot, writes it, reads it back.
    ///
    /// # Errors
    /// When the repository did not take it or does not hold it. Then no snapshot was written, or one that nobody publishes.
    pub fn run(&self, progress: &Progress) -> Outcome<order::Outcome> {
        progress.reading();
        let taken_at = now();
        let mut sent = 0;
        let mut copy_first = BTreeSet::new();
        for round in 1..=ROUNDS {
            // Opened afresh each time: what the last round wrote is in the index then, and not sent again.
            let opened = self.access.open_or_begin()?;
            let findings = Arc::new(Findings::default());
            let staging = self.work_dir.empty_staging()?;
            let (file, seen, opened) = self.read(opened, &staging, copy_first.clone(), &findings, progress)?;
            sent += opened.backend.sent.load(Ordering::Relaxed);
            let unsteady = findings.take_unsteady();
            if !unsteady.is_empty() && round < ROUNDS {
                copy_first.extend(unsteady);
                continue;
            }
            for path in &unsteady {
                findings.unreadable(path, "it changes each time it is read");
            }
            return self.conclude(&opened, &file, &seen, &findings, taken_at, sent, progress);
        }
        Err(Failure::passing("the home changes each time it is read"))
    }

    /// One reading of the home. The snapshot's record is kept back.
    fn read(
        &self,
        opened: Opened<rustic_core::OpenStatus>,
        staging: &Path,
        copy_first: BTreeSet<PathBuf>,
        findings: &Arc<Findings>,
        progress: &Progress,
    ) -> Outcome<(SnapshotFile, SeenDatabases, Opened<rustic_core::IndexedIdsStatus>)> {
        let Opened { repository, backend } = opened;
        let repository = repository.to_indexed_ids().map_err(|error| cause(&backend, error))?;
        // rustic_core would go on without a parent that it cannot read. One that does not exist any more costs a whole reading; a repository that does
        // not answer is a failure.
        let mut parent = ParentOptions::default()
            .skip_if_unchanged(true)
            .group_by(SnapshotGroupCriterion::new());
        match self.parent.map(|id| snapshot(&repository, &backend, id)).transpose() {
            Ok(Some(file)) => parent.parents = vec![file.id.to_hex().to_string()],
            Ok(None) => parent.force = true,
            Err(failure) if failure.transient => return Err(failure),
            Err(_) => {
                backend.clear_fault();
                parent.force = true;
            }
        }
        backend.hold_snapshots();
        let options = BackupOptions::default().no_scan(true).parent_opts(parent);
        let mut record = SnapshotOptions::default().host(Some(HOST.to_owned())).to_snapshot()?;
        for tag in self.tags {
            record.tags.add(tag.clone());
        }
        let seen = SeenDatabases::load(self.work_dir.path());
        let source = HomeSource::new(self.home, staging, copy_first, seen, findings.clone())
            .map_err(|error| Failure::disk("reading", self.home, &error))?;
        let over = AtomicBool::new(false);
        let archived = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    progress.set(findings);
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            let archived = repository.archive(&options, &source, record, &[PathBuf::from(ROOT)]);
            over.store(true, Ordering::Relaxed);
            archived
        });
        progress.set(findings);
        let file = archived.map_err(|error| cause(&backend, error))?;
        // It goes on over what it could not write, and leaves the file out.
        if let Some(fault) = backend.fault() {
            return Err(fault.into());
        }
        Ok((file, source.into_seen(), Opened { repository, backend }))
    }

    #[allow(clippy::too_many_arguments, reason = "all that a reading left, once")]
    fn conclude(
        &self,
        opened: &Opened<rustic_core::IndexedIdsStatus>,
        file: &SnapshotFile,
        seen: &SeenDatabases,
        findings: &Findings,
        taken_at: Millis,
        sent: u64,
        progress: &Progress,
    ) -> Outcome<order::Outcome> {
        seen.store(self.work_dir.path())
            .map_err(|error| Failure::disk("writing in", self.work_dir.path(), &error))?;
        if file.id.is_null()
            && let Some(parent) = self.parent
        {
            return Ok(order::Outcome::Unchanged { snapshot: parent });
        }
        progress.checking();
        let before = opened.backend.sent.load(Ordering::Relaxed);
        opened
            .backend
            .release()
            .map_err(|error| cause(&opened.backend, error))?;
        let added = sent + opened.backend.sent.load(Ordering::Relaxed) - before;
        let manifest = read_back(self.access, object_id(*file.id), taken_at, added, findings)?;
        Ok(order::Outcome::Saved { manifest })
    }
}
