//! The object's tables in an export of the control plane, and in its restore (docs/recovery.md).

use super::{Note, Store, integer};
use crate::control_plane::flag_calls::ReadFlagHistory;
use molt_common::audit::{Author, Chain};
use molt_common::flag::Flag;
use molt_common::id::UserId;
use molt_common::recovery::call::{
    BeginRestore, Begun, ExportState, ExportedPage, RestoreState, Restored, Session, Standing, TableRow,
};
use molt_common::recovery::line::Row;
use molt_common::recovery::tables::{Place, Table};
use molt_common::time::Millis;
use molt_platform::recovery::restore::{Not, Target, restore as keep};
use molt_platform::{recovery, transaction};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::result::Result as Outcome;
use worker::{Error, Result, SqlStorage, State};

/// The restore, in the table of restores.
const SESSION: &str = "session";
/// The switch and the version of the archive, until the restore is finished: the secret that drives it must open until then.
const CONTROL: &str = "control";
/// Tables that have their row from the beginning.
const PRESET: [&str; 2] = ["control", "flag_set"];

impl Target for Store<'_> {
    const PLACE: Place = Place::ControlPlane;

    fn state(&self) -> &State {
        self.state
    }

    fn own(&self, _sql: &SqlStorage) -> Result<BTreeMap<&'static str, u64>> {
        self.filled()
    }

    fn keep(&self, sql: &SqlStorage, table: &Table, told: &TableRow, _asked: &RestoreState) -> Outcome<(), Not> {
        match table.name {
            CONTROL => return Ok(recovery::keep(sql, CONTROL, &told.row)?),
            "suspended" => {
                UserId::parse(text(told, "user")).map_err(|error| Not::refused(format_args!("suspended: {error}")))?;
            }
            _ => {}
        }
        Ok(recovery::insert(sql, table, &told.row)?)
    }

    fn settle(&self, _asked: &RestoreState) -> Outcome<(), Not> {
        self.makes_sense()
    }
}

impl Store<'_> {
    /// A page of what the object keeps.
    pub fn export(&self, asked: ExportState) -> Result<Option<ExportedPage>> {
        recovery::page(&self.sql, Place::ControlPlane, asked.rest)
    }

    /// Notes that everything is exported.
    pub fn note_export(&self, by: &Author) -> Result<()> {
        self.noted(by, "recovery.exported", json!({}))
    }

    fn noted(&self, by: &Author, action: &str, detail: Value) -> Result<()> {
        let note = Note {
            author: by,
            action,
            target: "control-plane",
            detail,
        };
        self.change::<Error>(&note, true, |_| Ok(true))?;
        Ok(())
    }

    /// The restore into this platform.
    pub fn session(&self) -> Result<Option<Session>> {
        recovery::kept(&self.sql, SESSION)
    }

    /// Whether there is one under way, or may be one.
    pub fn standing(&self) -> Result<Standing> {
        let has_noted = self.audit().head()?.seq > 0;
        Ok(Standing::of(self.session()?.as_ref(), has_noted))
    }

    /// An entry beside those of the archive would make what is still to come not fit, for good.
    pub(super) fn must_not_be_restoring(&self) -> Result<()> {
        match self.session()? {
            Some(session) if session.finished_at.is_none() => {
                Err(Error::RustError("the restore of an archive is under way".into()))
            }
            _ => Ok(()),
        }
    }

    fn filled(&self) -> Result<BTreeMap<&'static str, u64>> {
        let mut filled = recovery::filled(&self.sql, Place::ControlPlane)?;
        filled.retain(|table, _| !PRESET.contains(table));
        Ok(filled)
    }

    /// Begins a restore, or says how the same one stands.
    pub fn begin_restore(&self, asked: &BeginRestore, now: Millis) -> Result<Begun> {
        match self.session()? {
            Some(session) if session.recovery == asked.recovery => return Ok(Begun::Stands { session }),
            Some(session) => return Ok(Begun::Other { session }),
            None => {}
        }
        let own = self.filled()?.into_iter();
        let mut rows: BTreeMap<String, u64> = own
            .map(|(table, rows)| (format!("{}.{table}", Place::ControlPlane), rows))
            .collect();
        rows.extend(asked.database.clone());
        if !rows.is_empty() {
            return Ok(Begun::NotEmpty { rows });
        }
        let session = Session {
            recovery: asked.recovery.clone(),
            exported_at: asked.exported_at,
            members: asked.members,
            restored: 0,
            begun_at: now,
            finished_at: None,
        };
        if !asked.dry_run {
            recovery::keep(&self.sql, SESSION, &session)?;
        }
        Ok(Begun::Stands { session })
    }

    /// A member is restored.
    pub fn note_member(&self, recovery: &str, number: u64) -> Result<Option<Session>> {
        let Some(mut session) = self.session()?.filter(|session| session.recovery == recovery) else {
            return Ok(None);
        };
        if number == session.restored.saturating_add(1) && number <= session.members {
            session.restored = number;
            recovery::keep(&self.sql, SESSION, &session)?;
        }
        Ok(Some(session))
    }

    /// Keeps rows of an archive.
    pub fn restore(&self, asked: &RestoreState) -> Result<Restored> {
        match self.session()? {
            Some(session) if session.recovery == asked.recovery && session.finished_at.is_none() => keep(self, asked),
            _ => Ok(Restored::Refused {
                why: "that restore is not under way".into(),
            }),
        }
    }

    /// Reads everything that was kept as it will be read from now on: what cannot be read would stop the platform.
    fn makes_sense(&self) -> Outcome<(), Not> {
        let refused = |error: Error| Not::Refused(error.to_string());
        if let Some(broken) = recovery::broken_chain(self.state, Chain::ControlPlane)? {
            return Err(Not::Refused(broken));
        }
        if recovery::kept::<Row>(&self.sql, CONTROL)?.is_none() {
            return Err(Not::Refused("there is no row of the table control".into()));
        }
        self.snapshot(Millis(0)).map_err(refused)?;
        let mut after = String::new();
        loop {
            let keys = self.keys(&after, 200).map_err(refused)?;
            let Some(last) = keys.last() else { break };
            after = last.id.as_str().to_owned();
        }
        for flag in Flag::ALL {
            let mut below = None;
            loop {
                let page = self
                    .flag_history(&ReadFlagHistory { flag, below, limit: 50 })
                    .map_err(refused)?;
                match page.next_cursor.and_then(|cursor| cursor.parse().ok()) {
                    Some(next) => below = Some(next),
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Every member is there, and the object itself is whole; else `None`.
    pub fn restored(&self, recovery: &str) -> Result<Option<Session>> {
        let session = self.session()?.filter(|session| session.recovery == recovery);
        let whole = recovery::mark(&self.sql)?.is_some_and(|mark| mark.done);
        Ok(session.filter(|session| whole && session.restored == session.members))
    }

    /// The platform works with it from now on.
    pub fn finish_restore(&self, mut session: Session, by: &Author, now: Millis) -> Result<Session> {
        session.finished_at = Some(now);
        transaction::atomically(self.state, || {
            let held: Row = recovery::kept(&self.sql, CONTROL)?.unwrap_or_default();
            let number = |name: &str| held.get(name).and_then(Value::as_u64).unwrap_or_default();
            // Routers that know a higher version must not keep what they know.
            self.sql.exec(
                "UPDATE control SET version = MAX(version, ?) + 1, published = 0, bootstrap_off = ? WHERE id = 1",
                vec![integer(number("version")), integer(number("bootstrap_off").min(1))],
            )?;
            recovery::keep(&self.sql, SESSION, &session)?;
            let detail = json!({
                "archive": session.recovery, "exportedAt": session.exported_at.iso(), "members": session.members,
                "begunAt": session.begun_at.iso(),
            });
            self.noted(by, "recovery.restored", detail)
        })?;
        Ok(session)
    }

    /// Ids of all who may not come in.
    pub fn suspended_ids(&self) -> Result<Vec<String>> {
        Ok(self.suspended()?.iter().map(ToString::to_string).collect())
    }
}

fn text<'a>(told: &'a TableRow, column: &str) -> &'a str {
    told.row.get(column).and_then(Value::as_str).unwrap_or_default()
}
