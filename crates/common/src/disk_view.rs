//! How a sandbox's disk is kept, as its object knows it: part of what lists and pages show.

use crate::snapshot::SnapshotId;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// The disk and its snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiskView {
    /// The boot under way, or the next one, is restored and saved.
    pub kept: bool,
    /// How far the restore is, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restoring: Option<RestoringView>,
    /// The save that a stop waits for, or that a stop under way makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saving: Option<SavingView>,
    /// Why the newest stop did not happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_refused: Option<StopRefusedView>,
    /// The newest published snapshot.
    pub head: Option<SnapshotId>,
    /// When it was taken.
    pub last_snapshot_at: Option<Millis>,
    /// Everything on the disk until then is in a published snapshot, as far as is known.
    pub safe_until: Option<Millis>,
    /// Something may have changed since then.
    pub changed: bool,
    /// Snapshots that count.
    pub published: u64,
    /// Snapshots that are kept apart.
    pub quarantined: u64,
    /// The older one that somebody chose for the next start.
    pub chosen: Option<SnapshotId>,
    /// When the newest save failed, if none has succeeded since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_failed_at: Option<Millis>,
    /// When the newest verification found faults, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults_found_at: Option<Millis>,
    /// What the last end that was not in order may have cost, in words.
    pub loss: Option<String>,
    /// What somebody should look at, in words.
    pub alerts: Vec<String>,
}

/// A restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoringView {
    /// Bytes so far.
    pub bytes: u64,
    /// Bytes altogether, once known.
    pub total_bytes: Option<u64>,
}

/// A save.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SavingView {
    /// `waiting`, `reading`, `checking`, `publishing`.
    pub stage: String,
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Why a stop did not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StopRefusal {
    /// Nothing could be saved.
    #[default]
    NotSaved,
    /// What was saved is much smaller than what was saved before, so it does not count until somebody decides: released
    /// (`POST …/backups/{snapshot}/release`), it counts and the same stop goes through; with `discardDisk: true` a stop gives up what changed.
    SnapshotKeptApart,
}

/// A stop that did not happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopRefusedView {
    /// When.
    pub at: Millis,
    /// Why, as the supervisor said it.
    pub why: String,
    /// The snapshot about which somebody must decide.
    #[serde(default)]
    pub kept_apart: Option<SnapshotId>,
}

impl StopRefusedView {
    /// Why, for programs.
    #[must_use]
    pub const fn code(&self) -> StopRefusal {
        match self.kept_apart {
            Some(_) => StopRefusal::SnapshotKeptApart,
            None => StopRefusal::NotSaved,
        }
    }

    /// Why, for people, with what decides first: jobs keep the beginning of long texts, and no long hexadecimal names.
    #[must_use]
    pub fn text(&self) -> String {
        let why = &self.why;
        match self.kept_apart {
            Some(snapshot) => {
                let name = snapshot.to_string();
                let short = name.get(..8).unwrap_or_default();
                format!(
                    "let snapshot {short} count (POST …/backups/{{snapshot}}/release) and ask again, or ask with discardDisk: true: {why}"
                )
            }
            None => why.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{StopRefusal, StopRefusedView};
    use crate::snapshot::ObjectId;

    #[test]
    fn a_stop_that_waits_for_a_decision_names_the_snapshot_and_both_calls() {
        let mut refused = StopRefusedView {
            why: "It has 3 files.".into(),
            ..StopRefusedView::default()
        };
        assert_eq!(
            (refused.code(), refused.text()),
            (StopRefusal::NotSaved, "It has 3 files.".into())
        );
        let id = ObjectId::new([7; 32]);
        refused.kept_apart = Some(id);
        let text = refused.text();
        assert_eq!(refused.code(), StopRefusal::SnapshotKeptApart);
        for part in ["snapshot 07070707 ", "/release)", "discardDisk: true", "3 files"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
