//! Calls about imports (see `molt_common::legacy_call`).

use super::look::{bucket, inventory};
use super::notes;
use super::store::Kept;
use crate::sandbox::alarm;
use crate::sandbox::snapshots::Snapshots;
use crate::sandbox_do::Sandbox;
use molt_common::id::UserId;
use molt_common::legacy_call::{DecideImport, ImportDecided, ImportDecision, ImportState, ImportView};
use molt_common::legacy_data::{Choice, Chosen, Discarded, FILES, ImportRecord, Inventory, choose};
use molt_platform::{entropy, transaction};
use worker::{Error, Result};

/// How it stands.
pub async fn get(object: &Sandbox, owner: UserId) -> Result<ImportView> {
    let inventory = look(object, owner).await?;
    view(object, owner, inventory)
}

/// Somebody decides.
pub async fn decide(object: &Sandbox, asked: &DecideImport) -> Result<ImportDecided> {
    let inventory = look(object, asked.owner).await?;
    let kept = Kept::of(object)?;
    let mut record = kept.record()?;
    if !record.is_open(was_saved(object)?) && record.discarded.is_none() {
        let text =
            "It is settled: the user has snapshots of this side, and nothing of the old one is laid over them.".into();
        return Ok(ImportDecided::Refused { text });
    }
    let at = entropy::now();
    match &asked.decision {
        ImportDecision::Discard => {
            record.chosen = None;
            record.left = false;
            record.discarded = Some(Discarded {
                at,
                etag: inventory.archive.as_ref().map(|archive| archive.etag.clone()),
            });
        }
        ImportDecision::Choose { source, accept_damaged } => {
            if was_saved(object)? && record.discarded.is_some() {
                let text = "The user began empty, and has snapshots since.".into();
                return Ok(ImportDecided::Refused { text });
            }
            if let Some(source) = source
                && !knows(&inventory, source)
            {
                return Ok(ImportDecided::Unknown);
            }
            record.discarded = None;
            record.chosen = Some(Chosen {
                source: source.clone().unwrap_or_default(),
                accept_damaged: *accept_damaged,
                at,
            });
        }
    }
    transaction::atomically(&object.state, || {
        kept.save(&record)?;
        notes::decided(object, asked.owner, &asked.by, &asked.decision)
    })?;
    // A start that failed for want of this is tried again at the next request; the entry is told soon.
    alarm::within(object, 0).await?;
    let view = Box::new(view(object, asked.owner, inventory)?);
    Ok(ImportDecided::Done { view })
}

fn knows(inventory: &Inventory, source: &str) -> bool {
    let archives = inventory
        .archive
        .iter()
        .chain(&inventory.previous)
        .chain(&inventory.dated);
    (source == FILES && inventory.files > 0) || archives.into_iter().any(|found| found.key == source)
}

async fn look(object: &Sandbox, owner: UserId) -> Result<Inventory> {
    let looked = inventory(&bucket(object)?, owner).await;
    looked.map_err(|error| Error::RustError(format!("what was kept cannot be looked at: {error}")))
}

fn was_saved(object: &Sandbox) -> Result<bool> {
    Ok(Snapshots::of(object)?.keeping()?.was_saved())
}

fn view(object: &Sandbox, owner: UserId, inventory: Inventory) -> Result<ImportView> {
    let was_saved = was_saved(object)?;
    let record: ImportRecord = Kept::of(object)?.record()?;
    let known = was_saved && inventory.archive.as_ref().is_none_or(|archive| record.knows(archive));
    let (state, why, takes) = if record.is_open(was_saved) && !known {
        let chosen = record.chosen.as_ref();
        let source = chosen
            .map(|chosen| chosen.source.as_str())
            .filter(|source| !source.is_empty());
        match choose(
            owner,
            &inventory,
            source,
            chosen.is_some_and(|chosen| chosen.accept_damaged),
        ) {
            Choice::Nothing => (ImportState::Nothing, "nothing of him was kept".to_owned(), None),
            Choice::Take { plan, why } => (ImportState::Due, why, Some(plan.source)),
            Choice::Ask { why } => (ImportState::Undecided, why, None),
        }
    } else if let Some(imported) = &record.imported {
        (
            ImportState::Imported,
            format!("{} was imported", imported.report.source),
            None,
        )
    } else if record.discarded.is_some() {
        (
            ImportState::Discarded,
            "an operator said that he starts empty".to_owned(),
            None,
        )
    } else {
        (ImportState::Saved, "he has snapshots of this side".to_owned(), None)
    };
    Ok(ImportView {
        state,
        why,
        takes,
        inventory,
        chosen: record.chosen,
        discarded: record.discarded,
        imported: record.imported,
        exported: record.exported,
    })
}
