//! Reads a snapshot back from the server: it counts only when everything that it needs is there.

use crate::failure::{Failure, Outcome};
use crate::findings::Findings;
use crate::repository::{Access, Opened, cause, object_id, snapshot};
use crate::stored::{Step, Stored};
use molt_common::snapshot::{Manifest, SnapshotId, StoredObject};
use molt_common::time::Millis;
use rustic_core::repofile::{IndexFile, PackId};
use rustic_core::{FileType, Id, IndexedFullStatus, ReadBackend as _, TreeId};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

/// What a snapshot's trees hold.
#[derive(Debug, Default)]
pub struct Counted {
    /// Regular files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Links and special files.
    pub others: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Every pack that holds a blob of it.
    pub packs: BTreeSet<PackId>,
}

/// Walks a whole snapshot and finds every blob in an index.
///
/// # Errors
/// Names what is missing or corrupt.
pub fn count(stored: Stored<'_>, root: TreeId) -> Outcome<Counted> {
    let mut counted = Counted::default();
    let nodes = stored.tree(&root)?.nodes;
    counted.packs.insert(stored.place(&root)?.0);
    stored.walk(nodes, &mut |path, node, step| {
        if step == Step::Leave {
            return Ok(());
        }
        if let Some(tree) = &node.subtree {
            counted.packs.insert(stored.place(tree)?.0);
        }
        if node.is_dir() {
            counted.folders += 1;
        } else if node.is_file() {
            counted.files += 1;
            let mut size = 0;
            for blob in node.content.iter().flatten() {
                let (pack, length) = stored.place(blob).map_err(|failure| Failure {
                    message: format!("{} (of the file {})", failure.message, path.display()),
                    ..failure
                })?;
                counted.packs.insert(pack);
                size += length;
            }
            if size != node.meta.size {
                return Err(Failure::lasting(format!(
                    "the file {} should have {} bytes and has {size}",
                    path.display(),
                    node.meta.size
                )));
            }
            counted.bytes += size;
        } else {
            counted.others += 1;
        }
        Ok(())
    })?;
    Ok(counted)
}

/// What a repository lists, beside what its indexes say.
pub struct Inventory {
    listed: HashMap<Id, u32>,
    indexed: HashMap<PackId, u32>,
    indexes: Vec<(StoredObject, Vec<PackId>)>,
}

impl Inventory {
    /// Reads all lists and all indexes, one index at a time.
    ///
    /// # Errors
    /// Names what cannot be read.
    pub fn read(opened: &Opened<IndexedFullStatus>) -> Outcome<Self> {
        let Opened { repository, backend } = opened;
        let failed = |error| cause(backend, error);
        let list = |tpe| -> Outcome<HashMap<Id, u32>> {
            Ok(backend.list_with_size(tpe).map_err(failed)?.into_iter().collect())
        };
        let (listed, mut indexed, mut indexes) = (list(FileType::Pack)?, HashMap::new(), Vec::new());
        for (id, size) in list(FileType::Index)? {
            let file: IndexFile = repository.get_file(&id.into()).map_err(failed)?;
            let packs: Vec<PackId> = file.packs.iter().map(|pack| pack.id).collect();
            indexed.extend(file.packs.iter().map(|pack| (pack.id, pack.pack_size())));
            indexes.push((
                StoredObject {
                    id: object_id(id),
                    size: u64::from(size),
                },
                packs,
            ));
        }
        Ok(Self {
            listed,
            indexed,
            indexes,
        })
    }

    /// A pack as it is listed.
    ///
    /// # Errors
    /// When it is missing, or has another size than its index says.
    pub fn pack(&self, pack: &PackId) -> Outcome<StoredObject> {
        let name = pack.to_hex();
        match (self.indexed.get(pack), self.listed.get(&**pack)) {
            (None, _) => Err(Failure::lasting(format!("pack {} is in no index", &*name))),
            (Some(_), None) => Err(Failure::lasting(format!(
                "pack {} is missing from the repository",
                &*name
            ))),
            (Some(should), Some(is)) if should != is => Err(Failure::lasting(format!(
                "pack {} has {is} bytes instead of {should}",
                &*name
            ))),
            (Some(_), Some(size)) => Ok(StoredObject {
                id: object_id(**pack),
                size: u64::from(*size),
            }),
        }
    }

    /// Every index that names one of these packs.
    pub fn indexes_of(&self, packs: &BTreeSet<PackId>) -> Vec<StoredObject> {
        let needed = self
            .indexes
            .iter()
            .filter(|(_, named)| named.iter().any(|pack| packs.contains(pack)));
        let mut indexes: Vec<StoredObject> = needed.map(|(index, _)| *index).collect();
        indexes.sort_by_key(|index| index.id);
        indexes
    }
}

/// Opens the repository afresh, reads the snapshot back and says what it is.
///
/// # Errors
/// Names what is missing or corrupt.
pub fn read_back(
    access: &Access,
    id: SnapshotId,
    taken_at: Millis,
    added_bytes: u64,
    findings: &Findings,
) -> Outcome<Manifest> {
    let opened = access.open_indexed()?;
    let file = snapshot(&opened.repository, &opened.backend, id)?;
    let counted = count(
        Stored {
            repository: &opened.repository,
            backend: &opened.backend,
        },
        file.tree,
    )?;
    let inventory = Inventory::read(&opened)?;
    let packs = counted
        .packs
        .iter()
        .map(|pack| inventory.pack(pack))
        .collect::<Outcome<_>>()?;
    let indexes = inventory.indexes_of(&counted.packs);
    let (unreadable, unreadable_count) = findings.all_unreadable();
    Ok(Manifest {
        snapshot: id,
        tree: object_id(*file.tree),
        parent: file.parent.map(|parent| object_id(*parent)),
        taken_at,
        files: counted.files,
        folders: counted.folders,
        others: counted.others,
        bytes: counted.bytes,
        added_bytes,
        databases: findings.databases.load(Ordering::Relaxed),
        unreadable,
        unreadable_count,
        packs,
        indexes,
    })
}
