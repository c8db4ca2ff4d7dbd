//! What is kept beside the entries of the list.

use super::loss::Loss;
use molt_common::snapshot::SnapshotId;
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// Everything about a sandbox's snapshots that is no entry of the list. Small: it is read with every look at the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Keeping {
    /// Number of the newest entry that there ever was.
    pub last_sequence: u64,
    /// The newest published one.
    pub head: Option<SnapshotId>,
    /// When that was taken.
    pub last_snapshot_at: Option<Millis>,
    /// How many count.
    pub published: u64,
    /// How many are kept apart.
    pub quarantined: u64,
    /// The newest boot that was told what its disk is to hold.
    pub branch: Option<Branch>,
    /// The older one that somebody chose for the next start.
    pub chosen: Option<Chosen>,
    /// Entries that were taken off the list since the last prune.
    pub forgotten: u64,
    /// When the first of them was.
    pub forgotten_at: Option<Millis>,
    /// Bytes of the repository, as [`super::List::stored_bytes`] says; `None` in what was stored before they were counted.
    pub stored_bytes: Option<u64>,
    /// When the repository was pruned last.
    pub pruned_at: Option<Millis>,
    /// The newest verification, of whichever snapshot.
    pub verified: Option<Checked>,
    /// When a verification by schedule was asked for last.
    pub verify_asked_at: Option<Millis>,
    /// When pruning was asked for last.
    pub prune_asked_at: Option<Millis>,
    /// What was forgotten by then.
    pub prune_asked_of: u64,
    /// When the first snapshot was published.
    pub first_published_at: Option<Millis>,
    /// The newest save that failed, until one succeeds.
    pub failure: Option<Failure>,
    /// Everything that was on the disk at this moment is in a published snapshot.
    pub safe_until: Option<Millis>,
    /// Something may have changed since then.
    pub changed: bool,
    /// Which of the sandbox's repositories it is: 0, or how many lie before it that nobody can open.
    pub incarnation: u32,
    /// What the last boot that ended other than in order may have cost.
    pub loss: Option<Loss>,
}

/// A boot, and what its disk began with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Branch {
    /// Generation of the sandbox.
    pub generation: u64,
    /// What was restored onto its empty disk.
    pub restore: Option<SnapshotId>,
    /// The newest published one when it began.
    pub head: Option<SnapshotId>,
    /// Its own newest published one; what was restored before it has one.
    pub tip: Option<SnapshotId>,
    /// Since when its disk holds what was restored.
    #[serde(default)]
    pub restored_at: Option<Millis>,
    /// What was left when its agent had ended is saved.
    #[serde(default)]
    pub saved_all: bool,
    /// When the token ends that it was given.
    #[serde(default)]
    pub token_until: Option<Millis>,
}

/// A choice of what the next start restores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chosen {
    /// Which.
    pub snapshot: SnapshotId,
    /// Generation when it was chosen: only a later one begins with it.
    pub above: u64,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checked {
    /// When.
    pub at: Millis,
    /// Whether all was as it should be.
    pub ok: bool,
}

/// A save that failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failure {
    /// When that was seen.
    pub at: Millis,
    /// Why.
    pub error: String,
}

impl Keeping {
    /// Whether a disk of this sandbox was ever kept: then none is begun from nothing.
    #[must_use]
    pub const fn was_saved(&self) -> bool {
        self.last_sequence > 0
    }

    /// What the start with this number restores onto its empty disk; `None` for a sandbox that was never saved.
    #[must_use]
    pub fn restore_point(&self, generation: u64) -> Option<SnapshotId> {
        let chosen = self.chosen.filter(|chosen| generation > chosen.above);
        chosen.map(|chosen| chosen.snapshot).or(self.head)
    }
}
