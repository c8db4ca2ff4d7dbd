//! How a sandbox's disk is kept, as the API shows it.

use crate::disk_view::{DiskView, RestoringView, SavingView, StopRefusal};
use crate::snapshot::SnapshotId;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// A stop that did not happen, because the disk could not be saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StopRefused {
    /// ISO-8601.
    pub at: String,
    /// Why.
    pub code: StopRefusal,
    /// The snapshot about which somebody must decide; null with `not_saved`.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub snapshot: Option<SnapshotId>,
    /// Why, and what can be done.
    pub text: String,
}

/// The disk and its snapshots, from stored observations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskState {
    /// The boot under way, or the next one, is restored and saved.
    pub kept: bool,
    /// How far the restore is; null while there is none.
    pub restoring: Option<RestoringView>,
    /// The save that a stop waits for, or that a stop under way makes; null without one.
    pub saving: Option<SavingView>,
    /// The newest stop that did not happen; null when there was none, or something was saved since.
    #[serde(default)]
    pub stop_refused: Option<StopRefused>,
    /// Name of the newest published snapshot: what the next start restores, unless another one was chosen.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub head: Option<SnapshotId>,
    /// Name of the older one that somebody chose for the next start.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub chosen: Option<SnapshotId>,
    /// ISO-8601 time until which everything on the disk is in a published snapshot, as far as is known.
    pub safe_until: Option<String>,
    /// Something may have changed since then.
    pub changed: bool,
    /// Snapshots that count.
    pub published: u64,
    /// Snapshots that are kept apart until somebody decides.
    pub quarantined: u64,
    /// What the last end that was not in order may have cost.
    pub loss: Option<String>,
    /// What somebody should look at.
    pub alerts: Vec<String>,
}

impl DiskState {
    /// From what the sandbox's object holds.
    #[must_use]
    pub fn new(disk: DiskView) -> Self {
        Self {
            kept: disk.kept,
            restoring: disk.restoring,
            saving: disk.saving,
            stop_refused: disk.stop_refused.map(|refused| StopRefused {
                at: refused.at.iso(),
                code: refused.code(),
                snapshot: refused.kept_apart,
                text: refused.text(),
            }),
            head: disk.head,
            chosen: disk.chosen,
            safe_until: disk.safe_until.map(Millis::iso),
            changed: disk.changed,
            published: disk.published,
            quarantined: disk.quarantined,
            loss: disk.loss,
            alerts: disk.alerts,
        }
    }
}
