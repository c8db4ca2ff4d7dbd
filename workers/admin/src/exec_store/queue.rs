//! Accepting and cancelling commands. Each is one transaction; what must finish is the alarm's work, which is set with it.

use super::Row;
use super::calls::{Cancel, Submit, Submitted};
use super::store::jobs::NewExec;
use crate::exec_result_store_do::ExecResultStore;
use molt_common::audit::{Author, Chain, Change};
use molt_common::id::{ExecId, UserId};
use molt_lifecycle::exec::ExecJob;
use molt_lifecycle::job::{Admission, Limits};
use molt_platform::audit_log::AuditLog;
use molt_platform::{entropy, log, transaction};
use serde_json::{Value, json};
use worker::{Error, Result, State};

impl ExecResultStore {
    /// Accepts a command, once per key.
    pub(crate) async fn submit(&self, submit: &Submit) -> Result<Submitted> {
        #[cfg(feature = "induced-panic")]
        {
            let asked = submit.start.env.get("INDUCED_PANIC").map(String::as_str);
            molt_platform::induced::asked(asked, "exec-store");
            molt_platform::induced::eviction(&self.state, asked, "exec-store").await?;
        }
        let store = self.store()?;
        let id = ExecId::parse(&submit.start.exec_id).map_err(|error| Error::RustError(error.to_string()))?;
        let row = |id: &ExecId| -> Result<Submitted> {
            let row = store.get(id)?;
            let row = row.ok_or_else(|| Error::RustError("an exec vanished".into()))?;
            Ok(Submitted::Accepted { row: Box::new(row) })
        };
        // No await until all is written: of many at once the first writes, and the others read that.
        if let Some(idempotency) = &submit.idempotency
            && let Some((exec_id, fingerprint)) = store.by_key(&idempotency.key)?
        {
            return if fingerprint == idempotency.fingerprint {
                row(&exec_id)
            } else {
                Ok(Submitted::OtherBody)
            };
        }
        if submit.shut_out {
            return Ok(Submitted::ShutOut);
        }
        let (under_way, queued) = store.load()?;
        if let Admission::Full { retry_after_s } = Limits::EXEC.admit(under_way, queued) {
            return Ok(Submitted::Full {
                under_way,
                queued,
                retry_after_s,
            });
        }
        let job = ExecJob::new(entropy::now());
        let key = submit.idempotency.as_ref();
        transaction::atomically(&self.state, || {
            store.insert(&NewExec {
                user: submit.user_id,
                tier: submit.tier,
                shown: &submit.shown,
                start: &submit.start,
                job: &job,
                key: key.map(|key| (key.key.as_str(), key.fingerprint.as_str())),
                parent: submit.parent.as_ref(),
            })?;
            AuditLog::of(&self.state, Chain::Exec(submit.user_id)).append(&Change {
                at: entropy::now(),
                author: &submit.author,
                action: "exec.submitted",
                target: id.as_str(),
                detail: &submitted(submit),
            })
        })?;
        self.watches.submitted();
        let accepted = row(&id);
        // Nothing was awaited since: the alarm is part of the same commit.
        self.state.storage().set_alarm(0_i64).await?;
        accepted
    }

    /// Cancels a command; asking again changes nothing.
    pub(crate) async fn cancel(&self, cancel: &Cancel) -> Result<Option<Row>> {
        let (store, id) = (self.store()?, &cancel.exec_id);
        let Some(mut active) = store.active(id)? else {
            return store.get(id);
        };
        let before = active.job.clone();
        active.job.cancel(entropy::now());
        if active.job != before {
            transaction::atomically(&self.state, || {
                store.update(id, &active.job, active.ending.as_ref())?;
                AuditLog::of(&self.state, Chain::Exec(active.user_id)).append(&Change {
                    at: entropy::now(),
                    author: &cancel.author,
                    action: "exec.cancelled",
                    target: id.as_str(),
                    detail: &json!({}),
                })?;
                ended(&self.state, active.user_id, id, &active.job)
            })?;
            self.watches.changed(id);
            self.watches.interrupt(id);
            self.state.storage().set_alarm(0_i64).await?;
        }
        store.get(id)
    }
}

/// Notes the end of a command, if it is one. Call it in the transaction that stores the end.
pub fn ended(state: &State, user: UserId, id: &ExecId, job: &ExecJob) -> Result<()> {
    if !job.state.is_terminal() {
        return Ok(());
    }
    let detail = json!({"state": job.state, "exitCode": job.exit_code, "signal": job.signal});
    log::info(
        "exec_ended",
        json!({"execId": id, "state": job.state, "exitCode": job.exit_code}),
    );
    AuditLog::of(state, Chain::Exec(user)).append(&Change {
        at: entropy::now(),
        author: &Author {
            actor: "system".into(),
            request_id: String::new(),
        },
        action: "exec.ended",
        target: id.as_str(),
        detail: &detail,
    })
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
