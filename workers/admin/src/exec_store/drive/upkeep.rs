//! What a step does beside the jobs: copies the audit trail to D1.

use crate::exec_result_store_do::ExecResultStore;
use crate::exec_store::store::Store;
use futures_util::future::{Either, select};
use molt_common::audit::Chain;
use molt_platform::audit_log::AuditLog;
use molt_platform::log;
use serde_json::json;
use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Error, Result};

/// A copy that failed is tried again after this long.
pub const PAUSE_MS: u64 = 5_000;
/// A copy that takes longer is given up; what was copied until then is noted.
const LIMIT: Duration = Duration::from_secs(2);

/// Whether D1 lacks what the audit trail has.
pub fn is_due(object: &ExecResultStore, store: &Store) -> Result<bool> {
    match store.user()? {
        Some(user) => AuditLog::of(&object.state, Chain::Exec(user)).is_behind(),
        None => Ok(false),
    }
}

/// The upkeep of one step: tried once, beside the jobs.
#[derive(Default)]
pub struct Upkeep {
    tried: Cell<bool>,
    failed: Cell<bool>,
}

impl Upkeep {
    /// Whether it is due and was not tried in this step; then [`Upkeep::run`] is to follow.
    pub fn begins(&self, object: &ExecResultStore, store: &Store) -> Result<bool> {
        Ok(!self.tried.get() && is_due(object, store)? && !self.tried.replace(true))
    }

    /// Copies what D1 lacks. One that is given up half way has failed.
    pub async fn run(&self, object: &ExecResultStore) {
        self.failed.set(true);
        let outcome = match select(pin!(copy(object)), pin!(Delay::from(LIMIT))).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(Error::RustError("took too long".into())),
        };
        match outcome {
            Ok(()) => self.failed.set(false),
            Err(error) => log::error("audit_not_copied", json!({"error": error.to_string()})),
        }
    }

    /// Whether it was tried in vain.
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }
}

async fn copy(object: &ExecResultStore) -> Result<()> {
    let Some(user) = object.store()?.user()? else {
        return Ok(());
    };
    let log = AuditLog::of(&object.state, Chain::Exec(user));
    log.copy(&object.env.d1("PLATFORM_DB")?).await
}
