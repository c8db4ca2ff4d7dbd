//! Saving and restoring: the part of the control API (`crate::control`) that moves a sandbox's disk.

use crate::legacy_data::ImportPlan;
use crate::snapshot::{Manifest, PublishAnswer, SaveReason, SnapshotId, Verification};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a sandbox's repository is and what opens it. Never stored inside the sandbox, never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryAccess {
    /// Base, with a slash at its end: `http://repository.molt.internal/_molt/repository/<sandbox id>/`. `restic/` below it is restic's REST
    /// protocol, `publish` takes a [`crate::snapshot::PublishRequest`].
    pub url: String,
    /// Sent as `Authorization: Bearer`.
    pub token: String,
    /// The repository's own key: restic's master key as JSON (`{"mac":{"k":…,"r":…},"encrypt":…}`, each base64).
    pub key: String,
    /// When the token ends.
    pub until: Millis,
}

impl std::fmt::Debug for RepositoryAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepositoryAccess")
            .field("url", &self.url)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// `POST /v1/begin` (202 with [`SnapshotStatus`]; the same again changes nothing, another one is 409 `conflict`): what the disk of this boot is to hold.
/// While `MOLT_RESTORE=wait` is in its environment, a supervisor stays in phase `restore` until it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BeginBoot {
    /// The sandbox's repository.
    pub repository: RepositoryAccess,
    /// What is restored onto the empty disk before the agent starts; `None` for a sandbox that was never saved.
    pub restore: Option<SnapshotId>,
    /// The newest published snapshot: what the first one of this boot is taken on top of. Differs from `restore` when an older point is restored.
    pub head: Option<SnapshotId>,
    /// Milliseconds between two snapshots while something changes.
    pub interval_ms: u64,
    /// What the old system kept of the user, to be taken over onto the empty disk, saved and published before the agent starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportPlan>,
    /// The user's part of the agent's configuration, if one was staged while the sandbox was at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
}

/// `PUT /v1/repository` (200 with [`SnapshotStatus`]): a new token before the old one ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewRepository {
    /// The sandbox's repository.
    pub repository: RepositoryAccess,
}

/// `POST /v1/save` (202 with [`SaveView`]; 409 `conflict` while another one of another id is under way): take a snapshot and publish it. Idempotent by `id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaveNow {
    /// Id chosen by the caller, `[A-Za-z0-9_-]{1,64}`.
    pub id: String,
    /// Why.
    pub reason: SaveReason,
}

/// How a save stands (`GET /v1/save/{id}`; 404 when unknown).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaveView {
    /// As asked for; `interval-<n>` and `stop` for the supervisor's own.
    pub id: String,
    /// Why.
    pub reason: SaveReason,
    /// Where it stands.
    pub stage: SaveStage,
    /// When it began.
    pub began: Millis,
    /// Files read so far.
    pub files: u64,
    /// Bytes read so far, with those of files that are unchanged.
    pub bytes: u64,
    /// Moves while databases are copied and checked, which reads no bytes yet; says nothing else. Older supervisors do not tell it.
    #[serde(default)]
    pub steps: u64,
    /// What it wrote; with `done`. Nothing was written where nothing had changed: then the newest published one, whose `added_bytes` is 0.
    pub snapshot: Option<SnapshotId>,
    /// What was published; with `done`.
    pub manifest: Option<Box<Manifest>>,
    /// What the edge answered, if it did.
    pub answer: Option<PublishAnswer>,
    /// Why it failed; with `failed`.
    pub error: Option<String>,
}

impl SaveView {
    /// One that has just begun.
    #[must_use]
    pub fn begun(id: &str, reason: SaveReason, began: Millis) -> Self {
        Self {
            id: id.to_owned(),
            reason,
            stage: SaveStage::Reading,
            began,
            files: 0,
            bytes: 0,
            steps: 0,
            snapshot: None,
            manifest: None,
            answer: None,
            error: None,
        }
    }
}

/// How far a save is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaveStage {
    /// Databases are being copied, the disk is being read and sent.
    Reading,
    /// What was sent is being read back.
    Checking,
    /// The edge is being asked to publish it.
    Publishing,
    /// It is published, or nothing had changed.
    Done,
    /// It does not count; `error` and `answer` say why.
    Failed,
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreStage {
    /// Nobody has said yet what the disk is to hold.
    Waiting,
    /// It is being restored.
    Running,
    /// The disk holds what it should; trivially so for a sandbox that was never saved.
    Done,
    /// It could not be restored: the agent is not started.
    Failed,
}

/// `GET /v1/snapshots`, and part of the status: how the disk is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// How far the restore of this boot is.
    pub restore: RestoreStage,
    /// What was restored, or is being.
    pub restored: Option<SnapshotId>,
    /// Bytes restored so far.
    pub restored_bytes: u64,
    /// Bytes to restore, once known.
    pub restore_total_bytes: Option<u64>,
    /// Why the restore failed.
    pub restore_error: Option<String>,
    /// The newest published snapshot that the supervisor knows of.
    pub head: Option<SnapshotId>,
    /// Everything that was on the disk at this moment is in a published snapshot.
    pub safe_until: Option<Millis>,
    /// Something may have changed since then.
    pub changed: bool,
    /// The newest save.
    pub save: Option<SaveView>,
    /// The newest work of upkeep.
    pub upkeep: Option<UpkeepView>,
}

/// What upkeep does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Upkeep {
    /// Reads the repository again, and compares bytes of files of one snapshot.
    Verify {
        /// Which.
        snapshot: SnapshotId,
        /// All of its data; a sample otherwise.
        full: bool,
    },
    /// Removes what none of `keep` needs. Every published and every quarantined snapshot is in `keep`.
    Prune {
        /// What must stay.
        keep: Vec<SnapshotId>,
    },
    /// What a restore of one snapshot would change on the disk.
    Compare {
        /// Which.
        snapshot: SnapshotId,
    },
    /// Restores one file or folder of a snapshot, beside what is there or in its place.
    RestorePath {
        /// Of which.
        snapshot: SnapshotId,
        /// Below the home, with `/`.
        path: String,
        /// Where to, below the home; the same place when absent. What is there is kept under a name with the time.
        to: Option<String>,
    },
}

/// `POST /v1/upkeep` (202 with [`UpkeepView`]; 409 `conflict` while another one is under way). Idempotent by `id`. Interrupted anywhere it harms nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpkeepNow {
    /// Id chosen by the caller, `[A-Za-z0-9_-]{1,64}`.
    pub id: String,
    /// What.
    pub work: Upkeep,
    /// A token of its own: pruning deletes, which the token of the boot may not.
    pub repository: RepositoryAccess,
}

/// How it stands (`GET /v1/upkeep/{id}`; 404 when unknown).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpkeepView {
    /// As asked for.
    pub id: String,
    /// Whether it is over.
    pub done: bool,
    /// Why it failed.
    pub error: Option<String>,
    /// What a verification found.
    pub verification: Option<Verification>,
    /// Bytes that pruning removed.
    pub removed_bytes: u64,
    /// What a restore would change, at most 1,000 lines: `added`, `changed`, `removed` with the path.
    pub differences: Vec<Difference>,
    /// How many there are altogether.
    pub difference_count: u64,
    /// Paths that were restored.
    pub restored_paths: u64,
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Difference {
    /// Below the home.
    pub path: String,
    /// How.
    pub kind: DifferenceKind,
}

/// How a path would differ after a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DifferenceKind {
    /// Only the snapshot has it.
    Added,
    /// Both have it, otherwise.
    Changed,
    /// Only the disk has it.
    Removed,
}
