//! The `ExecResultStore` Durable Object: accepts, drives and keeps the commands of one sandbox.

use crate::exec_store::calls::{Cancel, Get, Submit, Submitted};
use crate::exec_store::{drive, store::Store};
use molt_common::audit::{Chain, Change};
use molt_common::audit_call::VerifyChain;
use molt_common::id::ExecId;
use molt_common::object_call::Call;
use molt_lifecycle::exec::ExecJob;
use molt_platform::audit_log::AuditLog;
use molt_platform::unwound::unwound;
use molt_platform::{call, entropy, log, transaction};
use serde_json::{Value, json};
use std::cell::Cell;
use std::panic::RefUnwindSafe;
use worker::{DurableObject, Env, Error, Request, Response, Result, State};
use worker_macros::durable_object;

/// Commands of one sandbox that may be under way at once.
const MOST_ACTIVE: usize = 64;

/// Results of one sandbox. Everything is in SQLite; memory holds nothing.
#[durable_object]
pub struct ExecResultStore {
    pub(crate) state: State,
    pub(crate) env: Env,
    tables_exist: Cell<bool>,
}

// Nothing in memory can be left half changed by a panic.
impl RefUnwindSafe for ExecResultStore {}

impl DurableObject for ExecResultStore {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            tables_exist: Cell::new(false),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        unwound(self.answer(request)).await?
    }

    async fn alarm(&self) -> Result<Response> {
        let driven = unwound(drive::run(self)).await;
        if let Err(error) = driven.unwrap_or_else(|panicked| Err(panicked.into())) {
            // The runtime would repeat a failed alarm with growing pauses; ours has its own pace.
            log::error(
                "exec_alarm_failed",
                json!({"store": self.state.id().name(), "error": error.to_string()}),
            );
            self.state.storage().set_alarm(1_000_i64).await?;
        }
        Response::empty()
    }
}

impl ExecResultStore {
    async fn answer(&self, mut request: Request) -> Result<Response> {
        match request.path().as_str() {
            Submit::PATH => {
                let submit = call::read(&mut request).await?;
                call::answer::<Submit>(&self.submit(&submit).await?)
            }
            Get::PATH => {
                let get: Get = call::read(&mut request).await?;
                call::answer::<Get>(&self.store()?.get(&get.exec_id)?)
            }
            Cancel::PATH => {
                let cancel: Cancel = call::read(&mut request).await?;
                call::answer::<Cancel>(&self.cancel(&cancel).await?)
            }
            VerifyChain::PATH => {
                let verify: VerifyChain = call::read(&mut request).await?;
                // The tables exist then.
                self.store()?;
                let report = AuditLog::of(&self.state, verify.chain).verify(&verify)?;
                call::answer::<VerifyChain>(&report)
            }
            _ => Response::error("no such call", 404),
        }
    }

    /// Its tables.
    pub(crate) fn store(&self) -> Result<Store> {
        if !self.tables_exist.get() {
            Store::create(&self.state)?;
            self.tables_exist.set(true);
        }
        Ok(Store::of(&self.state))
    }

    async fn submit(&self, submit: &Submit) -> Result<Submitted> {
        #[cfg(feature = "induced-panic")]
        molt_platform::induced::asked(submit.start.env.get("INDUCED_PANIC").map(String::as_str), "exec-store");
        let store = self.store()?;
        if let Some(idempotency) = &submit.idempotency
            && let Some((exec_id, fingerprint)) = store.by_key(&idempotency.key)?
        {
            if fingerprint != idempotency.fingerprint {
                return Ok(Submitted::OtherBody);
            }
            let row = store
                .get(&exec_id)?
                .ok_or_else(|| Error::RustError("an exec vanished".into()))?;
            return Ok(Submitted::Accepted { row: Box::new(row) });
        }
        let active = store.active_ids()?.len();
        if active >= MOST_ACTIVE {
            return Ok(Submitted::Full {
                active: u32::try_from(active).unwrap_or(u32::MAX),
            });
        }
        let job = ExecJob::new(entropy::now());
        let key = submit
            .idempotency
            .as_ref()
            .map(|idempotency| (idempotency.key.as_str(), idempotency.fingerprint.as_str()));
        transaction::atomically(&self.state, || {
            store.insert(submit.user_id, submit.tier, &submit.shown, &submit.start, &job, key)?;
            AuditLog::of(&self.state, Chain::Exec(submit.user_id)).append(&Change {
                at: entropy::now(),
                author: &submit.author,
                action: "exec.submitted",
                target: &submit.start.exec_id,
                detail: &submitted(submit),
            })
        })?;
        self.state.storage().set_alarm(0_i64).await?;
        let id = ExecId::parse(&submit.start.exec_id).map_err(|error| Error::RustError(error.to_string()))?;
        let row = store
            .get(&id)?
            .ok_or_else(|| Error::RustError("an exec vanished".into()))?;
        Ok(Submitted::Accepted { row: Box::new(row) })
    }

    async fn cancel(&self, cancel: &Cancel) -> Result<Option<crate::exec_store::Row>> {
        let (store, id) = (self.store()?, &cancel.exec_id);
        if let Some(mut active) = store.active(id)? {
            let before = active.job.clone();
            active.job.cancel(entropy::now());
            if active.job == before {
                return store.get(id);
            }
            transaction::atomically(&self.state, || {
                store.update(id, &active.job, None)?;
                AuditLog::of(&self.state, Chain::Exec(active.user_id)).append(&Change {
                    at: entropy::now(),
                    author: &cancel.author,
                    action: "exec.cancelled",
                    target: id.as_str(),
                    detail: &json!({}),
                })
            })?;
            self.state.storage().set_alarm(0_i64).await?;
        }
        store.get(id)
    }
}

/// What the audit trail keeps of a command: its text, cleaned there; of what may hold secrets, only how much there was.
fn submitted(submit: &Submit) -> Value {
    let start = &submit.start;
    json!({
        "command": submit.shown,
        "variables": start.env.keys().collect::<Vec<_>>(),
        "stdinBytes": start.stdin.as_ref().map_or(0, String::len),
        "timeoutMs": start.timeout_ms,
    })
}
