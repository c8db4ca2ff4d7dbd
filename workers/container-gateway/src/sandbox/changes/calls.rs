//! Calls about changes. They keep what is wanted and answer at once; the alarm does it.

use super::store::{Changes, Kept};
use super::{choice, notes, tier_copy};
use crate::sandbox::snapshots::{Snapshots, upkeep};
use crate::sandbox::{alarm, config, drive, ownership};
use crate::sandbox_do::Sandbox;
use molt_common::audit::Author;
use molt_common::id::UserId;
use molt_common::sandbox_call::SandboxView;
use molt_common::sandbox_change::{
    CancelChange, ChangeAnswer, ChangeSandbox, ChangeView, GetChange, SetKeepAlive, Wanted, WantedUpkeep,
};
use molt_common::snapshot::SnapshotId;
use molt_lifecycle::change::{self, Ask, Before, Change, Seen, Standing, Verdict};
use molt_lifecycle::sandbox::{Event, Sandbox as Machine, Stage};
use molt_platform::{entropy, log, repository_keys, transaction};
use serde_json::json;
use worker::{Error, Result};

/// Whether somebody asks, or the platform by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    Somebody,
    Schedule,
}

/// Begins a change, unless something speaks against it.
pub async fn ask(object: &Sandbox, asked: &ChangeSandbox, by: By) -> Result<ChangeAnswer> {
    let machine = machine_of(object, asked.owner)?;
    let changes = Changes::of(object)?;
    let (same, under_way) = (changes.get(&asked.id)?, changes.under_way()?);
    let choice = match same {
        Some(_) => choice::Choice::None,
        None => match choice::of(object, &machine, asked)? {
            Ok(choice) => choice,
            Err((field, text)) => {
                let field = field.into();
                return Ok(ChangeAnswer::Refused { field, text });
            }
        },
    };
    let wanted = Ask {
        id: asked.id.clone(),
        wanted: asked.wanted.clone(),
        parent: asked.parent.clone(),
        discard_disk: asked.discard_disk,
        timeout_ms: asked.timeout_ms,
        scheduled: by == By::Schedule,
    };
    let before = Before {
        same: same.as_ref().map(|kept| &kept.change),
        under_way: under_way.as_ref().map(|kept| &kept.change),
    };
    let standing = standing(object, &machine, &asked.wanted, choice.was_taken(&machine))?;
    let seen = Seen::of(&ownership::view(object)?, None);
    Ok(
        match (
            change::admit(&wanted, before, &seen, &standing, entropy::now()),
            same,
            under_way,
        ) {
            (Verdict::Replay, Some(same), _) => accepted(&same),
            (Verdict::Replay | Verdict::Conflict, ..) => ChangeAnswer::Conflict,
            (Verdict::Refused { field, text }, ..) => ChangeAnswer::Refused {
                field: field.into(),
                text,
            },
            (Verdict::WouldDiscardDisk { since }, ..) => ChangeAnswer::WouldDiscardDisk { since },
            (Verdict::Busy, _, Some(other)) => ChangeAnswer::Busy { job: other.job() },
            (Verdict::Busy, _, None) => return Err(Error::RustError("nothing is under way".into())),
            (Verdict::Accepted(change), _, other) => {
                let kept = Kept {
                    owner: asked.owner,
                    tier: asked.tier,
                    change: *change,
                };
                keep(object, &kept, asked, choice, machine, other)?;
                alarm::now(object).await?;
                accepted(&kept)
            }
        },
    )
}

/// How the sandbox and its snapshots stand to what is asked for.
fn standing(object: &Sandbox, machine: &Machine, wanted: &Wanted, newest_is_wanted: bool) -> Result<Standing> {
    let list = Snapshots::of(object)?.list()?;
    let up = matches!(machine.stage, Stage::Starting { .. } | Stage::Running);
    let keeping = &list.keeping;
    let about = match wanted {
        Wanted::Restore { snapshot } => Some(snapshot),
        Wanted::Upkeep { work } => match work {
            WantedUpkeep::Verify { snapshot, .. } => snapshot.as_ref(),
            WantedUpkeep::Prune => None,
            WantedUpkeep::Compare { snapshot } | WantedUpkeep::RestorePath { snapshot, .. } => Some(snapshot),
        },
        _ => None,
    };
    let missing = |snapshot: &SnapshotId| match wanted {
        // Also what is kept apart may be looked at.
        Wanted::Upkeep { .. } if list.get(*snapshot).is_some() => None,
        _ => list.may_be_chosen(*snapshot).err(),
    };
    Ok(Standing {
        disk_since: machine.unkept_disk_since(),
        unsaved_since: (up && machine.disk.can_be_saved() && keeping.changed)
            .then(|| keeping.safe_until.or(machine.booted_at))
            .flatten(),
        newest_is_wanted,
        kept: match machine.stage {
            Stage::Running => machine.disk.can_be_saved(),
            Stage::Starting { .. } => machine.disk.kept || machine.launched_at.is_none(),
            _ => repository_keys::keys(&object.env).is_ok(),
        },
        head: keeping.head,
        not_restorable: about.and_then(missing),
    })
}

fn accepted(kept: &Kept) -> ChangeAnswer {
    ChangeAnswer::Accepted {
        change: Box::new(kept.change.view(kept.owner)),
    }
}

/// The machine, of whose owner nobody else may ask anything.
fn machine_of(object: &Sandbox, owner: UserId) -> Result<Machine> {
    let store = object.store()?;
    let machine = store.load()?;
    match machine.owner.or(store.audited()?) {
        Some(known) if known != owner => Err(Error::RustError("the sandbox has another owner".into())),
        _ => Ok(machine),
    }
}

/// Keeps a change with all that goes with it: what it ends, what it sets, and what is told of it.
fn keep(
    object: &Sandbox,
    kept: &Kept,
    asked: &ChangeSandbox,
    choice: choice::Choice,
    mut machine: Machine,
    other: Option<Kept>,
) -> Result<()> {
    let store = object.store()?;
    let changes = Changes::of(object)?;
    let now = entropy::now();
    transaction::atomically(&object.state, || {
        if let Some(mut other) = other {
            other.change.cancel(&format!("Ended by {}.", kept.job()), now);
            changes.save(&other)?;
            upkeep::ended(object, &other.change)?;
            notes::ended(object, &other, &asked.by)?;
        }
        if let choice::Choice::Tier(tier) = &choice {
            tier_copy::put(object, asked.owner, *tier)?;
        }
        if choice.set(&mut machine) {
            store.save(&machine)?;
        }
        upkeep::accepted(object, &kept.change)?;
        if matches!(asked.wanted, Wanted::Restore { .. }) {
            config::follow_disk(object)?;
        }
        changes.save(kept)?;
        notes::accepted(object, kept, asked.discard_disk, &asked.by)?;
        if kept.change.state.is_terminal() {
            notes::ended(object, kept, &notes::system())?;
        }
        changes.forget(now)?;
        store.announce(ownership::view(object)?)
    })?;
    log::info(
        "change_accepted",
        json!({"jobId": kept.job(), "requestId": asked.request_id, "change": asked.wanted.word(), "state": kept.change.state}),
    );
    Ok(())
}

/// How a change stands.
pub fn get(object: &Sandbox, asked: &GetChange) -> Result<Option<ChangeView>> {
    let kept = Changes::of(object)?.get(&asked.id)?;
    Ok(kept.map(|kept| kept.change.view(kept.owner)))
}

/// Ends a change where it stands.
pub async fn cancel(object: &Sandbox, asked: &CancelChange) -> Result<Option<ChangeView>> {
    let Some(mut kept) = Changes::of(object)?.get(&asked.id)? else {
        return Ok(None);
    };
    if !kept.change.state.is_terminal() {
        kept.change.cancel("Cancelled on request.", entropy::now());
        let author = asked.by.clone().unwrap_or_else(notes::system);
        save(object, &kept, &author)?;
        // To tell of it; what was begun goes on anyway, or is withdrawn.
        alarm::now(object).await?;
    }
    Ok(Some(kept.change.view(kept.owner)))
}

/// Stores how a change stands, with what is told of it.
pub fn save(object: &Sandbox, kept: &Kept, author: &Author) -> Result<()> {
    transaction::atomically(&object.state, || {
        Changes::of(object)?.save(kept)?;
        if kept.change.state.is_terminal() {
            upkeep::ended(object, &kept.change)?;
            notes::ended(object, kept, author)?;
            if let Some(generation) = kept.change.withdraws() {
                drive::step(object, Event::StopWithdrawn { generation })?;
            }
            object.store()?.announce(ownership::view(object)?)?;
        }
        Ok(())
    })?;
    let Change { state, error, .. } = &kept.change;
    if state.is_terminal() {
        let word = kept.change.wanted.word();
        log::info(
            "change_ended",
            json!({"jobId": kept.job(), "change": word, "state": state, "error": error}),
        );
    }
    Ok(())
}

/// Sets when it may sleep.
pub async fn keep_alive(object: &Sandbox, asked: &SetKeepAlive) -> Result<SandboxView> {
    let mut machine = machine_of(object, asked.owner)?;
    let before = machine.settings.keep_alive;
    machine.set_keep_alive(asked.keep_alive);
    transaction::atomically(&object.state, || {
        let store = object.store()?;
        store.save(&machine)?;
        notes::keep_alive(object, asked.owner, &asked.by, before, asked.keep_alive)?;
        store.announce(ownership::view(object)?)
    })?;
    // The time of sleep, and what starts by itself, may be another.
    alarm::now(object).await?;
    ownership::view(object)
}
