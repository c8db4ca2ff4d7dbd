//! The object in an export of the control plane, and in its restore (docs/recovery.md).

use super::changes::notes::note;
use super::changes::{store::Changes, tier_copy};
use super::config::store::Versions;
use super::snapshots::store::Snapshots;
use super::{alarm, ownership};
use crate::sandbox_do::Sandbox;
use molt_common::audit::Chain;
use molt_common::id::{SandboxId, UserId};
use molt_common::recovery::call::{ExportState, ExportedPage, RestoreState, Restored, TableRow};
use molt_common::recovery::generation;
use molt_common::recovery::tables::{Place, Table};
use molt_common::time::Millis;
use molt_lifecycle::sandbox::Sandbox as Machine;
use molt_lifecycle::snapshots::Keeping;
use molt_platform::recovery::restore::{Not, Target, restore as keep};
use molt_platform::{entropy, log, recovery, repository_keys};
use serde_json::{Value, json};
use std::result::Result as Outcome;
use worker::{Error, Result, SqlStorage, State};

/// The object, and whose it is.
struct Restoring<'a> {
    object: &'a Sandbox,
    owner: UserId,
    now: Millis,
}

impl Target for Restoring<'_> {
    const PLACE: Place = Place::Sandbox;

    fn state(&self) -> &State {
        &self.object.state
    }

    fn keep(&self, sql: &SqlStorage, table: &Table, told: &TableRow, asked: &RestoreState) -> Outcome<(), Not> {
        match table.name {
            "sandbox" => {
                let machine: Machine =
                    read(told, "state").map_err(|error| Not::refused(format_args!("its state: {error}")))?;
                let generation = generation::after(machine.generation, asked.exported_at, self.now);
                self.object.store()?.save(&machine.recovered(generation, self.now))?;
            }
            "snapshots_kept" => {
                let mut keeping: Keeping =
                    read(told, "state").map_err(|error| Not::refused(format_args!("its list: {error}")))?;
                keeping.platform_gone(self.now);
                Snapshots::of(self.object)?.save_keeping(&keeping)?;
            }
            _ => recovery::insert(sql, table, &told.row)?,
        }
        Ok(())
    }

    fn settle(&self, asked: &RestoreState) -> Outcome<(), Not> {
        settle(self.object, self.owner, asked, self.now)
    }
}

/// A page of what the object keeps.
pub fn export(object: &Sandbox, asked: ExportState) -> Result<Option<ExportedPage>> {
    // The tables exist then.
    object.store()?;
    let Some(mut page) = recovery::page(&object.state.storage().sql(), Place::Sandbox, asked.rest)? else {
        return Ok(None);
    };
    for told in page.rows.iter_mut().filter(|told| told.table == "sandbox") {
        let machine: Machine = read(told, "state").map_err(|error| Error::RustError(error.to_string()))?;
        let outliving = serde_json::to_string(&machine.outliving(entropy::now()))?;
        told.row.insert("state".into(), Value::String(outliving));
    }
    Ok(Some(page))
}

fn read<T: serde::de::DeserializeOwned>(told: &TableRow, column: &str) -> serde_json::Result<T> {
    serde_json::from_str(told.row.get(column).and_then(Value::as_str).unwrap_or_default())
}

/// Keeps rows of an archive; with the last of them the sandbox is one that was never started here and begins with what was saved.
pub async fn restore(object: &Sandbox, asked: &RestoreState) -> Result<Restored> {
    let Some(owner) = asked.owner else {
        return Ok(Restored::Refused {
            why: "a sandbox belongs to somebody".into(),
        });
    };
    // The tables exist then.
    object.store()?;
    let restoring = Restoring {
        object,
        owner,
        now: entropy::now(),
    };
    let restored = keep(&restoring, asked)?;
    if restored == Restored::Kept && asked.end.is_some() {
        object.waits.changed();
        alarm::now(object).await?;
    }
    Ok(restored)
}

/// Everything is there: it must make sense, and from here on it is the truth.
fn settle(object: &Sandbox, owner: UserId, asked: &RestoreState, now: Millis) -> Outcome<(), Not> {
    let store = object.store()?;
    let machine = store.load().map_err(Not::refused)?;
    let audited = store.audited().map_err(Not::refused)?;
    if [machine.owner, audited]
        .into_iter()
        .flatten()
        .any(|other| other != owner)
    {
        return Err(Not::refused("it is somebody else's sandbox"));
    }
    if let Some(broken) = recovery::broken_chain(&object.state, Chain::Sandbox(owner))? {
        return Err(Not::Refused(broken));
    }
    let snapshots = Snapshots::of(object)?;
    let list = snapshots.list().map_err(Not::refused)?;
    let versions = Versions::of(object)?;
    let current = versions.standing().map_err(Not::refused)?.current();
    versions.document_or_empty(current).map_err(Not::refused)?;
    store.ownership().map_err(Not::refused)?;
    Changes::of(object)?.under_way().map_err(Not::refused)?;
    match snapshots.wrapped_key()? {
        Some(wrapped) => {
            let sandbox = SandboxId::personal(owner);
            let roots = repository_keys::keys(&object.env).map_err(Not::refused)?;
            roots.unwrap(&wrapped, &sandbox).map_err(|error| {
                Not::refused(format_args!(
                    "the key of its repository: {error} (MOLT_REPOSITORY_KEYS)"
                ))
            })?;
        }
        None if list.keeping.was_saved() => return Err(Not::refused("there are snapshots and no key that opens them")),
        None => {}
    }
    let detail = json!({
        "archive": asked.recovery, "exportedAt": asked.exported_at.iso(), "generation": machine.generation,
        "snapshot": list.keeping.head, "at": now.iso(),
    });
    note(
        object,
        owner,
        &asked.by,
        "sandbox.recovered",
        &owner.to_string(),
        &detail,
    )?;
    if let Some(tier) = machine.settings.tier {
        tier_copy::put(object, owner, tier)?;
    }
    if machine.owner.is_some() {
        store.announce(ownership::view(object)?)?;
    }
    log::info(
        "sandbox_recovered",
        json!({"sandbox": SandboxId::personal(owner).as_str(), "generation": machine.generation}),
    );
    Ok(())
}
