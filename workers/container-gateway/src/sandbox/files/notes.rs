//! Entries of the audit trail: who read or changed what of a user's. They are made before it is done, so that nothing is done without one.

use super::super::alarm;
use super::Call;
use crate::sandbox_do::Sandbox;
use molt_common::audit::{Chain, Change};
use molt_common::control::files::FileView;
use molt_platform::audit_log::AuditLog;
use molt_platform::{entropy, transaction};
use serde_json::json;
use worker::Result;

/// Entries are copied after this long, those of the same while together.
const COPIED_WITHIN_MS: u64 = 1_000;

/// Notes a call that tells or changes contents; names, sizes and lists are not contents.
pub async fn note(object: &Sandbox, call: &Call<'_>, from: &str) -> Result<()> {
    let action = match (call.request.method().as_str(), call.batch, call.query.view) {
        (_, true, _) => "files.batch",
        ("PUT", ..) => "files.write",
        ("DELETE", ..) => "files.delete",
        ("GET", _, FileView::Content) => "files.read",
        ("GET", _, FileView::Tar) => "files.archive",
        _ => return Ok(()),
    };
    let user = call.order.user;
    let store = object.store()?;
    let detail = json!({"path": call.query.path.to_string(), "source": from, "recursive": call.query.recursive});
    transaction::atomically(&object.state, || {
        store.set_audited(user)?;
        AuditLog::of(&object.state, Chain::Sandbox(user)).append(&Change {
            at: entropy::now(),
            author: &call.order.author,
            action,
            target: &user.to_string(),
            detail: &detail,
        })
    })?;
    // It copies the entry to D1.
    alarm::within(object, COPIED_WITHIN_MS).await
}
