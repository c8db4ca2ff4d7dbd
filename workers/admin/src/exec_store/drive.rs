//! The store's alarm: brings every job on that has not ended, as many at once as may be under way, until each has.

mod answer;
mod ask;
mod job;
mod upkeep;

use super::store::Store;
use crate::exec_result_store_do::ExecResultStore;
use crate::job_index::announcing;
use futures_util::future::{Either, FutureExt, LocalBoxFuture, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use molt_common::time::Millis;
use molt_lifecycle::job::Limits;
use molt_platform::unwound::unwound;
use molt_platform::{entropy, log};
use serde_json::json;
use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;
use upkeep::Upkeep;
use worker::{Delay, Result};

/// After so long a step asks nothing new and is continued by the next.
const ASKING_MS: u64 = 6_500;
/// No step is longer, whatever happens: calls that hang are given up before.
const STEP_MS: u64 = 8_500;
/// Submissions and interruptions are looked for so often, in memory alone.
const TICK: Duration = Duration::from_millis(10);

/// The times of one step.
#[derive(Clone, Copy)]
struct Step {
    /// Nothing is asked from here on.
    asks_until: Millis,
    /// Everything is given up here.
    ends_at: Millis,
}

/// While it lives, a step is being taken.
struct Stepping<'a>(&'a Cell<bool>);

impl<'a> Stepping<'a> {
    fn begin(flag: &'a Cell<bool>) -> Self {
        flag.set(true);
        Self(flag)
    }
}

impl Drop for Stepping<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// One alarm step.
pub async fn step(object: &ExecResultStore) -> Result<()> {
    let _stepping = Stepping::begin(&object.stepping);
    let store = object.store()?;
    let began = entropy::now();
    let step = Step {
        asks_until: began.plus(ASKING_MS),
        ends_at: began.plus(STEP_MS),
    };
    let upkeep = Upkeep::default();
    let (driven, announce_at) =
        announcing::beside(&object.state, &object.env, drive(object, &store, step, &upkeep)).await;
    driven?;
    finish(object, &store, began, upkeep.has_failed(), announce_at).await
}

/// Brings on what may be under way, until nothing is left to do or the step must end.
async fn drive(object: &ExecResultStore, store: &Store, step: Step, upkeep: &Upkeep) -> Result<()> {
    let mut under_way: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
    let mut looked_at = None;
    while entropy::now() < step.ends_at {
        let submissions = object.watches.submissions();
        if looked_at != Some(submissions) && entropy::now() < step.asks_until {
            looked_at = Some(submissions);
            begin(object, store, step, &under_way)?;
            if upkeep.begins(object, store)? {
                under_way.push(upkeep.run(object).boxed_local());
            }
        }
        if under_way.is_empty() {
            break;
        }
        // An end makes room for the next of those that wait.
        if let Either::Left(_) = select(under_way.next(), pin!(Delay::from(TICK))).await {
            looked_at = None;
        }
        object.watches.wake_interrupted();
    }
    Ok(())
}

/// Begins whatever may be under way and is not.
fn begin<'a>(
    object: &'a ExecResultStore,
    store: &Store,
    step: Step,
    under_way: &FuturesUnordered<LocalBoxFuture<'a, ()>>,
) -> Result<()> {
    let mut ids = store.under_way()?;
    let free = Limits::EXEC.free(u32::try_from(ids.len()).unwrap_or(u32::MAX));
    if free > 0 {
        ids.extend(store.waiting(free)?);
    }
    for id in ids {
        let Some(driving) = object.watches.drive(&id) else {
            continue;
        };
        under_way.push(
            async move {
                // One that cannot be brought on holds up no other.
                if unwound(job::bring_on(object, &driving, &id, step)).await.is_err() {
                    log::error("exec_panicked", json!({"execId": id}));
                    Delay::from(Duration::from_secs(1)).await;
                }
            }
            .boxed_local(),
        );
    }
    Ok(())
}

/// Ends a step: forgets what is to be forgotten and sets the next alarm. From the look at what is left to the alarm nothing is awaited.
async fn finish(
    object: &ExecResultStore,
    store: &Store,
    began: Millis,
    upkeep_failed: bool,
    announce_at: Option<Millis>,
) -> Result<()> {
    let more = store.purge(entropy::now())?;
    let now = entropy::now();
    store.stepped(now.since(began))?;
    let next = if more || store.load()? != (0, 0) {
        Some(now)
    } else if upkeep_failed {
        Some(now.plus(upkeep::PAUSE_MS))
    } else if upkeep::is_due(object, store)? {
        Some(now)
    } else {
        store.next_expiry()?
    };
    if let Some(at) = [next, announce_at].into_iter().flatten().min() {
        object
            .state
            .storage()
            .set_alarm(i64::try_from(at.since(now)).unwrap_or(i64::MAX))
            .await?;
    }
    Ok(())
}
