//! What is still to be told elsewhere. A task is committed with the change that it is about, and performed until it succeeds.

use super::{Store, integer, stored};
use molt_common::api::users::Profile;
use molt_common::control::SessionEnd;
use molt_common::id::UserId;
use molt_common::time::Millis;
use molt_common::trust::SessionRef;
use serde::{Deserialize, Serialize};
use worker::{Result, SqlStorageValue};

/// First pause after a failure; each further one is twice as long.
const FIRST_PAUSE_MS: u64 = 500;
/// Longest pause.
const LONGEST_PAUSE_MS: u64 = 60_000;

/// Something to be told. Performing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "task")]
pub enum Task {
    /// To D1: whether a user is suspended.
    UserStatus {
        /// Who.
        user: UserId,
        /// Whether.
        suspended: bool,
        /// Since when.
        at: Millis,
    },
    /// To D1: a new user, or how one is called.
    Profile {
        /// Who.
        user: UserId,
        /// Tier of one who is created.
        create: Option<u8>,
        /// What is set.
        profile: Profile,
        /// When.
        at: Millis,
    },
    /// To D1: an invitation, or that there is none.
    Invitation {
        /// Address.
        email: String,
        /// By whom; `None` takes it back.
        invited_by: Option<String>,
        /// When.
        at: Millis,
    },
    /// To the user's sandbox: sockets to be closed.
    EndSessions {
        /// Owner.
        user: UserId,
        /// Which session; all when absent.
        session: Option<SessionRef>,
        /// Why.
        reason: SessionEnd,
    },
}

impl Task {
    /// Whether it is a copy to D1, which a caller may wait for.
    pub const fn is_copy(&self) -> bool {
        matches!(
            self,
            Self::UserStatus { .. } | Self::Profile { .. } | Self::Invitation { .. }
        )
    }
}

/// A task in the outbox.
pub struct Item {
    /// Its place.
    pub seq: u64,
    /// What is to be done.
    pub task: Task,
    attempts: u64,
}

#[derive(Deserialize)]
struct Row {
    seq: u64,
    task: String,
    attempts: u64,
}

#[derive(Deserialize)]
struct Moment {
    value: Option<u64>,
}

impl Store<'_> {
    /// Adds a task, due at once.
    pub(super) fn put(&self, task: &Task, now: Millis) -> Result<()> {
        let values: Vec<SqlStorageValue> = vec![serde_json::to_string(task)?.into(), integer(now.0)];
        self.sql
            .exec("INSERT INTO outbox (task, attempts, next_at) VALUES (?, 0, ?)", values)?;
        Ok(())
    }

    /// Tasks that are due, oldest first.
    pub fn due(&self, now: Millis) -> Result<Vec<Item>> {
        let rows: Vec<Row> = self
            .sql
            .exec(
                "SELECT seq, task, attempts FROM outbox WHERE next_at <= ? ORDER BY seq LIMIT 100",
                vec![integer(now.0)],
            )?
            .to_array()?;
        rows.into_iter()
            .map(|row| {
                Ok(Item {
                    seq: row.seq,
                    task: serde_json::from_str(&row.task).map_err(stored)?,
                    attempts: row.attempts,
                })
            })
            .collect()
    }

    /// It is done.
    pub fn done(&self, item: &Item) -> Result<()> {
        self.sql
            .exec("DELETE FROM outbox WHERE seq = ?", vec![integer(item.seq)])?;
        Ok(())
    }

    /// It failed, and is tried again later.
    pub fn again(&self, item: &Item, now: Millis) -> Result<()> {
        let pause = FIRST_PAUSE_MS
            .saturating_mul(1 << item.attempts.min(10))
            .min(LONGEST_PAUSE_MS);
        self.sql.exec(
            "UPDATE outbox SET attempts = attempts + 1, next_at = ? WHERE seq = ?",
            vec![integer(now.plus(pause).0), integer(item.seq)],
        )?;
        Ok(())
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Result<Option<Millis>> {
        let rows: Vec<Moment> = self
            .sql
            .exec("SELECT MIN(next_at) AS value FROM outbox", None)?
            .to_array()?;
        Ok(rows.first().and_then(|row| row.value).map(Millis))
    }
}
