//! Reads a snapshot again and says what is not as it should be. Goes on after a fault, since an operator needs to know how much is lost.

use crate::abreast;
use crate::clock::now;
use crate::failure::{Failure, Outcome};
use crate::node::entry_name;
use crate::progress::Progress;
use crate::read_back::Inventory;
use crate::repository::{Access, snapshot};
use crate::stored::Stored;
use molt_common::snapshot::{SnapshotId, Verification};
use rustic_core::repofile::PackId;
use rustic_core::{DataId, TreeId};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Faults that are named.
const NAMED: usize = 20;
/// Files of a sample that are read whole.
const SAMPLED_FILES: usize = 20;
/// One pack of so many is in a sample, besides those of the files.
const SAMPLED_PACKS: u64 = 20;

/// What the trees say.
#[derive(Default)]
struct Met {
    packs: BTreeMap<PackId, BTreeSet<DataId>>,
    files: u64,
    sample: Vec<Vec<DataId>>,
    read_bytes: u64,
}

/// Faults, from several threads.
#[derive(Default)]
struct Faults(Mutex<Vec<String>>);

impl Faults {
    /// Keeps a fault of the repository; a repository that does not answer says nothing about what it holds.
    fn keep(&self, failure: Failure) -> Outcome<()> {
        if failure.transient {
            return Err(failure);
        }
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() < NAMED {
            faults.push(failure.message);
        }
        Ok(())
    }
}

/// Reads all trees of a snapshot, and all of its files or a sample of them, and compares every blob with its name.
///
/// # Errors
/// Only when the repository does not answer.
pub fn verify(access: &Access, id: SnapshotId, full: bool, progress: &Progress) -> Outcome<Verification> {
    let faults = Faults::default();
    let (mut read_bytes, mut compared_files) = (0, 0);
    match examine(access, id, full, progress, &faults) {
        Ok((bytes, files)) => (read_bytes, compared_files) = (bytes, files),
        Err(failure) => faults.keep(failure)?,
    }
    let faults = faults.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Verification {
        at: now(),
        full,
        ok: faults.is_empty(),
        faults,
        read_bytes,
        compared_files,
    })
}

fn examine(access: &Access, id: SnapshotId, full: bool, progress: &Progress, faults: &Faults) -> Outcome<(u64, u64)> {
    let opened = access.open_indexed()?;
    let stored = Stored {
        repository: &opened.repository,
        backend: &opened.backend,
    };
    let root = snapshot(&opened.repository, &opened.backend, id)?.tree;
    let met = meet(stored, root, full, faults)?;
    // Presence and size of all, whatever is read.
    let inventory = Inventory::read(&opened)?;
    let mut wrong = BTreeSet::new();
    for pack in met.packs.keys() {
        if let Err(failure) = inventory.pack(pack) {
            wrong.insert(*pack);
            faults.keep(failure)?;
        }
    }
    let wanted: BTreeSet<PackId> = if full {
        met.packs.keys().copied().collect()
    } else {
        sample(&met)
    };
    // Named once.
    let (wanted, bad): (BTreeSet<PackId>, _) = (wanted.difference(&wrong).copied().collect(), spoilt(&met, &wrong));
    let bad = Mutex::new(bad);
    let bytes = AtomicU64::new(met.read_bytes);
    read(stored, &met, &wanted, faults, &bad, &bytes, progress)?;
    let bad = bad.into_inner().unwrap_or_else(PoisonError::into_inner);
    let whole = |blobs: &Vec<DataId>| blobs.iter().all(|blob| !bad.contains(blob));
    let compared = match (full, bad.is_empty()) {
        (true, true) => met.files,
        (true, false) => meet_whole(stored, root, &bad),
        (false, _) => met.sample.iter().filter(|blobs| whole(blobs)).count() as u64,
    };
    Ok((bytes.into_inner(), compared))
}

/// Walks all trees, past those that cannot be read.
fn each_file(
    stored: Stored<'_>,
    root: TreeId,
    fault: &mut dyn FnMut(Failure) -> Outcome<()>,
    visit: &mut dyn FnMut(&Path, &[DataId]) -> Outcome<()>,
) -> Outcome<u64> {
    let mut folders = vec![(PathBuf::new(), root)];
    let mut known = HashSet::new();
    let mut read = 0;
    while let Some((path, tree)) = folders.pop() {
        let nodes = match stored.tree(&tree) {
            Ok(tree) => tree.nodes,
            Err(failure) => {
                stored.backend.clear_fault();
                fault(Failure {
                    message: format!("{} (the folder /{})", failure.message, path.display()),
                    ..failure
                })?;
                continue;
            }
        };
        read += u64::from(known.insert(tree));
        for node in nodes {
            let path = match entry_name(&node) {
                Ok(name) => path.join(name),
                Err(error) => {
                    fault(Failure::lasting(format!(
                        "in /{}: {:?} {error}",
                        path.display(),
                        node.name
                    )))?;
                    continue;
                }
            };
            match node.subtree {
                Some(tree) if node.is_dir() => folders.push((path, tree)),
                _ if node.is_file() => visit(&path, node.content.as_deref().unwrap_or_default())?,
                _ => {}
            }
        }
    }
    Ok(read)
}

fn meet(stored: Stored<'_>, root: TreeId, full: bool, faults: &Faults) -> Outcome<Met> {
    let mut met = Met::default();
    let chance = RandomState::new();
    each_file(stored, root, &mut |failure| faults.keep(failure), &mut |path, blobs| {
        for blob in blobs {
            match stored.place(blob) {
                Ok((pack, _)) => {
                    met.packs.entry(pack).or_default().insert(*blob);
                }
                Err(failure) => faults.keep(Failure {
                    message: format!("{} (of the file /{})", failure.message, path.display()),
                    ..failure
                })?,
            }
        }
        met.files += 1;
        if !full {
            // Each file is in the sample with the same chance, however many there are.
            let place = usize::try_from(chance.hash_one(met.files) % met.files).unwrap_or(usize::MAX);
            if met.sample.len() < SAMPLED_FILES {
                met.sample.push(blobs.to_vec());
            } else if let Some(taken) = met.sample.get_mut(place) {
                *taken = blobs.to_vec();
            }
        }
        Ok(())
    })?;
    Ok(met)
}

/// Files of which every blob was read whole.
fn meet_whole(stored: Stored<'_>, root: TreeId, bad: &HashSet<DataId>) -> u64 {
    let mut whole = 0;
    let _ = each_file(stored, root, &mut |_| Ok(()), &mut |_, blobs| {
        whole += u64::from(
            blobs
                .iter()
                .all(|blob| !bad.contains(blob) && stored.place(blob).is_ok()),
        );
        Ok(())
    });
    whole
}

fn spoilt(met: &Met, wrong: &BTreeSet<PackId>) -> HashSet<DataId> {
    wrong
        .iter()
        .filter_map(|pack| met.packs.get(pack))
        .flatten()
        .copied()
        .collect()
}

fn sample(met: &Met) -> BTreeSet<PackId> {
    let chance = RandomState::new();
    let of_files: HashSet<&DataId> = met.sample.iter().flatten().collect();
    met.packs
        .iter()
        .filter(|(pack, blobs)| {
            chance.hash_one(pack) % SAMPLED_PACKS == 0 || blobs.iter().any(|blob| of_files.contains(blob))
        })
        .map(|(pack, _)| *pack)
        .collect()
}

fn read(
    stored: Stored<'_>,
    met: &Met,
    wanted: &BTreeSet<PackId>,
    faults: &Faults,
    bad: &Mutex<HashSet<DataId>>,
    bytes: &AtomicU64,
    progress: &Progress,
) -> Outcome<()> {
    progress.set_total(met.files, wanted.len() as u64 * 4 * 1024 * 1024);
    let spoil = |blob: &DataId| bad.lock().unwrap_or_else(PoisonError::into_inner).insert(*blob);
    let one = |pack: &PackId, blobs: &BTreeSet<DataId>| -> Outcome<()> {
        if let Err(fault) = stored.backend.try_pack(pack) {
            blobs.iter().for_each(|blob| {
                spoil(blob);
            });
            return faults.keep(fault.into());
        }
        for blob in blobs {
            match stored.data(blob) {
                Ok(data) => {
                    bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
                    progress.add_bytes(data.len() as u64);
                }
                Err(failure) => {
                    spoil(blob);
                    faults.keep(failure)?;
                }
            }
        }
        Ok(())
    };
    abreast::each(
        wanted.iter().filter_map(|pack| met.packs.get_key_value(pack)),
        |(pack, blobs)| one(pack, blobs),
    )
}
