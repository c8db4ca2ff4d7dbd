//! The alarm's part: one step of the change that is under way after each look at the container.

use super::store::{Changes, Kept};
use super::{calls, notes, tier_copy};
use crate::sandbox::snapshots::{Snapshots, upkeep};
use crate::sandbox::supervisor::Supervisor;
use crate::sandbox::{alarm, drive, observe, ownership, providers, shut_out};
use crate::sandbox_do::Sandbox;
use molt_common::control::SupervisorStatus;
use molt_common::sandbox_change::Wanted;
use molt_common::snapshot::SnapshotId;
use molt_common::time::Millis;
use molt_lifecycle::change::{Observation, Reply, Seen, Step, Told};
use molt_lifecycle::sandbox::Event;
use molt_lifecycle::sandbox::owner::OwnerStanding;
use molt_platform::job_index::announcing;
use molt_platform::{entropy, log, transaction};
use serde_json::json;
use std::future::Future;
use worker::Result;

/// A change that is under way is looked after this often while nothing moves.
const LOOK_MS: u64 = 500;

/// The container was asked, from `at` on.
pub fn observed(object: &Sandbox, at: Millis, container: bool, status: Option<&SupervisorStatus>) {
    object.observation.replace(Some(Observation {
        at,
        container,
        told: status.map(Told::from),
    }));
}

/// One step of the change that is under way. Whether another look is to follow soon.
pub async fn step(object: &Sandbox) -> Result<bool> {
    let Some(kept) = Changes::of(object)?.under_way()? else {
        return Ok(false);
    };
    let owner = owner_of_start(object, &kept).await?;
    // What happened meanwhile, such as a cancel, is in the store.
    let Some(mut kept) = Changes::of(object)?.under_way()? else {
        return Ok(false);
    };
    let now = entropy::now();
    let before = kept.change.clone();
    let mut observation = object.observation.borrow().clone();
    if let Some(told) = observation.as_mut().and_then(|seen| seen.told.as_mut()) {
        upkeep::complete(object, &before, told).await?;
    }
    let mut seen = Seen::of(&ownership::view(object)?, observation);
    seen.restored = restored(object, seen.generation)?;
    seen.owner = owner;
    let step = kept.change.step(&seen, now);
    let event = match step {
        Step::Nothing | Step::Wait { .. } => None,
        Step::RestartAgent { .. } | Step::Save { .. } | Step::Upkeep { .. } => None,
        Step::Need if !ownership::may_run(object)? => None,
        Step::Need => Some(Event::Needed {
            owner: kept.owner,
            tier: kept.tier,
        }),
        Step::Stop(before) => Some(Event::StopWanted(before)),
        Step::Kill => Some(Event::KillWanted),
    };
    // All or nothing: a step that was noted and not made would be waited for.
    let actions = transaction::atomically(&object.state, || {
        if kept.change != before {
            calls::save(object, &kept, &notes::system())?;
        }
        event.map(|event| drive::step(object, event)).transpose()
    })?;
    #[cfg(feature = "induced-panic")]
    evicted(object, &step).await?;
    match step {
        Step::Nothing => Ok(false),
        Step::Wait { until } => Ok(until <= now),
        Step::RestartAgent { attempt } | Step::Save { attempt } | Step::Upkeep { attempt } => {
            ask(object, &kept, attempt).await?;
            Ok(true)
        }
        Step::Need | Step::Stop(_) | Step::Kill => {
            if let Some(actions) = actions {
                observe::perform(object, &actions).await?;
            }
            Ok(true)
        }
    }
}

/// How the owner stands to the start that a change is about to make, if it is.
async fn owner_of_start(object: &Sandbox, kept: &Kept) -> Result<OwnerStanding> {
    let seen = Seen::of(&ownership::view(object)?, object.observation.borrow().clone());
    if !kept.change.starts(&seen, entropy::now()) {
        return Ok(OwnerStanding::LetIn);
    }
    shut_out::standing_for_start(object, kept.owner).await
}

/// What this generation began with, once its disk held that.
fn restored(object: &Sandbox, generation: u64) -> Result<Option<SnapshotId>> {
    let branch = Snapshots::of(object)?.keeping()?.branch;
    let held = branch.filter(|branch| branch.generation == generation && branch.restored_at.is_some());
    Ok(held.and_then(|branch| branch.restore))
}

async fn ask(object: &Sandbox, asked: &Kept, attempt: u32) -> Result<()> {
    let reply = match &asked.change.wanted {
        Wanted::Save | Wanted::Upkeep { .. } => upkeep::ask(object, asked.owner, &asked.change).await,
        _ => restart_agent(object, asked).await,
    };
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => {
            log::error(
                "supervisor_not_asked",
                json!({"jobId": asked.job(), "error": error.to_string()}),
            );
            Reply::Unreachable
        }
    };
    if reply == Reply::NotNow {
        // Perhaps it has forgotten how its repository is reached: that is told with the next look.
        object.access_told_at.set(None);
    }
    // What happened during the call, such as a cancel, is in the store.
    let changes = Changes::of(object)?;
    let Some(mut kept) = changes.get(&asked.change.id)? else {
        return Ok(());
    };
    let before = kept.change.clone();
    kept.change.replied(attempt, reply, entropy::now());
    if kept.change != before {
        calls::save(object, &kept, &notes::system())?;
    }
    Ok(())
}

async fn restart_agent(object: &Sandbox, asked: &Kept) -> Result<Reply> {
    providers::hand::before_restart(object).await?;
    let container = object.container()?;
    let supervisor = Supervisor {
        token: object.store()?.control_token()?,
        container: &container,
    };
    supervisor.restart_agent(asked.change.id.as_str()).await
}

/// Ends the object between what is stored and what is done, where a test asks for it.
#[cfg(feature = "induced-panic")]
async fn evicted(object: &Sandbox, step: &Step) -> Result<()> {
    use molt_platform::{induced, object as runtime};
    let word = match step {
        Step::Need => "need",
        Step::Stop(_) => "stop",
        Step::Kill => "kill",
        Step::RestartAgent { .. } => "restart-agent",
        Step::Save { .. } => "save",
        Step::Upkeep { .. } => "upkeep",
        Step::Wait { .. } | Step::Nothing => "wait",
    };
    // The one sandbox that is meant, so that tests may run beside each other.
    let sandbox = object.state.id().name().unwrap_or_default();
    if induced::fault(&object.env, &format!("change-evicted-{word}-{sandbox}")).await {
        object.state.storage().sync().await?;
        return runtime::abort(&object.state, "induced").await;
    }
    Ok(())
}

/// When the alarm is wanted for changes next. Forgets what is too old.
pub fn next_alarm(object: &Sandbox, now: Millis) -> Result<Option<Millis>> {
    let changes = Changes::of(object)?;
    let forget = changes.forget(now)?;
    let look = changes.under_way()?.map(|_| now.plus(LOOK_MS));
    Ok([look, forget].into_iter().flatten().min())
}

/// Does the work of an alarm step, and tells D1 of changes meanwhile and afterwards. What could not be told brings another alarm.
pub async fn telling(object: &Sandbox, work: impl Future<Output = Result<()>>) -> Result<()> {
    object.store()?;
    let (outcome, untold) = announcing::beside(&object.state, &object.env, work).await;
    let uncopied = tier_copy::deliver(object).await;
    if let Some(at) = [untold, uncopied].into_iter().flatten().min() {
        alarm::within(object, at.since(entropy::now())).await?;
    }
    outcome
}
