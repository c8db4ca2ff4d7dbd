//! The store's alarm: brings every job on that has not ended, all at once, until each has.

use super::store::{Active, Store};
use crate::exec_result_store_do::ExecResultStore;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use molt_common::audit::Chain;
use molt_common::id::{ExecId, SandboxId};
use molt_common::sandbox_call::{CancelExec, ExecAnswer, ReadExec, StartExec, Wake};
use molt_common::time::Millis;
use molt_lifecycle::exec::Next;
use molt_platform::audit_log::AuditLog;
use molt_platform::{call, entropy, log};
use serde_json::json;
use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Env, Error, Result, State, Stub};

/// An alarm step ends after about this long and is continued by the next, so that no step is cut.
const STEP_MS: u64 = 8_000;
/// New jobs are looked for this often while others run.
const LOOK: Duration = Duration::from_millis(100);
/// A job whose sandbox is not there yet asks again after this long.
const PAUSE: Duration = Duration::from_millis(250);
/// One read waits this long for an end.
const WAIT_MS: u64 = 4_000;
/// A copy of the audit trail that failed is tried again after this long.
const COPY_PAUSE_MS: u64 = 5_000;

/// One alarm step.
pub async fn run(object: &ExecResultStore) -> Result<()> {
    let store = object.store()?;
    let until = entropy::now().plus(STEP_MS);
    let mut under_way: FuturesUnordered<LocalBoxFuture<'_, ExecId>> = FuturesUnordered::new();
    let mut ids: HashSet<String> = HashSet::new();
    while entropy::now() < until {
        for id in store.active_ids()? {
            if ids.insert(id.to_string()) {
                under_way.push(Box::pin(advance(&object.state, &object.env, id)));
            }
        }
        if under_way.is_empty() {
            break;
        }
        let tick = pin!(Delay::from(LOOK));
        if let Either::Left((Some(id), _)) = select(under_way.next(), tick).await {
            ids.remove(id.as_str());
        }
    }
    // A call that is dropped here is made again by the next step: all of them may be repeated.
    drop(under_way);
    let now = entropy::now();
    store.purge(now)?;
    let next = if store.active_ids()?.is_empty() {
        store.next_expiry()?
    } else {
        Some(now)
    };
    let again = copy_audit(object, &store).await;
    if let Some(at) = [next, again].into_iter().flatten().min() {
        object
            .state
            .storage()
            .set_alarm(i64::try_from(at.since(now)).unwrap_or(i64::MAX))
            .await?;
    }
    Ok(())
}

/// Copies what the audit trail has and D1 has not. Answers when to try again, if it must be.
async fn copy_audit(object: &ExecResultStore, store: &Store) -> Option<Millis> {
    match copy_audit_now(object, store).await {
        Ok(()) => None,
        Err(error) => {
            log::error("audit_not_copied", json!({"error": error.to_string()}));
            Some(entropy::now().plus(COPY_PAUSE_MS))
        }
    }
}

async fn copy_audit_now(object: &ExecResultStore, store: &Store) -> Result<()> {
    let Some(user) = store.user()? else { return Ok(()) };
    let log = AuditLog::of(&object.state, Chain::Exec(user));
    if log.is_behind()? {
        log.copy(&object.env.d1("PLATFORM_DB")?).await?;
    }
    Ok(())
}

/// Brings one job on by one call.
async fn advance(state: &State, env: &Env, id: ExecId) -> ExecId {
    if let Err(error) = attempt(state, env, &id).await {
        log::error("exec_not_advanced", json!({"execId": id, "error": error.to_string()}));
        Delay::from(PAUSE).await;
    }
    id
}

async fn attempt(state: &State, env: &Env, id: &ExecId) -> Result<()> {
    let store = Store::of(state);
    let Some(mut active) = store.active(id)? else {
        return Ok(());
    };
    let sandbox = call::sandbox(env, &SandboxId::personal(active.user_id))?;
    let stored = active.job.clone();
    let turn = active.job.turn(&active.start, entropy::now());
    // Before the call: whoever goes on after an eviction must know that it may have been made.
    if active.job != stored {
        store.update(id, &active.job, None)?;
    }
    let asked = ask(&sandbox, &active, turn.next).await;
    // What happened meanwhile (a cancel) is in the store, not in what was read before.
    let Some(mut active) = store.active(id)? else {
        return Ok(());
    };
    let before = active.job.clone();
    let now = entropy::now();
    let mut report = None;
    // Whether the next call may follow at once.
    let settled = match asked {
        Ok(Answer::Sandbox(view)) => {
            active.job.sandbox(&view, now);
            active.job.next() != Next::Wake
        }
        Ok(Answer::Exec(answer)) => {
            active.job.answered(&turn, &answer, now);
            let settled = !matches!(
                answer,
                ExecAnswer::Unreachable { .. } | ExecAnswer::NotNow { .. } | ExecAnswer::Unknown
            );
            if let ExecAnswer::Report { report: kept } = answer {
                report = Some(kept);
            }
            settled
        }
        Err(error) => {
            active.job.unreachable(&error.to_string(), now);
            false
        }
    };
    if active.job != before || report.is_some() {
        store.update(id, &active.job, report.as_deref())?;
    }
    if active.job.state.is_terminal() {
        log::info(
            "exec_ended",
            json!({"execId": id, "state": active.job.state, "exitCode": active.job.exit_code}),
        );
    } else if !settled {
        let jitter = u32::from_le_bytes(entropy::bytes()?);
        Delay::from(Duration::from_millis(active.job.pause(jitter))).await;
    }
    Ok(())
}

enum Answer {
    Sandbox(Box<molt_common::sandbox_call::SandboxView>),
    Exec(ExecAnswer),
}

async fn ask(sandbox: &Stub, active: &Active, next: Next) -> Result<Answer> {
    let exec_id = active.exec_id.to_string();
    match next {
        Next::Wake => {
            let wake = Wake {
                owner: active.user_id,
                tier: active.tier,
            };
            call::make(sandbox, &wake)
                .await
                .map(|view| Answer::Sandbox(Box::new(view)))
        }
        Next::Start(generation) => call::make(
            sandbox,
            &StartExec {
                generation,
                start: active.start.clone(),
            },
        )
        .await
        .map(Answer::Exec),
        Next::Read(generation) => call::make(
            sandbox,
            &ReadExec {
                generation,
                exec_id,
                wait_ms: WAIT_MS,
            },
        )
        .await
        .map(Answer::Exec),
        // TERM is sent; the end is read by the next turn, not assumed.
        Next::Cancel(generation) => call::make(sandbox, &CancelExec { generation, exec_id })
            .await
            .map(Answer::Exec),
        Next::Nothing => Err(Error::RustError("the job has ended".into())),
    }
}
