//! The alarm: performs what the state machine decides. It alone starts, asks, stops and removes the container, one step after another.

use super::changes::drive as changes;
use super::{alarm, boot, config, launch, observe, ownership, providers, secrets, shut_out, snapshots, trail, usage};
use crate::sandbox_do::Sandbox;
use molt_common::id::SandboxId;
use molt_common::time::Millis;
use molt_lifecycle::sandbox::disk::BeforeStop;
use molt_lifecycle::sandbox::{Action, Event, Sandbox as Machine, Stage};
use molt_platform::{d1, entropy, log, transaction};
use serde_json::json;
use std::time::Duration;
use worker::{Delay, Result, d1::D1Type};

/// An alarm step ends after about this long and is continued by the next, so that no step is cut.
const STEP_MS: u64 = 8_000;
/// While something is going on, the container is asked this often.
const POLL_MS: u64 = 150;
/// A sandbox that only goes on running is announced this often.
const ANNOUNCE_MS: u64 = 60_000;
/// Undelivered announcements are tried again after this long.
const REDELIVER_MS: u64 = 5_000;
/// One attempt at it takes at most this long.
const DELIVERY: Duration = Duration::from_millis(1_500);

/// One alarm step.
pub async fn run(object: &Sandbox) -> Result<()> {
    let _running = object.alarm.begin();
    let until = entropy::now().plus(STEP_MS);
    loop {
        let moving = ownership::drive(object).await?;
        // A sandbox that nobody ever needed has nothing to look at; the alarm is the audit trail's or a move's then.
        if object.store()?.load()?.generation > 0 {
            let before = object.store()?.load()?;
            launch::launch_if_wanted(object).await?;
            observe::look(object).await?;
            shut_out::look(object).await?;
            usage::containers::note(object, &before)?;
        }
        let changing = changes::step(object).await?;
        if !changing {
            snapshots::upkeep::schedule(object).await?;
        }
        let handing = providers::hand::step(object).await?;
        let configuring = config::drive::step(object).await?;
        let now = entropy::now();
        let next = object.store()?.load()?.next_alarm(now, observe::in_use(object));
        let going_on = next.is_some_and(|at| at.since(now) <= POLL_MS);
        if !(moving || going_on || changing || handing || configuring) || entropy::now() >= until {
            break;
        }
        Delay::from(Duration::from_millis(POLL_MS)).await;
    }
    let resealed = secrets::keep(object);
    let redeliver = deliver(object).await?;
    let recopy = trail::copy(object).await;
    let recount = usage::deliver::deliver(object).await;
    let now = entropy::now();
    let next = object.store()?.load()?.next_alarm(now, observe::in_use(object));
    let moves = ownership::load(object)?.and_then(|ownership| ownership.next_alarm());
    let changes = changes::next_alarm(object, now)?;
    alarm::set(
        object,
        [next, moves, changes, resealed, redeliver, recopy, recount]
            .into_iter()
            .flatten()
            .min(),
        now,
    )
    .await
}

/// Feeds an event to the machine, stores the outcome and performs the actions that need nothing but storage.
/// What needs the container is left to the caller, or to the alarm.
pub fn step(object: &Sandbox, event: Event) -> Result<Vec<Action>> {
    let store = object.store()?;
    let mut machine = store.load()?;
    let before = machine.clone();
    let now = entropy::now();
    let actions = machine.step(event, now);
    let steady = actions.contains(&Action::KeepAlive) && now.0.saturating_sub(object.announced_at.get()) >= ANNOUNCE_MS;
    let announce = actions.contains(&Action::Announce) || steady;
    if announce {
        object.announced_at.set(now.0);
    }
    // Most requests change nothing, and a write would hold their answer until it is on disk.
    if announce || machine != before {
        transaction::atomically(&object.state, || {
            store.save(&machine)?;
            boot::note(object, &before.view(), &machine.view(), now)?;
            snapshots::boot::ended(object, &before, &machine, now)?;
            if machine.stage == Stage::Running && before.stage != Stage::Running {
                ownership::note_running(object)?;
            }
            if announce {
                store.announce(ownership::view(object)?)?;
            }
            match (before.owner, machine.owner) {
                (None, Some(owner)) => trail::note_owner(object, owner, now),
                _ => Ok(()),
            }
        })?;
    }
    // A look that found what was known is no news.
    let seen = Machine {
        observed_at: machine.observed_at,
        ..before.clone()
    };
    if machine != seen {
        object.waits.changed();
    }
    if machine.stage != before.stage {
        log::info(
            "sandbox_stage",
            json!({"sandbox": object.state.id().name(), "generation": machine.generation, "stage": machine.stage, "cause": machine.cause}),
        );
    }
    Ok(actions)
}

/// Id of the sandbox, which is the object's name. The runtime does not know it in an object that was called from another process by number
/// alone; its owner, who is known before anything is started or told, names it then.
pub fn name(object: &Sandbox, machine: &Machine) -> Option<String> {
    let of_owner = || Some(SandboxId::personal(machine.owner?).as_str().to_owned());
    object.state.id().name().or_else(of_owner)
}

/// Has the sandbox stop, because its user goes elsewhere. Whether it is gone.
pub async fn stop(object: &Sandbox, before: BeforeStop) -> Result<bool> {
    let container = object.container()?;
    let actions = step(object, Event::StopWanted(before))?;
    observe::perform(object, &actions).await?;
    let machine = object.store()?.load()?;
    Ok(matches!(machine.stage, Stage::Stopped | Stage::Failed { .. }) && !container.running())
}

/// Copies the newest event to D1. Answers when to try again, if it must be.
async fn deliver(object: &Sandbox) -> Result<Option<Millis>> {
    let store = object.store()?;
    let Some(event) = store.undelivered()? else {
        return Ok(None);
    };
    // It may still arrive: the row takes nothing that is older than what it has.
    let outcome = d1::in_time(&object.env, DELIVERY, copy(object, event.sequence, &event.view)).await;
    if let Err(error) = outcome {
        log::error(
            "state_not_delivered",
            json!({"sandbox": object.state.id().name(), "error": error.to_string()}),
        );
        return Ok(Some(entropy::now().plus(REDELIVER_MS)));
    }
    store.delivered(event.sequence)?;
    Ok(None)
}

async fn copy(object: &Sandbox, sequence: i64, view: &str) -> Result<()> {
    let store = object.store()?;
    let mut machine = store.load()?;
    // A user who was only moved has never needed it.
    machine.owner = machine.owner.or(store.audited()?);
    let (Some(owner), Some(id)) = (machine.owner, name(object, &machine)) else {
        return Ok(());
    };
    let statement = object.env.d1("PLATFORM_DB")?.prepare(
        "INSERT INTO sandbox_states (sandbox_id, user_id, sequence, view, updated_at) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (sandbox_id) DO UPDATE SET sequence = excluded.sequence, view = excluded.view, updated_at = excluded.updated_at \
         WHERE excluded.sequence > sandbox_states.sequence",
    );
    let owner = owner.to_string();
    // Counters and times of this era are exact in the f64 that D1 takes.
    #[allow(clippy::cast_precision_loss)]
    let numbers = (sequence as f64, entropy::now().0 as f64);
    statement
        .bind_refs(&[
            D1Type::Text(&id),
            D1Type::Text(&owner),
            D1Type::Real(numbers.0),
            D1Type::Text(view),
            D1Type::Real(numbers.1),
        ])?
        .run()
        .await?;
    Ok(())
}
