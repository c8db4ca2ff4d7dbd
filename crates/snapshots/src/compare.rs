//! What a restore of a snapshot would change on the disk. Databases are compared as they would be saved.

use crate::failure::{Failure, Outcome};
use crate::findings::Findings;
use crate::node::{permissions, shown};
use crate::progress::Progress;
use crate::reader::Open;
use crate::repository::{Access, Opened, snapshot};
use crate::seen::SeenDatabases;
use crate::source::HomeSource;
use crate::stored::{Step, Stored};
use crate::work_dir::WorkDir;
use molt_common::control::snapshot::{Difference, DifferenceKind};
use molt_common::snapshot::SnapshotId;
use rustic_core::repofile::Node;
use rustic_core::{DataId, Id, ReadSource as _, ReadSourceEntry, ReadSourceOpen as _};
use sha2::{Digest as _, Sha256};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Differences that are named.
const NAMED: usize = 1000;

/// The first differences, and how many there are.
#[derive(Default)]
pub struct Differences {
    /// The first 1,000.
    pub first: Vec<Difference>,
    /// All.
    pub count: u64,
}

impl Differences {
    fn add(&mut self, path: &Path, kind: DifferenceKind) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(Difference {
                path: shown(path),
                kind,
            });
        }
    }
}

/// Compares the home with a snapshot: content, kind, permissions and owner, not times.
///
/// # Errors
/// When the snapshot cannot be read.
pub fn compare(
    access: &Access,
    home: &Path,
    work_dir: &WorkDir,
    id: SnapshotId,
    progress: &Progress,
) -> Outcome<Differences> {
    let Opened { repository, backend } = access.open_indexed()?;
    let stored = Stored {
        repository: &repository,
        backend: &backend,
    };
    let root = snapshot(&repository, &backend, id)?.tree;
    let findings = Arc::new(Findings::default());
    let staging = work_dir.empty_staging()?;
    let source = HomeSource::new(
        home,
        &staging,
        BTreeSet::new(),
        SeenDatabases::default(),
        findings.clone(),
    )
    .map_err(|error| Failure::disk("reading", home, &error))?;
    let mut disk = source.entries().filter_map(Result::ok).peekable();
    let mut found = Differences::default();
    stored.walk(stored.tree(&root)?.nodes, &mut |path, node, step| {
        if step == Step::Leave {
            return Ok(());
        }
        progress.set(&findings);
        // Both sides come in the same order.
        while let Some(only) = disk.next_if(|entry| entry.path.as_path().cmp(path) == Ordering::Less) {
            found.add(&only.path, DifferenceKind::Removed);
        }
        match disk.next_if(|entry| entry.path == path) {
            None => found.add(path, DifferenceKind::Added),
            Some(entry) => {
                if !same(stored, node, entry)? {
                    found.add(path, DifferenceKind::Changed);
                }
            }
        }
        Ok(())
    })?;
    for only in disk {
        found.add(&only.path, DifferenceKind::Removed);
    }
    Ok(found)
}

fn same(stored: Stored<'_>, node: &Node, entry: ReadSourceEntry<Open>) -> Outcome<bool> {
    let (kept, live) = (&node.meta, &entry.node.meta);
    let mode = |mode: Option<u32>| mode.map(permissions);
    if node.node_type != entry.node.node_type
        || (mode(kept.mode) != mode(live.mode) && !node.is_symlink())
        || (kept.uid, kept.gid) != (live.uid, live.gid)
        || kept.size != live.size
    {
        return Ok(false);
    }
    if !node.is_file() || kept.mtime == live.mtime {
        return Ok(true);
    }
    let blobs = node.content.as_deref().unwrap_or_default();
    let Some(open) = entry.open else { return Ok(false) };
    // What cannot be read any more is not the same.
    open.open()
        .map_or(Ok(false), |mut reader| same_bytes(stored, blobs, &mut reader))
}

/// Whether a reader gives the bytes of these blobs, by their names: nothing is fetched.
fn same_bytes(stored: Stored<'_>, blobs: &[DataId], reader: &mut crate::reader::Reader) -> Outcome<bool> {
    for blob in blobs {
        let (_, length) = stored.place(blob)?;
        let mut bytes = Vec::new();
        if reader.by_ref().take(length).read_to_end(&mut bytes).is_err()
            || Id::new(Sha256::digest(&bytes).into()) != **blob
        {
            return Ok(false);
        }
    }
    Ok(true)
}
