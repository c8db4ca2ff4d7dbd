//! One job, brought on call by call until it has ended or the step is over.

use super::Step;
use super::answer::{Told, tell};
use super::ask::{Answer, Question, ask};
use crate::exec_result_store_do::ExecResultStore;
use crate::exec_store::queue;
use crate::exec_store::sighting::{Asking, WAKE_PACE_MS, Wanted};
use crate::exec_store::store::jobs::Active;
use crate::exec_store::watch::{Driving, moved};
use futures_util::future::{Either, select};
use molt_common::api::exec::JobState;
use molt_common::control::WaitFor;
use molt_common::id::{ExecId, SandboxId};
use molt_common::sandbox_call::{ExecAnswer, Followed};
use molt_common::time::Millis;
use molt_lifecycle::exec::{ExecJob, Next, Turn};
use molt_platform::{call, entropy, log, transaction};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Result};

/// A read that nobody watches waits so long for an end, and brings what was written meanwhile.
const UNWATCHED_WAIT_MS: u64 = 1_000;
/// A read that somebody watches waits so long for output.
const WATCHED_WAIT_MS: u64 = 4_000;
/// Shortest time from one read that somebody watches to the next, and the same when more is there already.
const WATCHED_PACE_MS: (u64, u64) = (100, 10);
/// The same for reads that nobody watches: the sandbox keeps what matters, and the end fetches it.
const UNWATCHED_PACE_MS: (u64, u64) = (1_000, 200);
/// The same while a command writes faster than it is read. Most of what a read brings is dropped again then, and whoever watches cannot read it.
const FLOOD_PACE_MS: u64 = 1_000;
/// A call may take so much longer than it was asked to wait.
const CALL_MS: u64 = 4_500;

/// When to go on.
enum Then {
    /// Never: it has ended.
    Ended,
    /// After so many milliseconds.
    After(u64),
}

/// Brings one job on.
pub async fn bring_on(object: &ExecResultStore, driving: &Driving, id: &ExecId, step: Step) {
    while entropy::now() < step.asks_until {
        let pause = match turn(object, driving, id, step).await {
            Ok(Then::Ended) => return,
            Ok(Then::After(pause)) => pause,
            Err(error) => {
                log::error("exec_not_advanced", json!({"execId": id, "error": error.to_string()}));
                1_000
            }
        };
        let left = step.asks_until.since(entropy::now());
        if pause > 0 {
            let pause = pin!(Delay::from(Duration::from_millis(pause.min(left))));
            let _ = select(pause, pin!(driving.interruption())).await;
        }
    }
}

/// One call and what it changes.
async fn turn(object: &ExecResultStore, driving: &Driving, id: &ExecId, step: Step) -> Result<Then> {
    let store = object.store()?;
    let Some(mut active) = store.active(id)? else {
        return Ok(Then::Ended);
    };
    let asked_at = entropy::now();
    let stored = active.job.clone();
    let mut turn = active.job.turn(&active.start, asked_at);
    let mut asking = None;
    if turn.next == Next::Wake {
        match object.sighting.wanted(asked_at) {
            Wanted::Take(answer) => {
                match *answer {
                    Ok(view) => active.job.sandbox(&view, asked_at),
                    Err(why) => active.job.unreachable(&why, asked_at),
                }
                turn = active.job.turn(&active.start, asked_at);
            }
            Wanted::Wait(seen) => {
                moved(|| object.sighting.answers(), seen, step.asks_until).await;
                return Ok(Then::After(0));
            }
            Wanted::Ask(right) => asking = Some(right),
        }
    }
    // Before the call: whoever goes on after an eviction must know that it may have been made.
    if active.job != stored {
        keep(object, id, &active, &Told::default())?;
    }
    if active.job.state.is_terminal() {
        return Ok(Then::Ended);
    }
    if turn.next == Next::Wake && asking.is_none() {
        return pause(&active.job, &Told::default(), false, false, None).map(Then::After);
    }
    // A long standard input is not held while the call waits.
    let Active {
        user_id,
        tier,
        start,
        fetched,
        ..
    } = active;
    let watched = object.watches.watched(id);
    let (wait_for, wait_ms) = if watched {
        (WaitFor::Output, WATCHED_WAIT_MS)
    } else {
        (WaitFor::End, UNWATCHED_WAIT_MS)
    };
    let wait_ms = wait_ms.min(step.asks_until.since(asked_at));
    let question = Question {
        next: turn.next,
        user: user_id,
        tier,
        exec_id: id.to_string(),
        start: matches!(turn.next, Next::Start(_)).then_some(start),
        after: fetched,
        wait_for,
        wait_ms,
        // All calls of a step are over before the step is.
        limit_ms: wait_ms
            .saturating_add(CALL_MS)
            .min(step.ends_at.since(asked_at).saturating_sub(200)),
    };
    let sandbox = call::sandbox(&object.env, &SandboxId::personal(user_id))?;
    let waits = matches!(turn.next, Next::Read(_));
    let answered = pin!(ask(&sandbox, question));
    let asked = if waits {
        match select(answered, pin!(driving.interruption())).await {
            Either::Left((asked, _)) => asked,
            // Another call is the next one now.
            Either::Right(_) => return Ok(Then::After(0)),
        }
    } else {
        answered.await
    };
    note(object, &turn, asking, asked_at, &asked);
    // What happened meanwhile (a cancel) is in the store, not in what was read before.
    let Some(mut active) = store.active(id)? else {
        return Ok(Then::Ended);
    };
    let now = entropy::now();
    let before = (active.job.clone(), active.ending.clone());
    let told = tell(&mut active, &turn, asked, now);
    if active.job.state.is_terminal() {
        active.ending = None;
    }
    if (&active.job, &active.ending) != (&before.0, &before.1) || told.written.is_some() {
        keep(object, id, &active, &told)?;
    }
    if active.job.state.is_terminal() {
        return Ok(Then::Ended);
    }
    let ending = active.ending.is_some();
    pause(&active.job, &told, watched, ending, waits.then_some(asked_at)).map(Then::After)
}

/// What an answer says of the sandbox, for the other jobs.
fn note(object: &ExecResultStore, turn: &Turn, asking: Option<Asking>, asked_at: Millis, asked: &Result<Answer>) {
    let generation = match turn.next {
        Next::Start(generation) | Next::Read(generation) | Next::Cancel(generation) => Some(generation),
        Next::Wake | Next::Nothing => None,
    };
    match (asked, asking, generation) {
        (Ok(Answer::Sandbox(view)), Some(asking), _) => asking.answered(Ok((**view).clone()), entropy::now()),
        (Err(error), Some(asking), _) => asking.answered(Err(error.to_string()), entropy::now()),
        (
            Ok(Answer::Exec(Followed {
                answer: ExecAnswer::Report { .. },
                ..
            })),
            _,
            Some(generation),
        ) => object.sighting.runs(generation, asked_at),
        (_, _, Some(generation)) => object.sighting.doubt(generation),
        _ => {}
    }
}

/// Stores where a job stands and what was fetched of its output, all or nothing.
fn keep(object: &ExecResultStore, id: &ExecId, active: &Active, told: &Told) -> Result<()> {
    let store = object.store()?;
    transaction::atomically(&object.state, || {
        store.append(id, &told.new_output(active))?;
        store.update(id, &active.job, active.ending.as_ref())?;
        queue::ended(&object.state, active.user_id, id, &active.job)
    })?;
    object.watches.changed(id);
    Ok(())
}

/// Milliseconds until the next call; `read_at` is when a read was asked for, if it was one.
fn pause(job: &ExecJob, told: &Told, watched: bool, ending: bool, read_at: Option<Millis>) -> Result<u64> {
    if !told.settled {
        let failed = job.pause(u32::from_le_bytes(entropy::bytes()?));
        return Ok(if job.state == JobState::Waking {
            failed.max(WAKE_PACE_MS)
        } else {
            failed
        });
    }
    // After its end the rest of what it wrote is fetched as fast as it comes.
    let Some(read_at) = read_at.filter(|_| !ending) else {
        return Ok(0);
    };
    let (pace, pace_of_more) = if watched { WATCHED_PACE_MS } else { UNWATCHED_PACE_MS };
    let least = match (told.flooding, told.more) {
        (true, _) => FLOOD_PACE_MS,
        (false, true) => pace_of_more,
        (false, false) => pace,
    };
    Ok(least.saturating_sub(entropy::now().since(read_at)))
}
