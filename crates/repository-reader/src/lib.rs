//! Reads files out of a restic repository (formats 1 and 2) without restic: in a worker, where there is neither a disk nor much memory.
//!
//! Bytes come from [`Objects`], one object or one range at a time. Everything is checked before it counts: the name of an index or a snapshot
//! is the SHA-256 of its bytes, every text is authenticated by the repository's key, every blob has the hash by which it was asked for. What is
//! missing, damaged or not what it should be is an error that names the object.
//!
//! At most one blob (8 MiB in repositories of restic), the folders on the way to it and the index (32 bytes a blob) are held in memory.
//!
//! Format: <https://restic.readthedocs.io/en/stable/100_references.html>.
// Tests may panic: that is how they fail.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod blob_index;
mod compression;
mod content;
mod error;
mod go_quote;
mod id;
mod index_file;
mod key;
mod objects;
mod repository;
mod snapshot_file;
mod tree;

pub use blob_index::{BlobIndex, BlobKind};
pub use content::Content;
pub use error::{FetchError, ReadError};
pub use id::Id;
pub use key::RepositoryKey;
pub use objects::{ObjectKind, ObjectName, Objects};
pub use repository::Repository;
pub use snapshot_file::Snapshot;
pub use tree::{Node, NodeKind, Tree};

/// What reads bytes of a repository, for the fuzz targets.
pub mod parsers {
    pub use crate::compression::{expand_file, inflate};
    pub use crate::go_quote::unquote;
    pub use crate::index_file::each_blob;
}
