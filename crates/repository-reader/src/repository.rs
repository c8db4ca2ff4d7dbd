//! A repository: its files and blobs, opened and checked.

use crate::blob_index::{BlobIndex, BlobKind};
use crate::compression::{Unexpanded, expand_file, inflate};
use crate::error::{FetchError, ReadError};
use crate::id::Id;
use crate::index_file::each_blob;
use crate::key::{OVERHEAD, RepositoryKey};
use crate::objects::{ObjectKind, ObjectName, Objects};
use crate::snapshot_file::Snapshot;
use crate::tree::{Node, NodeKind, Tree};
use serde::Deserialize;

/// Longest sealed file that is not a pack.
const LONGEST_FILE: u64 = 16 << 20;
/// Longest text of one.
const LONGEST_TEXT: usize = 48 << 20;
/// Longest sealed blob. Those of files have 8 MiB at most; folders have no limit in the format.
const LONGEST_BLOB: u32 = 32 << 20;
/// Longest plain text of a blob.
const LONGEST_PLAIN: u32 = 48 << 20;

/// A repository of restic.
pub struct Repository<O> {
    objects: O,
    key: RepositoryKey,
}

#[derive(Deserialize)]
struct Config {
    version: u32,
}

impl<O: Objects> Repository<O> {
    /// Reads the configuration, which shows whether the key is the right one.
    ///
    /// # Errors
    /// When it is missing, not sealed by this key, or of another format.
    pub async fn open(objects: O, key: RepositoryKey) -> Result<Self, ReadError> {
        let repository = Self { objects, key };
        let text = repository.file(&ObjectName::Config).await?;
        let config: Config = serde_json::from_slice(&text)
            .map_err(|_| ReadError::damaged(&ObjectName::Config, "is no configuration"))?;
        if matches!(config.version, 1 | 2) {
            Ok(repository)
        } else {
            Err(ReadError::Format(config.version))
        }
    }

    /// Reads all indexes, one after the other.
    ///
    /// # Errors
    /// When one cannot be read, or there are more than a million blobs.
    pub async fn index(&self) -> Result<BlobIndex, ReadError> {
        let mut names = self
            .objects
            .list(ObjectKind::Index)
            .await
            .map_err(|why| ReadError::Fetch {
                object: ObjectKind::Index.folder().to_owned(),
                why,
            })?;
        names.sort_unstable();
        names.dedup();
        let mut index = BlobIndex::default();
        for name in names {
            let name = ObjectName::Named(ObjectKind::Index, name);
            let text = self.file(&name).await?;
            let mut room = true;
            let whole = each_blob(&text, |pack, row| {
                let added = index.add(pack, row);
                room = added.is_some();
                added
            });
            match whole {
                Some(()) => {}
                None if room => return Err(ReadError::damaged(&name, "is no index")),
                None => {
                    return Err(ReadError::too_large(
                        &name,
                        "the repository has more than a million blobs",
                    ));
                }
            }
        }
        index.seal();
        Ok(index)
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn snapshot(&self, id: &Id) -> Result<Snapshot, ReadError> {
        let name = ObjectName::Named(ObjectKind::Snapshot, *id);
        let text = self.file(&name).await?;
        serde_json::from_slice(&text).map_err(|_| ReadError::damaged(&name, "is no snapshot"))
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn tree(&self, index: &BlobIndex, id: &Id) -> Result<Tree, ReadError> {
        let text = self.blob(index, BlobKind::Tree, id).await?;
        Tree::parse(&text).ok_or_else(|| ReadError::Damaged {
            object: format!("the folder {id}"),
            why: "is no list of entries",
        })
    }

    /// The entry at a path below a folder, component by component; links are not followed.
    ///
    /// # Errors
    /// [`ReadError::NotFound`], [`ReadError::NotAFolder`], or when a folder on the way cannot be read.
    pub async fn find(&self, index: &BlobIndex, root: &Id, path: &[&[u8]]) -> Result<Option<Node>, ReadError> {
        let (mut folder, mut found) = (*root, None);
        for (at, name) in path.iter().enumerate() {
            let node = self.tree(index, &folder).await?.take(name).ok_or(ReadError::NotFound)?;
            match &node.kind {
                NodeKind::Folder { tree } => folder = *tree,
                _ if at + 1 < path.len() => return Err(ReadError::NotAFolder),
                _ => {}
            }
            found = Some(node);
        }
        Ok(found)
    }

    /// The plain text of a blob.
    ///
    /// # Errors
    /// When no index has it, or its bytes are not those that were written.
    pub async fn blob(&self, index: &BlobIndex, kind: BlobKind, id: &Id) -> Result<Vec<u8>, ReadError> {
        let place = index.place(kind, id).ok_or_else(|| ReadError::Unindexed {
            kind: kind.word(),
            id: id.to_string(),
        })?;
        let pack = ObjectName::Named(ObjectKind::Pack, place.pack);
        if place.length > LONGEST_BLOB || place.uncompressed.is_some_and(|length| length > LONGEST_PLAIN) {
            return Err(ReadError::too_large(&pack, "a blob of it"));
        }
        if place.length < OVERHEAD {
            return Err(ReadError::damaged(&pack, "its index gives a blob no room"));
        }
        let sealed = self.objects.range(&pack, u64::from(place.offset), place.length).await;
        let sealed = sealed.map_err(|why| fetch(&pack, why))?;
        if sealed.len() as u64 != u64::from(place.length) {
            return Err(fetch(&pack, FetchError::Size(sealed.len() as u64)));
        }
        let opened = self.key.open(sealed);
        let plain = opened.ok_or_else(|| ReadError::damaged(&pack, "a blob is not sealed by the repository's key"))?;
        let plain = match place.uncompressed {
            None => plain,
            Some(length) => {
                let most = usize::try_from(length).unwrap_or(usize::MAX);
                inflate(&plain, most).map_err(|error| unexpanded(&pack, error))?
            }
        };
        if plain.len() as u64 == place.plain_length() && Id::of(&plain) == *id {
            Ok(plain)
        } else {
            Err(ReadError::damaged(&pack, "a blob is not the one that its index names"))
        }
    }

    /// A file that is not a pack: as JSON, after its name and key were checked.
    async fn file(&self, name: &ObjectName) -> Result<Vec<u8>, ReadError> {
        let sealed = self.objects.whole(name, LONGEST_FILE).await;
        let sealed = sealed.map_err(|why| fetch(name, why))?;
        if let ObjectName::Named(_, id) = name
            && Id::of(&sealed) != *id
        {
            return Err(ReadError::damaged(name, "its bytes are not those of its name"));
        }
        let opened = self.key.open(sealed);
        let plain = opened.ok_or_else(|| ReadError::damaged(name, "is not sealed by the repository's key"))?;
        expand_file(plain, LONGEST_TEXT).map_err(|error| unexpanded(name, error))
    }
}

fn fetch(object: &ObjectName, why: FetchError) -> ReadError {
    ReadError::Fetch {
        object: object.to_string(),
        why,
    }
}

fn unexpanded(object: &ObjectName, error: Unexpanded) -> ReadError {
    match error {
        Unexpanded::Damaged(why) => ReadError::damaged(object, why),
        Unexpanded::TooLong => ReadError::too_large(object, "its text is longer than its index or this reader allows"),
    }
}
