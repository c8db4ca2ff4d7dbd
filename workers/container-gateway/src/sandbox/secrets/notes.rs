//! What the audit trail of the sandbox says of secrets: names and what became of them, never a value or a part of one. Call these in the transaction of
//! what they are about.

use crate::sandbox::changes::notes::{note, system};
use crate::sandbox_do::Sandbox;
use molt_common::audit::Author;
use molt_common::id::UserId;
use molt_common::user_secret::SecretUse;
use serde_json::json;
use worker::Result;

/// Somebody set one.
pub fn set(
    object: &Sandbox,
    owner: UserId,
    by: &Author,
    name: &str,
    used_for: SecretUse,
    replaced: bool,
) -> Result<()> {
    let detail = json!({"use": used_for, "replaced": replaced});
    note(object, owner, by, "sandbox.secret_set", name, &detail)
}

/// Somebody took one away.
pub fn removed(object: &Sandbox, owner: UserId, by: &Author, name: &str, used_for: SecretUse) -> Result<()> {
    let detail = json!({"use": used_for});
    note(object, owner, by, "sandbox.secret_removed", name, &detail)
}

/// The root key moved on.
pub fn resealed(object: &Sandbox, owner: UserId, names: &[&str]) -> Result<()> {
    let detail = json!({"names": names});
    let action = "sandbox.secrets_resealed";
    note(object, owner, &system(), action, &owner.to_string(), &detail)
}
