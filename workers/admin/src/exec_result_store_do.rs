//! The `ExecResultStore` Durable Object: accepts, drives and keeps the commands of one sandbox.

use crate::exec_store::calls::{Cancel, Get, ReadJob, Stats, Submit};
use crate::exec_store::read_calls::{AwaitEnd, Erase, FollowOutput, ListExecs, ReadOutput};
use crate::exec_store::sighting::Sighting;
use crate::exec_store::watch::Watches;
use crate::exec_store::{announce, drive, recovery, store::Store};
use molt_common::audit_call::VerifyChain;
use molt_common::object_call::Call;
use molt_common::recovery::call::{ExportState, RestoreState};
use molt_platform::audit_log::AuditLog;
use molt_platform::unwound::unwound;
use molt_platform::{call, log, sql, transaction};
use serde_json::json;
use std::cell::Cell;
use std::panic::RefUnwindSafe;
use worker::{DurableObject, Env, Request, Response, Result, State};
use worker_macros::durable_object;

/// Results of one sandbox. What must last is in SQLite; memory holds who watches, how the
/// sandbox stood a moment ago, and whether a step is being taken.
#[durable_object]
pub struct ExecResultStore {
    pub(crate) state: State,
    pub(crate) env: Env,
    pub(crate) watches: Watches,
    pub(crate) sighting: Sighting,
    pub(crate) stepping: Cell<bool>,
    tables_exist: Cell<bool>,
}

// Nothing in memory can be left half changed by a panic: numbers change between two that cannot, and guards take back what they set.
impl RefUnwindSafe for ExecResultStore {}

impl DurableObject for ExecResultStore {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            watches: Watches::default(),
            sighting: Sighting::default(),
            stepping: Cell::new(false),
            tables_exist: Cell::new(false),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        unwound(self.answer(request)).await?
    }

    async fn alarm(&self) -> Result<Response> {
        let driven = unwound(drive::step(self)).await;
        if let Err(error) = driven.unwrap_or_else(|panicked| Err(panicked.into())) {
            // The runtime would repeat a failed alarm with growing pauses, and not for ever; ours has its own pace.
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
        self.arm().await?;
        match request.path().as_str() {
            Submit::PATH => {
                let submit = call::read(&mut request).await?;
                call::answer::<Submit>(&self.submit(&submit).await?)
            }
            Get::PATH => {
                let get: Get = call::read(&mut request).await?;
                call::answer::<Get>(&self.store()?.get(&get.exec_id)?)
            }
            ReadJob::PATH => {
                let read: ReadJob = call::read(&mut request).await?;
                // The tables exist then.
                self.store()?;
                call::answer::<ReadJob>(&announce::read(&self.state.storage().sql(), &read.exec_id)?)
            }
            Cancel::PATH => {
                let cancel: Cancel = call::read(&mut request).await?;
                call::answer::<Cancel>(&self.cancel(&cancel).await?)
            }
            Stats::PATH => call::answer::<Stats>(&self.store()?.stats()?),
            ListExecs::PATH => {
                let asked: ListExecs = call::read(&mut request).await?;
                call::answer::<ListExecs>(&self.list(&asked.filter)?)
            }
            AwaitEnd::PATH => {
                let asked: AwaitEnd = call::read(&mut request).await?;
                call::answer::<AwaitEnd>(&self.await_end(&asked).await?)
            }
            ReadOutput::PATH => {
                let asked: ReadOutput = call::read(&mut request).await?;
                call::answer::<ReadOutput>(&self.read_output(&asked).await?)
            }
            Erase::PATH => call::answer::<Erase>(&self.erase().await?),
            FollowOutput::PATH => self.follow_output(call::read(&mut request).await?),
            ExportState::PATH => {
                let page = recovery::export(self, call::read(&mut request).await?)?;
                call::answer::<ExportState>(&page)
            }
            RestoreState::PATH => {
                let restored = recovery::restore(self, &call::read(&mut request).await?).await?;
                call::answer::<RestoreState>(&restored)
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

    /// Empties it. A step that is under way finds nothing to store into.
    async fn erase(&self) -> Result<u64> {
        // The tables exist then.
        self.store()?;
        let rows = transaction::atomically(&self.state, || {
            // One row that counts the steps of the alarm belongs to the table.
            sql::erase(&self.state.storage().sql(), &["steps"])
        })?;
        self.state.storage().delete_alarm().await?;
        Ok(rows)
    }

    /// Sets the alarm when there is work and none is set: whatever became of the last one, the next request brings the work on.
    async fn arm(&self) -> Result<()> {
        if self.stepping.get() || self.store()?.load()? == (0, 0) {
            return Ok(());
        }
        // A step that began meanwhile has taken the alarm, and sets the next itself.
        if self.state.storage().get_alarm().await?.is_none() && !self.stepping.get() {
            self.state.storage().set_alarm(0_i64).await?;
        }
        Ok(())
    }
}
