//! What the system before this one kept of its users, in the bucket that both share: where it lies, which copy of it counts, and where its files belong in a home of
//! ours. docs/legacy-contract.md describes the layout.
//!
//! One archive of `/root` per user, `users/<id>/backup.tar.gz`, with an older one beside it and dated copies elsewhere; before that, one object per file. Nothing of it
//! is ever changed by an import: it is read once, and what it held becomes the first snapshot.

mod choice;
mod config;
mod key;
mod place;
mod record;

pub use choice::{Choice, FILES, Found, Inventory, choose};
pub use config::{OLD_HOME, homed};
pub use key::{DATED, Role, archive, dated, dates_looked_at, last_sync, may_be_read, prefix, previous, role, secrets};
pub use place::{Leaving, Place, member, object, symlink};
pub use record::{Chosen, Discarded, Exported, ImportRecord, Imported};

use crate::id::UserId;
use serde::{Deserialize, Serialize};

/// Longest span of an object that is handed over in one answer, bytes.
pub const LONGEST_SPAN: u64 = 16 * 1024 * 1024;
/// Names of files that are told at most, of each kind.
pub const MOST_NAMED: usize = 50;

/// What a start is to import. Part of `POST /v1/begin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportPlan {
    /// Whose.
    pub user: UserId,
    /// From where.
    pub source: Source,
    /// Databases that SQLite finds damaged, and a configuration that is none, are taken over as they are and named. Only when an operator says so.
    #[serde(default)]
    pub accept_damaged: bool,
}

/// Where a user's files come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Source {
    /// An archive: the first of these that is whole.
    Archives {
        /// Best first.
        candidates: Vec<Found>,
    },
    /// One object per file; there is no archive.
    Files {
        /// How many there are.
        objects: u64,
        /// Bytes of all.
        bytes: u64,
    },
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportReport {
    /// Key of the archive; `files` for one object per file.
    pub source: String,
    /// Version of the archive.
    pub etag: Option<String>,
    /// Bytes that were read from the bucket.
    pub read_bytes: u64,
    /// Regular files on the disk now.
    pub files: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Folders.
    pub folders: u64,
    /// Links.
    pub links: u64,
    /// Databases that SQLite found whole.
    pub databases: u64,
    /// What was left out by rule, such as locks and markers of the old system.
    pub left_out: u64,
    /// What was refused and why; at most 50.
    pub refused: Vec<String>,
    /// How many were.
    pub refused_count: u64,
    /// Files in which paths were rewritten.
    pub rewritten: Vec<String>,
    /// What was taken over damaged, as an operator said; at most 50.
    pub damaged: Vec<String>,
    /// Copies that were not whole, with why.
    pub passed_over: Vec<String>,
}

/// A page of what there is of a user, one object per file (`…/import/<user>/objects`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportPage {
    /// Objects in the order of their keys.
    pub objects: Vec<Found>,
    /// Where the next page begins.
    pub next: Option<String>,
}
