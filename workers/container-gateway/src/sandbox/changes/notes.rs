//! What the audit trail of the sandbox says of changes. Call these in the transaction of what they are about.

use super::store::Kept;
use crate::sandbox_do::Sandbox;
use molt_common::audit::{Author, Chain, Change};
use molt_common::id::UserId;
use molt_common::sandbox_change::KeepAlive;
use molt_platform::audit_log::AuditLog;
use molt_platform::entropy;
use serde_json::{Value, json};
use worker::Result;

/// Appends an entry about the sandbox of this owner.
pub fn note(
    object: &Sandbox,
    owner: UserId,
    author: &Author,
    action: &str,
    target: &str,
    detail: &Value,
) -> Result<()> {
    object.store()?.set_audited(owner)?;
    AuditLog::of(&object.state, Chain::Sandbox(owner)).append(&Change {
        at: entropy::now(),
        author,
        action,
        target,
        detail,
    })
}

/// What the platform does by itself.
pub fn system() -> Author {
    Author {
        actor: "system".into(),
        request_id: String::new(),
    }
}

/// A change was asked for and is kept.
pub fn accepted(object: &Sandbox, kept: &Kept, discard_disk: bool, author: &Author) -> Result<()> {
    let change = &kept.change;
    let detail = json!({
        "wanted": change.wanted, "found": change.found, "generation": change.generation_before, "discardDisk": discard_disk,
        "parent": change.parent,
    });
    let target = kept.job().to_string();
    note(object, kept.owner, author, "sandbox.change_accepted", &target, &detail)
}

/// A change has ended.
pub fn ended(object: &Sandbox, kept: &Kept, author: &Author) -> Result<()> {
    let change = &kept.change;
    let detail = json!({"state": change.state, "error": change.error, "generation": change.generation});
    let target = kept.job().to_string();
    note(object, kept.owner, author, "sandbox.change_ended", &target, &detail)
}

/// When it may sleep is another from now on.
pub fn keep_alive(object: &Sandbox, owner: UserId, author: &Author, before: KeepAlive, after: KeepAlive) -> Result<()> {
    let detail = json!({"before": before, "after": after});
    let target = owner.to_string();
    note(object, owner, author, "sandbox.keep_alive_set", &target, &detail)
}
