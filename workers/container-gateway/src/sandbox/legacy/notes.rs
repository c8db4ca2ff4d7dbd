//! What the audit trail says of imports. Call these in the transaction of what they are about.

use crate::sandbox::changes::notes::{note, system};
use crate::sandbox_do::Sandbox;
use molt_common::audit::Author;
use molt_common::id::UserId;
use molt_common::legacy_call::ImportDecision;
use molt_common::legacy_data::{Exported, Imported};
use serde_json::json;
use worker::Result;

/// What was kept is imported, and counts.
pub fn imported(object: &Sandbox, owner: UserId, imported: &Imported) -> Result<()> {
    let report = &imported.report;
    let detail = json!({
        "source": report.source, "etag": report.etag, "generation": imported.generation, "files": report.files, "bytes": report.bytes,
        "databases": report.databases, "refused": report.refused_count, "leftOut": report.left_out, "damaged": report.damaged.len(),
        "passedOver": report.passed_over,
    });
    let target = imported.snapshot.to_string();
    note(object, owner, &system(), "sandbox.legacy_imported", &target, &detail)
}

/// What he made here is written for the old system, and was read back.
pub fn exported(object: &Sandbox, owner: UserId, exported: &Exported) -> Result<()> {
    let detail =
        json!({"etag": exported.etag, "files": exported.files, "bytes": exported.bytes, "size": exported.size});
    let target = exported.snapshot.to_string();
    note(object, owner, &system(), "sandbox.legacy_exported", &target, &detail)
}

/// Somebody decided what is imported.
pub fn decided(object: &Sandbox, owner: UserId, by: &Author, decision: &ImportDecision) -> Result<()> {
    let detail = json!(decision);
    note(
        object,
        owner,
        by,
        "sandbox.legacy_import_decided",
        &owner.to_string(),
        &detail,
    )
}
