//! The alarm of a bulk job: makes the calls that the job asks for, side by side, and stores each answer.

use super::store::{Asked, Store};
use super::{child, notes};
use crate::bulk_job_do::BulkJob;
use crate::job_index::KEPT_MS;
use crate::job_index::announcing;
use crate::job_index::outbox::Outbox;
use futures_util::future::{Either, LocalBoxFuture, join, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use molt_common::time::Millis;
use molt_lifecycle::bulk::{BulkJob as Job, CALL_LEASE_MS, ChildAnswer, Step};
use molt_platform::{entropy, log};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Result};

/// An alarm step ends after about this long and is continued by the next, so that no step is cut.
const STEP_MS: u64 = 6_500;
/// What has no answer so long after that is slow, and its answer would be lost with the step: the step goes on, and with it the others' work.
const SLOW_MS: u64 = 1_000;
/// Nothing is begun any more after so long. What is under way then has its whole lease, and far less than the quarter of an hour that an alarm may take.
const ASKING_MS: u64 = 30_000;
/// The control plane is waited for as long beside the work, and at the end.
const NOTING: Duration = Duration::from_secs(4);
const LAST_NOTING: Duration = Duration::from_millis(1_500);
/// What others changed meanwhile (a cancel) is looked for this often.
const LOOK_MS: u64 = 250;

/// One alarm step.
pub async fn run(object: &BulkJob) -> Result<()> {
    let Some(store) = Store::existing(&object.state)? else {
        return Ok(());
    };
    let asked = store.asked()?;
    let work = join(
        drive(object, &store, &asked),
        notes::deliver(&object.env, store.sql(), NOTING),
    );
    let ((driven, noted), announced) = announcing::beside(&object.state, &object.env, work).await;
    let next = driven?;
    // What was noted meanwhile, such as a cancel.
    let noted = match noted {
        None => notes::deliver(&object.env, store.sql(), LAST_NOTING).await,
        again => again,
    };
    let now = entropy::now();
    let job = store.job()?;
    // A cancel that came after the last look must not wait for what is due next.
    let next = if job.cancel_wanted && !job.state.is_terminal() {
        Some(now)
    } else {
        next
    };
    let forget_at = job.completed_at.map(|ended| ended.plus(KEPT_MS));
    let told = noted.is_none() && announced.is_none() && Outbox::of(store.sql()).is_empty()?;
    if told && forget_at.is_some_and(|at| now >= at) {
        return forget(object).await;
    }
    let at = [next, noted, announced, forget_at].into_iter().flatten().min();
    if let Some(at) = at {
        let wait = i64::try_from(at.since(now)).unwrap_or(i64::MAX);
        object.state.storage().set_alarm(wait).await?;
    }
    Ok(())
}

/// The results lie in the users' stores, for as long as those keep them; of the job itself nothing remains.
async fn forget(object: &BulkJob) -> Result<()> {
    object.state.storage().delete_alarm().await?;
    object.state.storage().delete_all().await
}

/// Brings the job on for as long as a step may last. Answers when there is more to do; nothing for a job that has ended.
async fn drive(object: &BulkJob, store: &Store, asked: &Asked) -> Result<Option<Millis>> {
    let began = entropy::now();
    let until = began.plus(STEP_MS);
    let (goes_on, asks_until) = (until.plus(SLOW_MS), began.plus(ASKING_MS));
    let ends_at = asks_until.plus(CALL_LEASE_MS);
    let mut under_way: FuturesUnordered<LocalBoxFuture<'_, (Step, Option<ChildAnswer>)>> = FuturesUnordered::new();
    // Whoever waited for the calls of the step before is gone.
    let mut job = store.job()?;
    let before = job.clone();
    job.resumed(began);
    store.save(asked, &before, &job)?;
    tell_end(asked, &before, &job);
    loop {
        let now = entropy::now();
        let mut job = store.job()?;
        if job.state.is_terminal() {
            return Ok(None);
        }
        let before = job.clone();
        let mut due = now.plus(LOOK_MS);
        // What is not begun here is begun by the next step, which follows at once.
        if now < until || (now >= goes_on && now < asks_until) {
            let canceller = store.canceller()?;
            for step in job.next(now) {
                match step {
                    Step::Wait { until } => due = until,
                    step => {
                        let canceller = canceller.clone();
                        under_way.push(Box::pin(async move {
                            let answer = child::perform(&object.env, asked, canceller.as_ref(), &step).await;
                            (step, answer)
                        }));
                    }
                }
            }
            // Before the first of them is made: futures do nothing until they are polled.
            store.save(asked, &before, &job)?;
            tell_end(asked, &before, &job);
        }
        if job.state.is_terminal() {
            return Ok(None);
        }
        if now >= ends_at || (under_way.is_empty() && (now >= until || due >= until)) {
            return Ok(Some(due));
        }
        let pause = Duration::from_millis(due.since(now).clamp(1, LOOK_MS));
        let tick = pin!(Delay::from(pause));
        if under_way.is_empty() {
            tick.await;
        } else if let Either::Left((Some((step, Some(answer))), _)) = select(under_way.next(), tick).await {
            answered(store, asked, &step, answer)?;
        }
    }
}

fn answered(store: &Store, asked: &Asked, step: &Step, answer: ChildAnswer) -> Result<()> {
    // What happened meanwhile is in the store, not in what was read before.
    let mut job = store.job()?;
    let before = job.clone();
    let jitter = u32::from_le_bytes(entropy::bytes()?);
    job.answered(step, answer, jitter, entropy::now());
    store.save(asked, &before, &job)?;
    tell_end(asked, &before, &job);
    Ok(())
}

fn tell_end(asked: &Asked, before: &Job, job: &Job) {
    if job.state.is_terminal() && !before.state.is_terminal() {
        log::info(
            "bulk_ended",
            json!({"jobId": asked.job_id, "state": job.state, "progress": job.progress()}),
        );
    }
}
