//! What the audit trail of the sandbox says of its snapshots: what somebody decided, what waits for a decision, and what an end may have cost. Each
//! publication is in the list itself. Call these in the transaction of what they are about.

use crate::sandbox::changes::notes::{note, system};
use crate::sandbox_do::Sandbox;
use molt_common::audit::Author;
use molt_common::id::UserId;
use molt_common::recovery::BEGUN_AGAIN;
use molt_common::repository_path::Root;
use molt_common::snapshot::{ListedSnapshot, SnapshotId};
use molt_common::snapshot_call::Decision;
use molt_lifecycle::snapshots::Loss;
use serde_json::json;
use worker::Result;

/// Something happened to the repository's key.
pub fn key(object: &Sandbox, owner: UserId, action: &str) -> Result<()> {
    note(object, owner, &system(), action, &owner.to_string(), &json!({}))
}

/// A repository lies there whose key nobody has, and another was begun beside it.
pub fn begun_again(object: &Sandbox, owner: UserId, root: &Root) -> Result<()> {
    let detail = json!({"prefix": root.prefix()});
    note(object, owner, &system(), BEGUN_AGAIN, &owner.to_string(), &detail)
}

/// The key was destroyed, on request.
pub fn key_destroyed(object: &Sandbox, owner: UserId, by: &Author, snapshots: u64) -> Result<()> {
    let detail = json!({"snapshots": snapshots});
    let action = "sandbox.repository_key_destroyed";
    note(object, owner, by, action, &owner.to_string(), &detail)
}

/// One was kept apart.
pub fn quarantined(object: &Sandbox, owner: UserId, entry: &ListedSnapshot) -> Result<()> {
    let detail = json!({"sequence": entry.sequence, "generation": entry.generation, "why": entry.why});
    let action = "sandbox.snapshot_quarantined";
    note(object, owner, &system(), action, &entry.id.to_string(), &detail)
}

/// Somebody decided about one.
pub fn decided(object: &Sandbox, owner: UserId, by: &Author, id: SnapshotId, decision: Decision) -> Result<()> {
    let detail = json!({"decision": decision});
    note(object, owner, by, "sandbox.snapshot_decided", &id.to_string(), &detail)
}

/// A generation ended with what was not saved: it was `cut` off, or nobody saw its last save done.
pub fn lost(object: &Sandbox, owner: UserId, loss: &Loss, cut: bool) -> Result<()> {
    let safe_until = loss.safe_until.map(|at| at.iso());
    let detail = json!({"generation": loss.generation, "safeUntil": safe_until, "cutOff": cut});
    let action = "sandbox.ended_unsaved";
    note(object, owner, &system(), action, &owner.to_string(), &detail)
}
