//! What the audit trail of the sandbox says of its configuration: places, never values. Call these in the transaction of what they are about.

use super::store::New;
use crate::sandbox_do::Sandbox;
use molt_common::agent_config::hash;
use molt_common::agent_config::merge::changed_paths;
use molt_common::audit::{Author, Chain, Change};
use molt_common::id::UserId;
use molt_platform::audit_log::AuditLog;
use molt_platform::entropy;
use serde_json::{Value, json};
use worker::Result;

fn note(object: &Sandbox, owner: UserId, author: &Author, action: &str, detail: &Value) -> Result<()> {
    object.store()?.set_audited(owner)?;
    AuditLog::of(&object.state, Chain::Sandbox(owner)).append(&Change {
        at: entropy::now(),
        author,
        action,
        target: &owner.to_string(),
        detail,
    })
}

/// There is a new version.
pub fn changed(
    object: &Sandbox,
    owner: UserId,
    version: u64,
    new: &New<'_>,
    before: &Value,
    staged: bool,
) -> Result<()> {
    let author = Author {
        actor: new.author.to_owned(),
        request_id: new.request_id.to_owned(),
    };
    let detail = json!({
        "version": version, "hash": hash(new.document), "source": new.source, "reason": new.reason, "staged": staged,
        "paths": changed_paths(before, new.document),
    });
    note(object, owner, &author, "sandbox.config_changed", &detail)
}

/// The agent would not take a version.
pub fn refused(object: &Sandbox, owner: UserId, version: u64, error: &str) -> Result<()> {
    let author = Author {
        actor: "system".into(),
        request_id: String::new(),
    };
    let detail = json!({"version": version, "error": error});
    note(object, owner, &author, "sandbox.config_refused", &detail)
}
