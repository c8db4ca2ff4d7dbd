//! The `RateLimiter` Durable Object: counts what must never be one too many.

use molt_common::limit::{Standing, Take, WindowLog};
use molt_common::object_call::Call;
use molt_common::time::Millis;
use molt_platform::sql::integer;
use molt_platform::unwound::unwound;
use molt_platform::{call, entropy, log};
use serde::Deserialize;
use serde_json::json;
use std::cell::Cell;
use std::panic::RefUnwindSafe;
use worker::{DurableObject, Env, Error, Request, Response, Result, SqlStorageValue, State};
use worker_macros::durable_object;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS counters (key TEXT PRIMARY KEY, log TEXT NOT NULL, ends_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS counters_by_end ON counters (ends_at);
";
/// Counters that have ended are removed at most this often, in milliseconds.
const PURGE_MS: u64 = 60_000;

/// Some of the counters. Everything is in SQLite; memory holds nothing.
#[durable_object]
pub struct RateLimiter {
    state: State,
    tables_exist: Cell<bool>,
    purge_is_due: Cell<bool>,
}

// Nothing in memory can be left half changed by a panic.
impl RefUnwindSafe for RateLimiter {}

#[derive(Deserialize)]
struct Stored {
    log: String,
}

#[derive(Deserialize)]
struct Earliest {
    ends_at: Option<u64>,
}

impl DurableObject for RateLimiter {
    fn new(state: State, _env: Env) -> Self {
        Self {
            state,
            tables_exist: Cell::new(false),
            purge_is_due: Cell::new(false),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        unwound(self.answer(request)).await?
    }

    async fn alarm(&self) -> Result<Response> {
        let purged = unwound(self.purge()).await;
        if let Err(error) = purged.unwrap_or_else(|panicked| Err(panicked.into())) {
            // The runtime would repeat a failed alarm with growing pauses; ours has its own pace.
            log::error("limits_not_purged", json!({"error": error.to_string()}));
            self.purge_at(entropy::now().plus(PURGE_MS)).await?;
        }
        Response::empty()
    }
}

impl RateLimiter {
    async fn answer(&self, mut request: Request) -> Result<Response> {
        if request.path() != Take::PATH {
            return Response::error("no such call", 404);
        }
        let take: Take = call::read(&mut request).await?;
        let standing = self.take(&take, entropy::now())?;
        if standing.admitted && !self.purge_is_due.get() {
            if self.state.storage().get_alarm().await?.is_none() {
                self.purge_at(entropy::now().plus(PURGE_MS)).await?;
            }
            self.purge_is_due.set(true);
        }
        call::answer::<Take>(&standing)
    }

    /// Reads, decides and writes without a pause in which another request could do the same.
    fn take(&self, take: &Take, now: Millis) -> Result<Standing> {
        if !self.tables_exist.get() {
            self.state.storage().sql().exec(SCHEMA, None)?;
            self.tables_exist.set(true);
        }
        let (sql, policy) = (self.state.storage().sql(), take.policy.bounded());
        let key = || SqlStorageValue::from(take.key.as_str());
        let rows: Vec<Stored> = sql
            .exec("SELECT log FROM counters WHERE key = ?", vec![key()])?
            .to_array()?;
        let mut log = match rows.first() {
            Some(stored) => WindowLog::read(&stored.log).ok_or_else(|| Error::RustError("stored log".into()))?,
            None => WindowLog::default(),
        };
        let standing = log.take(policy, now);
        if let (true, Some(ends)) = (standing.admitted, log.ends(policy)) {
            sql.exec(
                "INSERT INTO counters (key, log, ends_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET log = excluded.log, ends_at = excluded.ends_at",
                vec![key(), serde_json::to_string(&log)?.into(), integer(ends.0)],
            )?;
        }
        Ok(standing)
    }

    async fn purge(&self) -> Result<()> {
        let (sql, now) = (self.state.storage().sql(), entropy::now());
        sql.exec("DELETE FROM counters WHERE ends_at <= ?", vec![integer(now.0)])?;
        let earliest: Vec<Earliest> = sql
            .exec("SELECT MIN(ends_at) AS ends_at FROM counters", None)?
            .to_array()?;
        match earliest.first().and_then(|row| row.ends_at) {
            Some(ends) => self.purge_at(Millis(ends).max(now.plus(PURGE_MS))).await,
            None => {
                self.purge_is_due.set(false);
                Ok(())
            }
        }
    }

    async fn purge_at(&self, at: Millis) -> Result<()> {
        let wait = i64::try_from(at.since(entropy::now())).unwrap_or(i64::MAX);
        self.state.storage().set_alarm(wait).await
    }
}
