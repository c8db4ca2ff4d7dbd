//! Feature flags: how they stand and every change that made them so.

mod history;

use super::{Note, Store, integer, stored};
use crate::control_plane::flag_calls::{ChangeFlag, FlagChanged, FlagsState, StoredFlag, Wanted};
use molt_common::api::flags::{FlagAction, audited};
use molt_common::audit::Author;
use molt_common::flag::{Flag, FlagOverride, FlagSet, FlagSetting, OVERRIDE_KEY, withdraws};
use molt_common::recovery::call::Standing;
use molt_common::redaction;
use molt_common::time::Millis;
use molt_platform::transaction::atomically;
use serde::Deserialize;
use serde_json::{Value, json};
use worker::{Error, Result, SqlStorageValue};

/// A row of `flags` stays when the flag is cleared, so that no version is ever used twice. `setting` is JSON, NULL: decided by the variable.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS flag_set (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, epoch INTEGER NOT NULL);
INSERT INTO flag_set (id, version, epoch) VALUES (1, 0, 0) ON CONFLICT (id) DO NOTHING;
CREATE TABLE IF NOT EXISTS flags (
  name TEXT PRIMARY KEY, version INTEGER NOT NULL, setting TEXT, author TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS flag_history (
  name TEXT NOT NULL, version INTEGER NOT NULL, action TEXT NOT NULL, before TEXT, after TEXT, author TEXT NOT NULL, reason TEXT NOT NULL,
  at INTEGER NOT NULL, request_id TEXT NOT NULL, PRIMARY KEY (name, version)
);
";

/// Longest author of an override that is kept, characters.
const LONGEST_AUTHOR: usize = 100;
/// Longest reason of an override that is kept, characters.
const LONGEST_REASON: usize = 500;

#[derive(Deserialize)]
struct SetRow {
    version: u64,
    epoch: u64,
}

#[derive(Deserialize)]
struct FlagRow {
    name: String,
    version: u64,
    setting: Option<String>,
    author: String,
    reason: String,
    at: u64,
}

impl FlagRow {
    /// `None` for a flag of a later version of ours.
    fn flag(self) -> Result<Option<StoredFlag>> {
        let Some(flag) = Flag::parse(&self.name) else {
            return Ok(None);
        };
        Ok(Some(StoredFlag {
            flag,
            setting: read_setting(self.setting.as_deref())?,
            version: self.version,
            author: self.author,
            reason: self.reason,
            at: Millis(self.at),
        }))
    }
}

fn read_setting(text: Option<&str>) -> Result<Option<FlagSetting>> {
    text.map(|text| serde_json::from_str(text).map_err(stored)).transpose()
}

fn write_setting(setting: Option<&FlagSetting>) -> Result<SqlStorageValue> {
    Ok(match setting {
        Some(setting) => serde_json::to_string(setting)?.into(),
        None => SqlStorageValue::Null,
    })
}

/// One change, about to be written.
struct Change<'a> {
    flag: Flag,
    action: FlagAction,
    before: Option<&'a FlagSetting>,
    after: Option<&'a FlagSetting>,
    /// Version that it makes.
    version: u64,
    author: &'a Author,
    reason: &'a str,
}

impl Change<'_> {
    fn detail(&self, further: &Value) -> Value {
        let mut detail = audited(self.before, self.after);
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("version".into(), self.version.into());
            fields.insert("reason".into(), self.reason.into());
            fields.extend(further.as_object().cloned().unwrap_or_default());
        }
        detail
    }
}

impl Store<'_> {
    fn set_row(&self) -> Result<SetRow> {
        let rows: Vec<SetRow> = self
            .sql
            .exec("SELECT version, epoch FROM flag_set WHERE id = 1", None)?
            .to_array()?;
        rows.into_iter().next().ok_or_else(|| stored("no row of the flags"))
    }

    /// How the flags stand.
    pub fn flags_state(&self) -> Result<FlagsState> {
        let rows: Vec<FlagRow> = self
            .sql
            .exec(
                "SELECT name, version, setting, author, reason, at FROM flags ORDER BY name",
                None,
            )?
            .to_array()?;
        let flags: Result<Vec<Option<StoredFlag>>> = rows.into_iter().map(FlagRow::flag).collect();
        let row = self.set_row()?;
        Ok(FlagsState {
            version: row.version,
            epoch: row.epoch,
            flags: flags?.into_iter().flatten().collect(),
        })
    }

    /// The flags as routers hold them.
    pub(super) fn flag_set(&self) -> Result<FlagSet> {
        let state = self.flags_state()?;
        let set = |stored: StoredFlag| Some((stored.flag, stored.setting?));
        Ok(FlagSet {
            version: state.version,
            epoch: state.epoch,
            flags: state.flags.into_iter().filter_map(set).collect(),
        })
    }

    /// Changes a flag, or says why not. One transaction with its entries in the history and the audit trail.
    pub fn change_flag(&self, asked: &ChangeFlag) -> Result<FlagChanged> {
        let state = self.flags_state()?;
        let now = state.flag(asked.flag);
        let version = now.map_or(0, |stored| stored.version);
        if asked.if_version.is_some_and(|wanted| wanted != version) {
            return Ok(FlagChanged::Moved(version));
        }
        let before = now.and_then(|stored| stored.setting.clone());
        let (action, after) = match &asked.wanted {
            Wanted::Set(setting) => (FlagAction::Set, Some(setting.clone())),
            Wanted::Cleared => (FlagAction::Cleared, None),
            Wanted::Undone => match self.before_last_change(asked.flag)? {
                Some(earlier) => (FlagAction::Undone, earlier),
                None => return Ok(FlagChanged::NothingToUndo),
            },
        };
        if before == after {
            return Ok(FlagChanged::Done(now.cloned()));
        }
        if asked.keeps_everybody && withdraws(asked.flag, before.as_ref(), after.as_ref()) {
            return Ok(FlagChanged::WouldWithdraw);
        }
        // The audit trail masks what looks like a secret, and the history is read by more people.
        let reason = redaction::text(&asked.reason);
        let change = Change {
            flag: asked.flag,
            action,
            before: before.as_ref(),
            after: after.as_ref(),
            version: version + 1,
            author: &asked.author,
            reason: &reason,
        };
        self.perform_change(&change, &json!({}))?;
        Ok(FlagChanged::Done(self.flags_state()?.flag(asked.flag).cloned()))
    }

    fn perform_change(&self, change: &Change<'_>, further: &Value) -> Result<()> {
        let note = Note {
            author: change.author,
            action: change.action.audited(),
            target: change.flag.name(),
            detail: change.detail(further),
        };
        self.change::<Error>(&note, true, |at| {
            self.sql
                .exec("UPDATE flag_set SET version = version + 1 WHERE id = 1", None)?;
            // An override may name what is so already: noted, but no new version of the flag.
            if change.before != change.after {
                self.write_change(change, at)?;
            }
            Ok(true)
        })?;
        Ok(())
    }

    fn write_change(&self, change: &Change<'_>, at: Millis) -> Result<()> {
        let values: Vec<SqlStorageValue> = vec![
            change.flag.name().into(),
            integer(change.version),
            write_setting(change.after)?,
            change.author.actor.as_str().into(),
            change.reason.into(),
            integer(at.0),
        ];
        self.sql.exec(
            "INSERT INTO flags (name, version, setting, author, reason, at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET \
             version = excluded.version, setting = excluded.setting, author = excluded.author, reason = excluded.reason, at = excluded.at",
            values,
        )?;
        self.note_in_history(change, at)
    }

    /// Makes an override permanent if it beats what stands here. Whether it did.
    pub fn adopt(&self, over: &FlagOverride) -> Result<bool> {
        // While a restore is under way it waits; routers read it in KV meanwhile.
        if over.epoch <= self.set_row()?.epoch || self.standing()? == Standing::UnderWay {
            return Ok(false);
        }
        let author = Author {
            actor: format!("override:{}", redaction::text(&line(&over.author, LONGEST_AUTHOR))),
            request_id: String::new(),
        };
        let reason = line(&over.reason, LONGEST_REASON);
        let reason = redaction::text(&reason);
        let further = json!({"epoch": over.epoch, "writtenAt": over.at.iso()});
        atomically(self.state, || {
            self.sql
                .exec("UPDATE flag_set SET epoch = ? WHERE id = 1", vec![integer(over.epoch)])?;
            let state = self.flags_state()?;
            for flag in over.values.keys().copied() {
                let now = state.flag(flag);
                let before = now.and_then(|stored| stored.setting.clone());
                let after = over.applied(flag, before.as_ref());
                let version = now.map_or(0, |stored| stored.version);
                let change = Change {
                    flag,
                    action: FlagAction::OverrideAdopted,
                    version: if before == after { version } else { version + 1 },
                    before: before.as_ref(),
                    after: after.as_ref(),
                    author: &author,
                    reason: &reason,
                };
                self.perform_change(&change, &further)?;
            }
            if over.values.is_empty() {
                self.note_empty_override(&author, &further)?;
            }
            Ok(true)
        })
    }

    /// One that names no flag that is known here: it counts as adopted, which routers must learn.
    fn note_empty_override(&self, author: &Author, detail: &Value) -> Result<()> {
        let note = Note {
            author,
            action: FlagAction::OverrideAdopted.audited(),
            target: OVERRIDE_KEY,
            detail: detail.clone(),
        };
        self.change::<Error>(&note, true, |_| {
            self.sql
                .exec("UPDATE flag_set SET version = version + 1 WHERE id = 1", None)?;
            Ok(true)
        })?;
        Ok(())
    }
}

/// A text that an operator's tool wrote, on one line and not too long.
fn line(text: &str, longest: usize) -> String {
    let kept = text.trim().chars().take(longest);
    kept.map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
