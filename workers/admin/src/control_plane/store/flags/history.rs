//! Every change of a flag, the newest of them.

use super::super::{Store, integer, stored};
use super::{Change, read_setting, write_setting};
use crate::control_plane::flag_calls::ReadFlagHistory;
use molt_common::api::flags::{FlagAction, FlagChange, FlagHistory};
use molt_common::flag::{Flag, FlagSetting};
use molt_common::time::Millis;
use serde::Deserialize;
use serde_json::{Value, json};
use worker::{Result, SqlStorageValue};

/// Changes of a flag that are kept. The audit trail has all of them.
const KEPT: u64 = 500;
/// Bytes of settings in one page: a change may hold four lists of a thousand.
const PAGE_BYTES: u64 = 512 * 1024;

#[derive(Deserialize)]
struct Row {
    version: u64,
    action: String,
    before: Option<String>,
    after: Option<String>,
    author: String,
    reason: String,
    at: u64,
    request_id: String,
}

impl Row {
    fn change(self) -> Result<FlagChange> {
        Ok(FlagChange {
            version: self.version,
            action: serde_json::from_value(Value::String(self.action)).map_err(stored)?,
            before: read_setting(self.before.as_deref())?,
            after: read_setting(self.after.as_deref())?,
            author: self.author,
            reason: self.reason,
            at: Millis(self.at).iso(),
            request_id: Some(self.request_id).filter(|id| !id.is_empty()),
        })
    }
}

#[derive(Deserialize)]
struct Size {
    version: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct Before {
    before: Option<String>,
}

fn word(action: FlagAction) -> Result<SqlStorageValue> {
    match json!(action) {
        Value::String(word) => Ok(word.into()),
        _ => Err(stored("an action is no word")),
    }
}

impl Store<'_> {
    /// Writes a change down and forgets the oldest.
    pub(super) fn note_in_history(&self, change: &Change<'_>, at: Millis) -> Result<()> {
        let name = change.flag.name();
        let values = vec![
            name.into(),
            integer(change.version),
            word(change.action)?,
            write_setting(change.before)?,
            write_setting(change.after)?,
            change.author.actor.as_str().into(),
            change.reason.into(),
            integer(at.0),
            change.author.request_id.as_str().into(),
        ];
        self.sql.exec(
            "INSERT INTO flag_history (name, version, action, before, after, author, reason, at, request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )?;
        // Versions of a flag have no gaps.
        self.sql.exec(
            "DELETE FROM flag_history WHERE name = ? AND version <= ?",
            vec![name.into(), integer(change.version.saturating_sub(KEPT))],
        )?;
        Ok(())
    }

    /// What a flag was before its last change; `None` when it was never changed.
    #[allow(clippy::option_option)] // The inner one is a setting that may be the variable's.
    pub(super) fn before_last_change(&self, flag: Flag) -> Result<Option<Option<FlagSetting>>> {
        let rows: Vec<Before> = self
            .sql
            .exec(
                "SELECT before FROM flag_history WHERE name = ? ORDER BY version DESC LIMIT 1",
                vec![flag.name().into()],
            )?
            .to_array()?;
        rows.first().map(|row| read_setting(row.before.as_deref())).transpose()
    }

    /// A page of changes, newest first.
    pub fn flag_history(&self, asked: &ReadFlagHistory) -> Result<FlagHistory> {
        let below = asked.below.unwrap_or(u64::MAX);
        let values = || -> Vec<SqlStorageValue> { vec![asked.flag.name().into(), integer(below)] };
        let mut sizes: Vec<Size> = self
            .sql
            .exec(
                &format!(
                    "SELECT version, COALESCE(LENGTH(before), 0) + COALESCE(LENGTH(after), 0) AS bytes FROM flag_history \
                     WHERE name = ? AND version < ? ORDER BY version DESC LIMIT {}",
                    asked.limit.saturating_add(1)
                ),
                values(),
            )?
            .to_array()?;
        let mut bytes = 0_u64;
        let fitting = sizes.iter().take_while(|size| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(size.bytes.max(1));
            first || bytes <= PAGE_BYTES
        });
        let count = fitting.count().min(asked.limit as usize);
        let more = sizes.len() > count;
        sizes.truncate(count);
        let rows: Vec<Row> = self
            .sql
            .exec(
                &format!(
                    "SELECT version, action, before, after, author, reason, at, request_id FROM flag_history \
                     WHERE name = ? AND version < ? ORDER BY version DESC LIMIT {count}"
                ),
                values(),
            )?
            .to_array()?;
        let history: Result<Vec<FlagChange>> = rows.into_iter().map(Row::change).collect();
        Ok(FlagHistory {
            history: history?,
            next_cursor: sizes.last().filter(|_| more).map(|size| size.version.to_string()),
        })
    }
}
