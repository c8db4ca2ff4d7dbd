//! Before a start: whether it imports, and what.

use super::look::{bucket, inventory};
use super::store::Kept;
use crate::sandbox::snapshots::Snapshots;
use crate::sandbox_do::Sandbox;
use molt_common::id::UserId;
use molt_common::legacy_data::{Choice, ImportPlan, ImportRecord, choose};
use molt_platform::{log, repository_keys};
use serde_json::json;
use worker::Result;

/// What a start is to import, kept for when its supervisor asks; or why it must not be made. Imported once, nothing is looked at any more, unless the user was
/// back at the old system since.
pub async fn prepare(object: &Sandbox, owner: UserId) -> Result<std::result::Result<Option<ImportPlan>, String>> {
    let kept = Kept::of(object)?;
    let was_saved = Snapshots::of(object)?.keeping()?.was_saved();
    let record = kept.record()?;
    if !record.is_open(was_saved) {
        if record.plan.is_some() {
            kept.save(&ImportRecord { plan: None, ..record })?;
        }
        return Ok(Ok(None));
    }
    let inventory = match inventory(&bucket(object)?, owner).await {
        Ok(inventory) => inventory,
        Err(error) => {
            log::error(
                "legacy_not_looked_at",
                json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
            );
            return Ok(Err(
                "What was kept of you before cannot be looked at just now, and nothing is started without it.".into(),
            ));
        }
    };
    // What happened during the look is in the store.
    let mut record = kept.record()?;
    let known = was_saved && inventory.archive.as_ref().is_none_or(|archive| record.knows(archive));
    let choice = if known {
        // He was back at the old system, and nothing new was saved there.
        Choice::Nothing
    } else {
        let chosen = record.chosen.as_ref();
        choose(
            owner,
            &inventory,
            chosen
                .map(|chosen| chosen.source.as_str())
                .filter(|source| !source.is_empty()),
            chosen.is_some_and(|chosen| chosen.accept_damaged),
        )
    };
    let prepared = match choice {
        Choice::Nothing => {
            record.left = false;
            Ok(None)
        }
        Choice::Take { .. } if repository_keys::keys(&object.env).is_err() => Err(
            "Files of yours were kept by the system before this one, and this deployment has no keys to save them with: nothing is started without them."
                .into(),
        ),
        Choice::Take { plan, why } => {
            log::info("legacy_import_planned", json!({"sandbox": object.state.id().name(), "why": why}));
            Ok(Some(plan))
        }
        Choice::Ask { why } => Err(format!(
            "An operator has to choose which of your files from before count: {why}"
        )),
    };
    record.plan = prepared.as_ref().ok().cloned().flatten();
    kept.save(&record)?;
    Ok(prepared)
}

/// What the start with this number imports, until that counts.
pub fn plan(object: &Sandbox, generation: u64) -> Result<Option<ImportPlan>> {
    let record = Kept::of(object)?.record()?;
    let done = record
        .imported
        .is_some_and(|imported| imported.generation == generation);
    Ok(record.plan.filter(|_| !done))
}
