//! The alarm of a removal: takes steps, and stores each before the next.

use super::places;
use super::store::{Asked, Store};
use crate::bulk_job::notes;
use crate::job_index::outbox::Outbox;
use crate::job_index::{KEPT_MS, announcing};
use crate::user_removal_do::UserRemoval;
use futures_util::future::{Either, join, select};
use molt_common::api::removal::Place;
use molt_common::time::Millis;
use molt_lifecycle::removal::{Removal, Step, Told};
use molt_platform::{entropy, log, transaction};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Result};

/// An alarm ends after about this long and is continued by the next, so that none is cut.
const STEP_MS: u64 = 6_500;
/// No step takes longer: the next one finds what it did.
const LONGEST_STEP: Duration = Duration::from_secs(20);
/// The control plane is waited for as long beside the work.
const NOTING: Duration = Duration::from_secs(4);

/// One alarm.
pub async fn run(object: &UserRemoval) -> Result<()> {
    let Some(store) = Store::existing(&object.state)? else {
        return Ok(());
    };
    let work = join(drive(object, &store), notes::deliver(&object.env, store.sql(), NOTING));
    let ((driven, noted), announced) = announcing::beside(&object.state, &object.env, work).await;
    let next = driven?;
    let now = entropy::now();
    let ended = store.load()?.and_then(|(_, removal)| removal.completed_at);
    let forget_at = ended.map(|ended| ended.plus(KEPT_MS));
    let told = noted.is_none() && announced.is_none() && Outbox::of(store.sql()).is_empty()?;
    if told && forget_at.is_some_and(|at| now >= at) {
        object.state.storage().delete_alarm().await?;
        return object.state.storage().delete_all().await;
    }
    if let Some(at) = [next, noted, announced, forget_at].into_iter().flatten().min() {
        let wait = i64::try_from(at.since(now)).unwrap_or(i64::MAX);
        object.state.storage().set_alarm(wait).await?;
    }
    Ok(())
}

/// Takes steps for as long as an alarm may last. Answers when there is more to do; nothing for a removal that is over.
async fn drive(object: &UserRemoval, store: &Store) -> Result<Option<Millis>> {
    let until = entropy::now().plus(STEP_MS);
    loop {
        let Some((mut asked, mut removal)) = store.load()? else {
            return Ok(None);
        };
        let now = entropy::now();
        let step = removal.next(now);
        match step {
            Step::Over => return Ok(None),
            Step::Wait(at) => return Ok(Some(at)),
            _ if now >= until => return Ok(Some(now)),
            _ => {}
        }
        let told = attempt(object, &asked, &removal, step).await;
        let before = removal.clone();
        // The change that was asked for has ended: the next attempt is another one.
        if matches!(
            (step, &told),
            (Step::Empty(Place::Sandbox), Told::Failed { .. } | Told::Done { .. })
        ) {
            asked.destroyed_in_vain = asked.destroyed_in_vain.saturating_add(1);
        }
        removal.told(step, told, entropy::now());
        if removal.state.is_terminal() {
            log::info(
                "removal_ended",
                json!({"jobId": asked.job_id, "state": removal.state, "places": removal.places}),
            );
            if removal.error.is_none() {
                asked.email = None;
            }
        }
        transaction::atomically(&object.state, || store.save(&asked, Some(&before), &removal))?;
    }
}

/// Takes a step, bounded in time. Whatever fails is told as that.
async fn attempt(object: &UserRemoval, asked: &Asked, removal: &Removal, step: Step) -> Told {
    let taken = pin!(places::take(&object.env, asked, removal, step));
    let why = match select(taken, pin!(Delay::from(LONGEST_STEP))).await {
        Either::Left((Ok(told), _)) => return told,
        Either::Left((Err(error), _)) => {
            log::error(
                "removal_step_failed",
                json!({"jobId": asked.job_id, "step": format!("{step:?}"), "error": error.to_string()}),
            );
            "could not be reached"
        }
        Either::Right(_) => "did not answer in time",
    };
    Told::Failed {
        why: format!("{} {why}", named(step)),
    }
}

fn named(step: Step) -> &'static str {
    match step {
        Step::Empty(place) | Step::Count(place) => place.word(),
        Step::Finish | Step::Wait(_) | Step::Over => "the control plane",
    }
}
