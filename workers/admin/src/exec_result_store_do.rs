//! The `ExecResultStore` Durable Object: accepts, drives and keeps the commands of one sandbox.

use crate::exec_store::calls::{Cancel, Get, Submit, Submitted};
use crate::exec_store::{drive, store::Store};
use molt_common::id::ExecId;
use molt_common::object_call::Call;
use molt_lifecycle::exec::ExecJob;
use molt_platform::{call, entropy, log};
use serde_json::json;
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
}

// Nothing in memory can be left half changed by a panic.
impl RefUnwindSafe for ExecResultStore {}

impl DurableObject for ExecResultStore {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        match request.path().as_str() {
            Submit::PATH => {
                let submit = call::read(&mut request).await?;
                call::answer::<Submit>(&self.submit(&submit).await?)
            }
            Get::PATH => {
                let get: Get = call::read(&mut request).await?;
                call::answer::<Get>(&Store::open(&self.state)?.get(&get.exec_id)?)
            }
            Cancel::PATH => {
                let cancel: Cancel = call::read(&mut request).await?;
                call::answer::<Cancel>(&self.cancel(&cancel.exec_id).await?)
            }
            _ => Response::error("no such call", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        if let Err(error) = drive::run(self).await {
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
    async fn submit(&self, submit: &Submit) -> Result<Submitted> {
        let store = Store::open(&self.state)?;
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
        store.insert(submit.user_id, submit.tier, &submit.shown, &submit.start, &job, key)?;
        self.state.storage().set_alarm(0_i64).await?;
        let id = ExecId::parse(&submit.start.exec_id).map_err(|error| Error::RustError(error.to_string()))?;
        let row = store
            .get(&id)?
            .ok_or_else(|| Error::RustError("an exec vanished".into()))?;
        Ok(Submitted::Accepted { row: Box::new(row) })
    }

    async fn cancel(&self, id: &ExecId) -> Result<Option<crate::exec_store::Row>> {
        let store = Store::open(&self.state)?;
        if let Some(mut active) = store.active(id)? {
            active.job.cancel(entropy::now());
            store.update(id, &active.job, None)?;
            self.state.storage().set_alarm(0_i64).await?;
        }
        store.get(id)
    }
}
