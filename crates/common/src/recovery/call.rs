//! Calls to the objects that keep the control plane: the same two for each, and what the `ControlPlane` object keeps of a restore.

use super::line::Row;
use crate::audit::Author;
use crate::id::UserId;
use crate::object_call::Call;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row and its table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// Name of the table.
    pub table: String,
    /// The row.
    pub row: Row,
}

/// A table that is read page by page, as it was when the first page was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// Its name.
    pub table: String,
    /// Number of the row behind which it goes on.
    pub after: u64,
    /// Number of the row that was the newest.
    pub upto: u64,
    /// Rows between them, `upto` included.
    pub left: u64,
}

/// A page of what an object keeps. Changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportState {
    /// What an earlier page left; `None` for the first.
    pub rest: Option<Vec<Rest>>,
}

impl Call for ExportState {
    const PATH: &'static str = "/recovery/export";
    /// `None`: rows that were still to come are gone, so that what was read belongs to no one moment.
    type Answer = Option<ExportedPage>;
}

/// Answer to [`ExportState`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportedPage {
    /// Rows.
    pub rows: Vec<TableRow>,
    /// What is left; empty at the end.
    pub rest: Vec<Rest>,
}

/// Keeps rows of an archive in an object that has nothing, or that the same restore has begun to fill. Repeated, it comes to the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreState {
    /// Id of the archive.
    pub recovery: String,
    /// Whose object; `None` where there is one for all.
    pub owner: Option<UserId>,
    /// When the archive was made.
    pub exported_at: Millis,
    /// Rows.
    pub rows: Vec<TableRow>,
    /// With these the object is whole, and has so many rows.
    pub end: Option<u64>,
    /// Who restores.
    pub by: Author,
}

impl Call for RestoreState {
    const PATH: &'static str = "/recovery/restore";
    type Answer = Restored;
}

/// Answer to [`RestoreState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Restored {
    /// They are kept, now or since before.
    Kept,
    /// The object has something of its own, which is left as it is.
    NotEmpty {
        /// What.
        what: String,
    },
    /// They make no sense there, and none of them was kept.
    Refused {
        /// Why.
        why: String,
    },
}

/// What the platform knows of its restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Id of the archive.
    pub recovery: String,
    /// When the archive was made.
    pub exported_at: Millis,
    /// Members of JSON lines in it.
    pub members: u64,
    /// How many of them, from the first, are restored.
    pub restored: u64,
    /// When the restore was begun.
    pub begun_at: Millis,
    /// When it was finished.
    pub finished_at: Option<Millis>,
}

/// How a restore stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadSession {}

impl Call for ReadSession {
    const PATH: &'static str = "/recovery/session";
    /// `None`: nothing was ever restored.
    type Answer = Option<Session>;
}

/// May anything else be done on this platform?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadStanding {}

impl Call for ReadStanding {
    const PATH: &'static str = "/recovery/standing";
    type Answer = Standing;
}

/// Answer to [`ReadStanding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A restore may be begun at any moment: nothing was noted so far.
    Possible,
    /// One is under way, and goes on only where nobody else writes.
    UnderWay,
    /// There will be none any more.
    Over,
}

impl Standing {
    /// With this restore, in a control plane that has noted something or not.
    #[must_use]
    pub fn of(session: Option<&Session>, has_noted: bool) -> Self {
        match session {
            Some(session) if session.finished_at.is_none() => Self::UnderWay,
            Some(_) => Self::Over,
            None if has_noted => Self::Over,
            None => Self::Possible,
        }
    }
}

/// Begins a restore, or goes on with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BeginRestore {
    /// Id of the archive.
    pub recovery: String,
    /// When it was made.
    pub exported_at: Millis,
    /// Members of JSON lines in it.
    pub members: u64,
    /// What D1 has of its own, by table.
    pub database: BTreeMap<String, u64>,
    /// Only says what would come of it.
    pub dry_run: bool,
}

impl Call for BeginRestore {
    const PATH: &'static str = "/recovery/begin";
    type Answer = Begun;
}

/// Answer to [`BeginRestore`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Begun {
    /// It stands like this; in a dry run, it would.
    Stands {
        /// How.
        session: Session,
    },
    /// The platform has something of its own.
    NotEmpty {
        /// Rows by `<place>.<table>`.
        rows: BTreeMap<String, u64>,
    },
    /// The restore of another archive was begun or finished.
    Other {
        /// That one.
        session: Session,
    },
}

/// A member is restored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoteMember {
    /// Id of the archive.
    pub recovery: String,
    /// Its number, from 1.
    pub number: u64,
}

impl Call for NoteMember {
    const PATH: &'static str = "/recovery/member";
    type Answer = Option<Session>;
}

/// Everything is restored: the platform begins to work with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FinishRestore {
    /// Id of the archive.
    pub recovery: String,
    /// Who restores.
    pub by: Author,
}

impl Call for FinishRestore {
    const PATH: &'static str = "/recovery/finish";
    /// `None`: that is not the restore under way, or not all of its members are there.
    type Answer = Option<Session>;
}

/// The whole control plane is exported: noted in the audit trail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoteExport {
    /// Who does.
    pub by: Author,
}

impl Call for NoteExport {
    const PATH: &'static str = "/recovery/noted";
    type Answer = ();
}

#[cfg(test)]
mod tests {
    use super::{Session, Standing};
    use crate::time::Millis;

    #[test]
    fn whoever_has_noted_something_is_never_restored_into() {
        let mut session = Session {
            recovery: "a".into(),
            exported_at: Millis(1),
            members: 2,
            restored: 0,
            begun_at: Millis(2),
            finished_at: None,
        };
        assert_eq!(Standing::of(None, false), Standing::Possible);
        assert_eq!(Standing::of(None, true), Standing::Over);
        // Entries of the archive are there before it is finished.
        assert_eq!(Standing::of(Some(&session), false), Standing::UnderWay);
        assert_eq!(Standing::of(Some(&session), true), Standing::UnderWay);
        session.finished_at = Some(Millis(3));
        assert_eq!(Standing::of(Some(&session), true), Standing::Over);
    }
}
