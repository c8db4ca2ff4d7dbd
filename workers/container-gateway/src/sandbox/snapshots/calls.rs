//! Calls about snapshots (see `molt_common::snapshot_call`).

use super::store::Snapshots;
use super::{notes, view};
use crate::sandbox::{legacy, ownership};
use crate::sandbox_do::Sandbox;
use molt_common::id::UserId;
use molt_common::sandbox_call::Lifecycle;
use molt_common::snapshot::{ListedSnapshot, PublishAnswer};
use molt_common::snapshot_call::{
    DecideSnapshot, Decided, DestroyRepositoryKey, GetSnapshot, KeyDestroyed, ListSnapshots, MayRemove,
    PublishSnapshot, SnapshotList,
};
use molt_lifecycle::snapshots::Boot;
use molt_platform::{entropy, log, transaction};
use serde_json::json;
use worker::{Error, Result};

/// Most entries that are told at once.
const MOST: u32 = 500;

fn owner(object: &Sandbox) -> Result<UserId> {
    let store = object.store()?;
    let owner = store.load()?.owner.or(store.audited()?);
    owner.ok_or_else(|| Error::RustError("the sandbox has no owner".into()))
}

fn newest(object: &Sandbox) -> Result<Boot> {
    let machine = object.store()?.load()?;
    Ok(Boot {
        generation: machine.generation,
        lives: machine.lives(machine.generation),
    })
}

/// A snapshot is to count.
pub fn publish(object: &Sandbox, wanted: &PublishSnapshot) -> Result<PublishAnswer> {
    let snapshots = Snapshots::of(object)?;
    let before = snapshots.list()?;
    let mut after = before.clone();
    let newest = newest(object)?;
    let answer = after.publish(wanted.generation, &wanted.request, newest, entropy::now());
    if after == before {
        return Ok(answer);
    }
    let owner = owner(object)?;
    transaction::atomically(&object.state, || {
        snapshots.save(&before, &after)?;
        if matches!(answer, PublishAnswer::Published { .. }) {
            legacy::published(object, owner, wanted.generation, &wanted.request)?;
        }
        if let (PublishAnswer::Quarantined { .. }, Some(entry)) = (&answer, after.get(wanted.request.manifest.snapshot))
        {
            notes::quarantined(object, owner, entry)?;
        }
        object.store()?.announce(ownership::view(object)?)
    })?;
    object.waits.changed();
    Ok(answer)
}

/// Which there are.
pub fn list(object: &Sandbox, wanted: &ListSnapshots) -> Result<SnapshotList> {
    let snapshots = Snapshots::of(object)?;
    let list = snapshots.list()?;
    let view = ownership::view(object)?;
    let alerts = view::alerts(object, &view, &list.keeping, entropy::now());
    Ok(SnapshotList {
        snapshots: snapshots.page(wanted.before, wanted.limit.clamp(1, MOST))?,
        summary: list.summary(alerts),
    })
}

/// One of them.
pub fn get(object: &Sandbox, wanted: &GetSnapshot) -> Result<Option<ListedSnapshot>> {
    Snapshots::of(object)?.get(wanted.id)
}

/// Somebody decides about one.
pub fn decide(object: &Sandbox, wanted: &DecideSnapshot) -> Result<Decided> {
    let snapshots = Snapshots::of(object)?;
    let before = snapshots.list()?;
    let mut after = before.clone();
    let decided = after.decide(wanted.id, wanted.decision, entropy::now());
    if after == before {
        return Ok(decided);
    }
    let owner = owner(object)?;
    transaction::atomically(&object.state, || {
        snapshots.save(&before, &after)?;
        notes::decided(object, owner, &wanted.by, wanted.id, wanted.decision)?;
        object.store()?.announce(ownership::view(object)?)
    })?;
    log::info(
        "snapshot_decided",
        json!({"requestId": wanted.request_id, "snapshot": wanted.id.to_string(), "decision": wanted.decision}),
    );
    Ok(decided)
}

/// Whether a token of this generation may remove objects now.
pub fn may_remove(object: &Sandbox, wanted: &MayRemove) -> Result<bool> {
    Ok(wanted.generation >= newest(object)?.generation)
}

/// The least generation whose tokens may add objects.
pub fn least_generation(object: &Sandbox) -> Result<u64> {
    let newest = newest(object)?;
    Ok(newest.generation + u64::from(!newest.lives))
}

/// The key goes, and the list with it.
pub fn destroy_key(object: &Sandbox, wanted: &DestroyRepositoryKey) -> Result<KeyDestroyed> {
    let view = ownership::view(object)?;
    let at_rest = matches!(
        view.lifecycle,
        Lifecycle::Stopped | Lifecycle::Sleeping | Lifecycle::Failed
    );
    if !at_rest || object.container()?.running() {
        let text = "The sandbox is not at rest: destroy it first.".into();
        return Ok(KeyDestroyed::Refused { text });
    }
    let snapshots = Snapshots::of(object)?;
    let list = snapshots.list()?;
    let count = list.snapshots.len() as u64;
    if count == 0 && snapshots.wrapped_key()?.is_none() {
        return Ok(KeyDestroyed::Done { snapshots: 0 });
    }
    let owner = owner(object)?;
    transaction::atomically(&object.state, || {
        snapshots.destroy()?;
        notes::key_destroyed(object, owner, &wanted.by, count)?;
        object.store()?.announce(ownership::view(object)?)
    })?;
    log::info(
        "repository_key_destroyed",
        json!({"requestId": wanted.request_id, "sandbox": object.state.id().name()}),
    );
    Ok(KeyDestroyed::Done { snapshots: count })
}
