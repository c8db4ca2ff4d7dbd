//! What tests begin with, and change where theirs differs.

use molt_common::control::snapshot::{RestoreStage, SnapshotStatus};
use molt_common::snapshot::{Manifest, ObjectId, SnapshotId};
use molt_common::time::Millis;

/// Of a snapshot of nothing.
pub fn manifest(snapshot: SnapshotId, taken_at: Millis) -> Manifest {
    Manifest {
        snapshot,
        tree: ObjectId::new([200; 32]),
        parent: None,
        taken_at,
        files: 0,
        folders: 0,
        others: 0,
        bytes: 0,
        added_bytes: 0,
        databases: 0,
        unreadable: vec![],
        unreadable_count: 0,
        packs: vec![],
        indexes: vec![],
    }
}

/// Of a disk that was restored, and of which nothing was saved yet.
pub const fn status() -> SnapshotStatus {
    SnapshotStatus {
        restore: RestoreStage::Done,
        restored: None,
        restored_bytes: 0,
        restore_total_bytes: None,
        restore_error: None,
        head: None,
        safe_until: None,
        changed: false,
        save: None,
        upkeep: None,
    }
}
