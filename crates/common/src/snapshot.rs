//! Snapshots of a sandbox's disk: what their repository, the supervisor and the `Sandbox` object say about them.
//!
//! The repository is one of restic's format per sandbox. A snapshot that is in it counts for nothing until the object has published it: the
//! object keeps the list, numbered by generation and sequence, and moves it by compare-and-set.

use crate::legacy_data::ImportReport;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Below this path of the edge lies a sandbox's repository: `/_molt/repository/<sandbox id>/restic/` is restic's REST protocol,
/// `/_molt/repository/<sandbox id>/publish` takes a [`PublishRequest`].
pub const REPOSITORY_PATH: &str = "/_molt/repository";

/// Host name by which a sandbox reaches its repository; the runtime leads it to the gateway. Plain HTTP: it never leaves the platform.
pub const REPOSITORY_HOST: &str = "repository.molt.internal";

/// Why a text is no name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 hexadecimal digits in lower case")]
pub struct ObjectIdError;

/// Name of an object in a repository: the SHA-256 of its bytes, but for the repository's configuration, which has none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId([u8; 32]);

/// Name of a snapshot.
pub type SnapshotId = ObjectId;

impl ObjectId {
    /// From its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The name of an object of these bytes.
    #[must_use]
    pub fn of(contents: &[u8]) -> Self {
        Self(Sha256::digest(contents).into())
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits in lower case.
    ///
    /// # Errors
    /// For anything else.
    pub fn parse(text: &str) -> Result<Self, ObjectIdError> {
        let mut bytes = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(ObjectIdError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return Err(ObjectIdError) };
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

const fn digit(character: u8) -> Result<u8, ObjectIdError> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(ObjectIdError),
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::id::hex(&self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for ObjectId {
    type Error = ObjectIdError;
    fn try_from(text: String) -> Result<Self, ObjectIdError> {
        Self::parse(&text)
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}

/// Why a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SaveReason {
    /// Something changed since the last one, and the interval was over.
    Interval,
    /// Somebody asked for it.
    Request,
    /// The sandbox is about to be stopped: sleep, restart, tier, image, destruction.
    BeforeStop,
    /// The sandbox was stopped: the agent has ended already.
    Stop,
    /// What another system had saved was taken over.
    Import,
}

/// An object that a snapshot needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StoredObject {
    /// Its name.
    pub id: ObjectId,
    /// Bytes.
    pub size: u64,
}

/// What sandboxd says of a snapshot that it has written, checked and read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Root of its tree.
    pub tree: ObjectId,
    /// Its parent in the repository, if it had one.
    pub parent: Option<SnapshotId>,
    /// When reading began: what was written later may be missing.
    pub taken_at: Millis,
    /// Regular files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Links and special files.
    pub others: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes sent to the repository for it.
    pub added_bytes: u64,
    /// Databases that were copied through their own backup and found whole.
    pub databases: u32,
    /// Files that could not be read, with why; at most 20 of them.
    pub unreadable: Vec<String>,
    /// How many could not be read.
    pub unreadable_count: u64,
    /// Every pack that it needs.
    pub packs: Vec<StoredObject>,
    /// Every index that names one of them.
    pub indexes: Vec<StoredObject>,
}

/// `POST /_molt/repository/<sandbox id>/publish`, with the token of the repository: a snapshot is to count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishRequest {
    /// What was saved.
    pub manifest: Manifest,
    /// Why.
    pub reason: SaveReason,
    /// The newest published snapshot that the sender knows of: what this one was taken on top of. `None` when there was none.
    pub head: Option<SnapshotId>,
    /// What was taken over from the old system, when that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportReport>,
}

/// Answer to [`PublishRequest`]. `Published` is 200, the others are 409.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum PublishAnswer {
    /// It counts and is the newest. Repeated, the same answer.
    Published {
        /// Its number in the list.
        sequence: u64,
    },
    /// It is kept apart, because it is much smaller than the one before it; somebody decides. The list did not move.
    Quarantined {
        /// In words.
        why: String,
    },
    /// Another snapshot was published since: this one does not count. Nothing is lost by it: the other is complete.
    HeadMoved {
        /// The newest now.
        head: Option<SnapshotId>,
    },
    /// The sender's generation is over: nothing that it says counts any more.
    GenerationOver {
        /// The one that counts.
        generation: u64,
    },
    /// Something that it needs is not there, or not as it should be.
    Incomplete {
        /// Which object, and how.
        why: String,
    },
}

/// Whether a snapshot counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Standing {
    /// It was verified and published.
    Published,
    /// It is kept apart until somebody decides.
    Quarantined,
}

/// What was found when a snapshot was read again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verification {
    /// When.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub at: Millis,
    /// Whether all was read, or a sample.
    pub full: bool,
    /// Whether all was as it should be.
    pub ok: bool,
    /// What was not; at most 20.
    pub faults: Vec<String>,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Files whose bytes were compared with what was saved.
    pub compared_files: u64,
}

/// A snapshot in the list of its sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedSnapshot {
    /// Which.
    pub id: SnapshotId,
    /// Its number in the list, from 1; the list only ever grows at its end.
    pub sequence: u64,
    /// Generation of the sandbox that took it.
    pub generation: u64,
    /// Whether it counts.
    pub standing: Standing,
    /// Why it is kept apart.
    pub why: Option<String>,
    /// Why it was taken.
    pub reason: SaveReason,
    /// When reading began.
    pub taken_at: Millis,
    /// When it was published.
    pub published_at: Millis,
    /// The published one before it on its branch: a restore begins a new branch at an older one.
    pub parent: Option<SnapshotId>,
    /// Regular files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes that it added to the repository.
    pub added_bytes: u64,
    /// Databases that it holds.
    pub databases: u32,
    /// Files that could not be read.
    pub unreadable_count: u64,
    /// When it was read again last, and what was found.
    pub verification: Option<Verification>,
    /// Retention does not take it.
    pub pinned: bool,
}
