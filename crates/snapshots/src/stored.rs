//! Reading what a snapshot holds, where every byte is compared with its name.

use crate::backend::RestBackend;
use crate::failure::{Failure, Outcome};
use crate::node::entry_name;
use crate::repository::cause;
use bytes::Bytes;
use rustic_core::repofile::{BlobType, Node, PackId, Tree};
use rustic_core::{DataId, Id, IndexedFullStatus, PackedId, Repository, TreeId};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// A repository whose blobs are read.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    /// With a whole index.
    pub repository: &'a Repository<IndexedFullStatus>,
    /// Below it.
    pub backend: &'a RestBackend,
}

/// A step of a walk through a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An entry; of a folder, before its content.
    Entry,
    /// A folder after its content.
    Leave,
}

impl Stored<'_> {
    /// Where a blob is: its pack, and its bytes once unpacked.
    ///
    /// # Errors
    /// When no index names it.
    pub fn place<T: PackedId + std::ops::Deref<Target = Id>>(&self, id: &T) -> Outcome<(PackId, u64)> {
        let entry = self
            .repository
            .get_index_entry(id)
            .map_err(|_| Failure::lasting(format!("blob {} is missing: no index names it", &*(**id).to_hex())))?;
        Ok((entry.pack, u64::from(entry.data_length())))
    }

    fn blob<T: PackedId + std::ops::Deref<Target = Id>>(&self, tpe: BlobType, id: &T) -> Outcome<Bytes> {
        let (pack, _) = self.place(id)?;
        let name = (**id).to_hex();
        let bytes = self
            .repository
            .cat_blob(tpe, &name)
            .map_err(|error| match self.backend.fault() {
                Some(fault) => fault.into(),
                None => Failure::lasting(format!(
                    "blob {} in pack {} cannot be unpacked: {}",
                    &*name,
                    &*pack.to_hex(),
                    error.display_log()
                )),
            })?;
        // The key vouches for bytes of this repository, not for which: a swapped object would be opened as well.
        if Id::new(Sha256::digest(&bytes).into()) == **id {
            Ok(bytes)
        } else {
            Err(Failure::lasting(format!(
                "blob {} in pack {} is corrupt: it holds something else",
                &*name,
                &*pack.to_hex()
            )))
        }
    }

    /// A piece of a file.
    ///
    /// # Errors
    /// Names the pack and the blob that is missing or corrupt.
    pub fn data(&self, id: &DataId) -> Outcome<Bytes> {
        self.blob(BlobType::Data, id)
    }

    /// A folder.
    ///
    /// # Errors
    /// Names the pack and the blob that is missing or corrupt.
    pub fn tree(&self, id: &TreeId) -> Outcome<Tree> {
        let bytes = self.blob(BlobType::Tree, id)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::lasting(format!("tree {} is no tree: {error}", &*id.to_hex())))
    }

    /// Walks through `nodes` and all below them in the order of the tree. Keeps one tree per level.
    ///
    /// # Errors
    /// Those of `visit`, and when a tree cannot be read or a name is none.
    pub fn walk(&self, nodes: Vec<Node>, visit: &mut dyn FnMut(&Path, &Node, Step) -> Outcome<()>) -> Outcome<()> {
        let mut levels = vec![(None::<Node>, nodes.into_iter())];
        let mut path = PathBuf::new();
        while let Some((_, nodes)) = levels.last_mut() {
            let Some(node) = nodes.next() else {
                if let Some((Some(folder), _)) = levels.pop() {
                    visit(&path, &folder, Step::Leave)?;
                    path.pop();
                }
                continue;
            };
            let name = entry_name(&node)
                .map_err(|error| Failure::lasting(format!("in {}: {:?} {error}", path.display(), node.name)))?;
            path.push(name);
            visit(&path, &node, Step::Entry)?;
            if node.is_dir() {
                let tree = node
                    .subtree
                    .ok_or_else(|| Failure::lasting(format!("the folder {} has no tree", path.display())))?;
                let nodes = self.tree(&tree).map_err(|failure| Failure {
                    message: format!("{} (the folder {})", failure.message, path.display()),
                    ..failure
                })?;
                levels.push((Some(node), nodes.nodes.into_iter()));
            } else {
                path.pop();
            }
        }
        Ok(())
    }

    /// All packs with their sizes.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn listed_packs(&self) -> Outcome<std::collections::HashMap<Id, u32>> {
        use rustic_core::{FileType, ReadBackend as _};
        let listed = self
            .backend
            .list_with_size(FileType::Pack)
            .map_err(|error| cause(self.backend, error))?;
        Ok(listed.into_iter().collect())
    }
}
