//! With whom the object's user is while what ran before is still there: stores what `molt_lifecycle::ownership` decides and performs it.

use super::drive;
use super::{legacy, shut_out, trail};
use crate::sandbox_do::Sandbox;
use molt_common::flag::Rank;
use molt_common::id::UserId;
use molt_common::ownership::{FENCE_PATH, Owner, Placement, SetOwner};
use molt_common::sandbox_call::{ReleaseUser, SandboxView};
use molt_lifecycle::ownership::{Event, Gate, Ownership, Reply, Stage, Work};
use molt_lifecycle::sandbox;
use molt_lifecycle::sandbox::disk::BeforeStop;
use molt_lifecycle::sandbox::owner::OwnerStanding;
use molt_platform::ask::Question;
use molt_platform::{entropy, log, repository_keys, settings, transaction};
use serde_json::json;
use std::time::Duration;
use worker::{Delay, Env, Error, Result};

const BINDING: &str = "LEGACY";
/// Host in the URLs of calls to `LEGACY`; nobody looks at it.
const HOST: &str = "http://legacy.service";
/// Longest wait for one answer of `LEGACY`.
const ATTEMPT: Duration = Duration::from_secs(5);
/// A router that releases a user is answered after this long even when he is still on his way.
const RELEASE_WAIT_MS: u64 = 5_000;
/// What the sandbox has not answered after this long is broken off, when its user goes.
const DRAIN_MS: u64 = 10_000;
const POLL: Duration = Duration::from_millis(100);

/// Who sends the user here, and by which flags.
pub struct Sent<'a> {
    pub user: UserId,
    pub tier: u8,
    pub rank: Rank,
    pub request_id: &'a str,
}

/// Whether what ran before is bound. A variable says so: a binding to a worker that does not exist looks bound.
pub fn legacy_is_bound(env: &Env) -> bool {
    settings::text(env, "LEGACY_MODE").as_deref() == Some("on")
}

/// Where the user is; `None` where there is nothing but this side.
pub fn load(object: &Sandbox) -> Result<Option<Ownership>> {
    if !legacy_is_bound(&object.env) {
        settle_alone(object)?;
        return Ok(None);
    }
    let store = object.store()?;
    let stored = store.ownership()?;
    Ok(Some(match stored {
        Some(stored) => stored,
        None => Ownership::unrecorded(store.load()?.generation > 0),
    }))
}

/// Whether the sandbox may be started and run.
pub fn may_run(object: &Sandbox) -> Result<bool> {
    Ok(load(object)?.is_none_or(|ownership| ownership.may_run()))
}

/// Without `LEGACY` everybody is here, whatever was before. Looked at once in the life of the object's memory.
fn settle_alone(object: &Sandbox) -> Result<()> {
    if object.stands_alone.replace(true) {
        return Ok(());
    }
    let stored = object.store()?.ownership()?;
    let unsettled = stored.filter(|stored| stored.stage != Stage::New || !stored.ran);
    match (unsettled, user(object)?) {
        (Some(before), Some(user)) => advance(object, before, user, Event::NoLegacy, "").map(drop),
        _ => Ok(()),
    }
}

fn user(object: &Sandbox) -> Result<Option<UserId>> {
    let store = object.store()?;
    Ok(store.load()?.owner.or(store.audited()?))
}

/// What a request that a router sent here gets. Begins a move where the flags say so.
pub async fn admit(object: &Sandbox, sent: &Sent<'_>) -> Result<Gate> {
    let Some(before) = load(object)? else {
        return Ok(Gate::Open);
    };
    let wanted = Event::Wanted {
        rank: sent.rank,
        tier: sent.tier,
    };
    let (changed, after) = advance(object, before, sent.user, wanted, sent.request_id)?;
    if changed || (after.gate() == Gate::Wait && object.state.storage().get_alarm().await?.is_none()) {
        object.state.storage().set_alarm(0_i64).await?;
    }
    Ok(after.gate())
}

/// A router's flags no longer cover the user.
pub async fn release(object: &Sandbox, wanted: &ReleaseUser) -> Result<Placement> {
    let Some(before) = load(object)? else {
        return Ok(Placement::without_legacy());
    };
    let release = &wanted.release;
    let event = Event::Released {
        rank: release.rank,
        discard_disk: release.discard_disk,
        // What is saved can be written in the other layout.
        exportable: repository_keys::keys(&object.env).is_ok(),
        fenced: release.fenced,
    };
    let (changed, mut now) = advance(object, before, release.user, event, &wanted.request_id)?;
    if changed {
        object.state.storage().set_alarm(0_i64).await?;
    }
    let until = entropy::now().plus(RELEASE_WAIT_MS);
    while now.placement().moving && entropy::now() < until {
        Delay::from(POLL).await;
        match load(object)? {
            Some(ownership) => now = ownership,
            None => return Ok(Placement::without_legacy()),
        }
    }
    Ok(now.placement())
}

/// Where the user is.
pub fn placement(object: &Sandbox) -> Result<Placement> {
    Ok(load(object)?.map_or_else(Placement::without_legacy, |ownership| ownership.placement()))
}

/// What is known of the sandbox, and where its user is.
pub fn view(object: &Sandbox) -> Result<SandboxView> {
    let store = object.store()?;
    let mut view = store.load()?.view();
    view.change = super::changes::under_way(object)?;
    if let Some(ownership) = load(object)? {
        ownership.show(&mut view);
    }
    super::snapshots::show(object, &mut view)?;
    Ok(view)
}

/// Feeds an event to the machine and stores what comes of it, with the entry in the audit trail and the event that tells lists.
fn advance(
    object: &Sandbox,
    before: Ownership,
    user: UserId,
    event: Event,
    request_id: &str,
) -> Result<(bool, Ownership)> {
    let store = object.store()?;
    let now = entropy::now();
    let mut after = before.clone();
    after.step(event, now);
    if after == before {
        return Ok((false, after));
    }
    transaction::atomically(&object.state, || {
        store.save_ownership(&after)?;
        trail::note_move(object, user, request_id, &before, &after, now)?;
        if after.stage == Stage::Legacy && before.stage != Stage::Legacy {
            legacy::left(object)?;
        }
        let mut shown = store.load()?.view();
        shown.change = super::changes::under_way(object)?;
        after.show(&mut shown);
        if shown.placement != shown_before(&store, &before)?.placement {
            store.announce(shown)?;
        }
        Ok(())
    })?;
    object.waits.changed();
    if after.stage != before.stage || after.trouble != before.trouble || after.refused != before.refused {
        log::info(
            "sandbox_ownership",
            json!({
                "sandbox": object.state.id().name(), "requestId": request_id, "stage": after.stage, "epoch": after.epoch,
                "rank": after.decided.header(), "trouble": after.trouble, "refused": after.refused.as_ref().map(|refused| &refused.why),
            }),
        );
    }
    Ok((true, after))
}

fn shown_before(store: &super::store::Store, before: &Ownership) -> Result<SandboxView> {
    let mut view = store.load()?.view();
    before.show(&mut view);
    Ok(view)
}

/// Notes that the agent admits traffic. Call it in the transaction that makes it so.
pub fn note_running(object: &Sandbox) -> Result<()> {
    if let Some(mut ownership) = load(object)?
        && !ownership.ran
    {
        ownership.step(Event::Ran, entropy::now());
        object.store()?.save_ownership(&ownership)?;
    }
    Ok(())
}

/// One step of a move, by the alarm. Whether another may follow at once.
pub async fn drive(object: &Sandbox) -> Result<bool> {
    let (Some(ownership), Some(user)) = (load(object)?, user(object)?) else {
        return Ok(false);
    };
    match ownership.due(entropy::now()) {
        None => Ok(false),
        // Nothing new is let in; what is in may end.
        Some(Work::StopSandbox) if object.in_flight.get() > 0 && entropy::now().since(ownership.since) < DRAIN_MS => {
            Ok(true)
        }
        Some(Work::StopSandbox) => {
            // What is to be written for the other side must be saved first.
            let before = if ownership.exports {
                BeforeStop::Save
            } else {
                BeforeStop::Try
            };
            // Looked at first: another stop would begin with another save, and forget why this one was refused.
            if let Some(why) = stop_refused(object, &ownership)? {
                let (epoch, outcome) = (ownership.epoch, Err((why, false)));
                advance(object, ownership, user, Event::Exported { epoch, outcome }, "")?;
            } else if drive::stop(object, before).await? {
                advance(object, ownership, user, Event::Gone, "")?;
            }
            Ok(true)
        }
        Some(Work::Export { epoch }) => {
            // Stored before it is tried: one that takes its isolate with it counts as well.
            let (_, begun) = advance(object, ownership, user, Event::ExportBegun { epoch }, "")?;
            if begun.stage != Stage::Exporting {
                return Ok(begun.due(entropy::now()).is_some());
            }
            let outcome = legacy::export::export(object, user).await?;
            let Some(current) = load(object)? else {
                return Ok(false);
            };
            let (_, after) = advance(object, current, user, Event::Exported { epoch, outcome }, "")?;
            Ok(after.due(entropy::now()).is_some())
        }
        Some(Work::SetOwner { owner, epoch }) => {
            let reply = set_owner(object, user, owner, epoch).await;
            // What happened during the call is in the store, not in what was read before.
            let Some(current) = load(object)? else {
                return Ok(false);
            };
            let wanted = current.wanted;
            let (_, after) = advance(object, current, user, Event::Answered { owner, epoch, reply }, "")?;
            // He asked when the move began. One who cannot be looked up now asks again.
            if let (Gate::Open, Some(tier)) = (after.gate(), wanted)
                && shut_out::standing_for_start(object, user).await? == OwnerStanding::LetIn
                && may_run(object)?
            {
                drive::step(object, sandbox::Event::Needed { owner: user, tier })?;
            }
            Ok(after.due(entropy::now()).is_some())
        }
    }
}

/// Why a stop for this move was not made: its save failed.
fn stop_refused(object: &Sandbox, ownership: &Ownership) -> Result<Option<String>> {
    let disk = object.store()?.load()?.view().disk;
    let refused = disk.and_then(|disk| disk.stop_refused);
    let ours = refused.filter(|refused| ownership.exports && refused.at >= ownership.since);
    Ok(ours.map(|refused| format!("it could not be saved: {}.", refused.why)))
}

async fn set_owner(object: &Sandbox, user: UserId, owner: Owner, epoch: u64) -> Reply {
    match ask(object, user, SetOwner { owner, epoch }).await {
        Ok(reply) => reply,
        Err(error) => {
            log::error(
                "legacy_not_asked",
                json!({"sandbox": object.state.id().name(), "epoch": epoch, "error": error.to_string()}),
            );
            Reply::Failed("What ran before does not answer.".into())
        }
    }
}

async fn ask(object: &Sandbox, user: UserId, wanted: SetOwner) -> Result<Reply> {
    let token = settings::text(&object.env, "LEGACY_FENCE_TOKEN").filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| Error::RustError("LEGACY_FENCE_TOKEN is not set".into()))?;
    let (status, body) = Question {
        method: "PUT",
        url: &format!("{HOST}{FENCE_PATH}{user}"),
        headers: &[
            ("authorization", &format!("Bearer {token}")),
            ("content-type", "application/json"),
        ],
        body: Some(&serde_json::to_string(&wanted)?),
        timeout: ATTEMPT,
    }
    .ask_service(&object.env, BINDING)
    .await?;
    Ok(match status {
        200 => Reply::Set(serde_json::from_str(&body)?),
        409 => Reply::Later(serde_json::from_str(&body)?),
        404 => Reply::NoFence,
        other => Reply::Failed(format!("What ran before answered {other}.")),
    })
}
