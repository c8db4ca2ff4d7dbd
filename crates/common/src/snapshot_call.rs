//! Calls to a `Sandbox` Durable Object about its snapshots. What takes long (save, restore, verify, prune) is a change (`crate::sandbox_change`).

use crate::audit::Author;
use crate::object_call::Call;
use crate::snapshot::{ListedSnapshot, PublishAnswer, PublishRequest, SnapshotId};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// A snapshot is to count. Made by the gateway for a sandbox whose token it has verified, after it saw that every object is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishSnapshot {
    /// Generation of the token.
    pub generation: u64,
    /// What the sandbox says.
    pub request: PublishRequest,
}

impl Call for PublishSnapshot {
    const PATH: &'static str = "/snapshots/publish";
    type Answer = PublishAnswer;
}

/// Which snapshots are there?
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListSnapshots {
    /// Only those with a smaller number: the list is told from its end.
    pub before: Option<u64>,
    /// At most so many, 1 to 500.
    pub limit: u32,
}

impl Call for ListSnapshots {
    const PATH: &'static str = "/snapshots/list";
    type Answer = SnapshotList;
}

/// Answer to [`ListSnapshots`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotList {
    /// Newest first.
    pub snapshots: Vec<ListedSnapshot>,
    /// How the whole stands.
    pub summary: SnapshotSummary,
}

/// How a sandbox's snapshots stand, without any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotSummary {
    /// The newest published one.
    pub head: Option<SnapshotId>,
    /// When it was taken.
    pub last_snapshot_at: Option<Millis>,
    /// Everything on the disk until then is in a published snapshot, as far as is known.
    pub safe_until: Option<Millis>,
    /// How many count.
    pub published: u64,
    /// How many are kept apart.
    pub quarantined: u64,
    /// Bytes that all of them added to the repository.
    pub stored_bytes: u64,
    /// Why the newest attempt failed, if it did.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Millis>,
    /// When something was verified last.
    pub verified_at: Option<Millis>,
    /// Whether all that was verified last was as it should be.
    pub verified_ok: Option<bool>,
    /// When it was pruned last.
    pub pruned_at: Option<Millis>,
    /// What somebody should look at, in words.
    pub alerts: Vec<String>,
}

/// One of them. The answer is `None` when there is none of this name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetSnapshot {
    /// Which.
    pub id: SnapshotId,
}

impl Call for GetSnapshot {
    const PATH: &'static str = "/snapshots/get";
    type Answer = Option<ListedSnapshot>;
}

/// What is to happen to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is taken off the list; its data goes with the next prune. The newest published one cannot.
    Delete,
    /// Retention leaves it alone.
    Pin,
    /// Retention may take it.
    Unpin,
    /// One that is kept apart is right after all: it counts, as the newest.
    Release,
}

/// Decide about one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecideSnapshot {
    /// Which.
    pub id: SnapshotId,
    /// What.
    pub decision: Decision,
    /// Who decides.
    pub by: Author,
    /// Request that led to it.
    pub request_id: String,
}

impl Call for DecideSnapshot {
    const PATH: &'static str = "/snapshots/decide";
    type Answer = Decided;
}

/// Answer to [`DecideSnapshot`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Decided {
    /// So it is.
    Done {
        /// As it is now; as it was last when it is gone.
        snapshot: Box<ListedSnapshot>,
    },
    /// There is none of this name.
    Unknown,
    /// It cannot be.
    Refused {
        /// Why.
        text: String,
    },
}

/// May a token of this generation remove objects? Only while there is no newer one: it would go by an old list, and take away what its successor
/// has published.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MayRemove {
    /// Generation of the token.
    pub generation: u64,
}

impl Call for MayRemove {
    const PATH: &'static str = "/snapshots/may-remove";
    type Answer = bool;
}

/// The least generation whose tokens may add objects to the repository: the newest while it lives, the next one afterwards.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeastGeneration {}

impl Call for LeastGeneration {
    const PATH: &'static str = "/snapshots/least-generation";
    type Answer = u64;
}

/// Destroy the key of the sandbox's repository: nothing in it can be read by anybody after that, and no start restores it. For deleting a user. The list
/// goes with it. Repeated, nothing happens. Refused while the sandbox is not at rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestroyRepositoryKey {
    /// Who asks.
    pub by: Author,
    /// Request that led to it.
    pub request_id: String,
}

impl Call for DestroyRepositoryKey {
    const PATH: &'static str = "/snapshots/destroy-key";
    type Answer = KeyDestroyed;
}

/// Answer to [`DestroyRepositoryKey`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum KeyDestroyed {
    /// There is no key any more.
    Done {
        /// Snapshots that were on the list.
        snapshots: u64,
    },
    /// It runs, or may.
    Refused {
        /// Why.
        text: String,
    },
}
