//! The archive, written while it is read: one page of one object is held at a time.

use super::database;
use super::members::Members;
use crate::{control_plane, exec_store};
use futures_util::stream::{self, Stream};
use molt_common::id::{SandboxId, UserId};
use molt_common::recovery::FORMAT;
use molt_common::recovery::call::{ExportState, ExportedPage, Rest};
use molt_common::recovery::line::{Line, Row};
use molt_common::recovery::manifest::Head;
use molt_common::recovery::tables::{self, Place, USERS};
use molt_common::time::Millis;
use molt_platform::{call, log, settings};
use serde_json::json;
use std::collections::VecDeque;
use worker::{Env, Error, Result, Stub};

/// Users whose rows are read at once.
const USERS_AT_ONCE: u32 = 50;
/// Rows of D1 that are read at once.
const ROWS_AT_ONCE: u32 = 100;

/// What is told next.
enum Step {
    /// The next user, and what his objects keep.
    Users {
        /// Read, and not told yet.
        waiting: VecDeque<Row>,
        /// Number of the last row that was read.
        after: u64,
    },
    /// The rest of an object, or the next one.
    Object {
        object: Object,
        /// What comes after this user.
        waiting: VecDeque<Row>,
        after: u64,
    },
    /// Rows of a table of D1, behind this one.
    Rows {
        table: &'static str,
        after: u64,
    },
    /// The object of the control plane.
    Control {
        object: Object,
    },
    /// The manifest.
    Manifest,
    Over,
}

/// An object that is being read.
struct Object {
    place: Place,
    user: Option<UserId>,
    rest: Option<Vec<Rest>>,
    rows: u64,
}

impl Object {
    const fn of(place: Place, user: Option<UserId>) -> Self {
        Self {
            place,
            user,
            rest: None,
            rows: 0,
        }
    }
}

struct Export {
    env: Env,
    members: Members,
    step: Step,
}

/// The archive. An error in it breaks the answer off, and it is known for cut by its missing end.
pub fn archive(env: Env, exported_at: Millis) -> Result<impl Stream<Item = Result<Vec<u8>>> + 'static> {
    let head = Head {
        format: FORMAT,
        release: settings::text(&env, "MOLT_RELEASE").unwrap_or_default(),
        exported_at,
    };
    let export = Export {
        members: Members::begin(head)?,
        step: Step::Users {
            waiting: VecDeque::new(),
            after: 0,
        },
        env,
    };
    Ok(stream::try_unfold(export, async |mut export| {
        loop {
            if let Some(bytes) = export.members.ready() {
                return Ok(Some((bytes, export)));
            }
            if matches!(export.step, Step::Over) {
                return Ok(None);
            }
            if let Err(error) = export.go_on().await {
                log::error("recovery_export_failed", json!({"error": error.to_string()}));
                return Err(error);
            }
        }
    }))
}

impl Export {
    async fn go_on(&mut self) -> Result<()> {
        self.step = match std::mem::replace(&mut self.step, Step::Over) {
            Step::Users { waiting, after } => self.user(waiting, after).await?,
            Step::Object { object, waiting, after } => match self.page(object).await? {
                Some(object) => Step::Object { object, waiting, after },
                None => Step::Users { waiting, after },
            },
            Step::Rows { table, after } => self.rows(table, after).await?,
            Step::Control { object } => match self.page(object).await? {
                Some(object) => Step::Control { object },
                None => Step::Manifest,
            },
            Step::Manifest => {
                self.members.end()?;
                Step::Over
            }
            Step::Over => Step::Over,
        };
        Ok(())
    }

    async fn user(&mut self, mut waiting: VecDeque<Row>, mut after: u64) -> Result<Step> {
        let table = database::table(USERS)?;
        if waiting.is_empty() {
            for (number, row) in database::rows(&self.env, table, after, USERS_AT_ONCE).await? {
                after = number;
                waiting.push_back(row);
            }
        }
        let Some(row) = waiting.pop_front() else {
            return Ok(Step::Rows {
                table: "invitations",
                after: 0,
            });
        };
        let id = row.get("id").and_then(|id| id.as_str()).unwrap_or_default();
        let user = UserId::parse(id).map_err(|error| Error::RustError(format!("stored user: {error}")))?;
        self.members.line(&Line::of_row(table, None, row))?;
        Ok(Step::Object {
            object: Object::of(Place::Sandbox, Some(user)),
            waiting,
            after,
        })
    }

    /// A page of an object. What is to be read next of it or of the same user's next one.
    async fn page(&mut self, mut object: Object) -> Result<Option<Object>> {
        let ask = ExportState {
            rest: object.rest.take(),
        };
        let page = call::make(&stub(&self.env, &object)?, &ask).await?;
        let Some(ExportedPage { rows, rest }) = page else {
            let whose = object.user.map(|user| user.to_string()).unwrap_or_default();
            return Err(Error::RustError(format!(
                "the object {} {whose} forgot rows while it was read",
                object.place
            )));
        };
        for told in rows {
            let table = tables::find(object.place, &told.table);
            let table = table.ok_or_else(|| Error::RustError(format!("an unknown table {}", told.table)))?;
            object.rows = object.rows.saturating_add(1);
            self.members.line(&Line::of_row(table, object.user, told.row))?;
        }
        if !rest.is_empty() {
            object.rest = Some(rest);
            return Ok(Some(object));
        }
        // What keeps nothing needs no end.
        if object.rows > 0 {
            self.members
                .line(&Line::of_end(object.place, object.user, object.rows))?;
        }
        Ok(match object.place {
            Place::Sandbox => Some(Object::of(Place::Exec, object.user)),
            Place::Exec | Place::ControlPlane | Place::Database => None,
        })
    }

    async fn rows(&mut self, name: &'static str, mut after: u64) -> Result<Step> {
        let table = database::table(name)?;
        let found = database::rows(&self.env, table, after, ROWS_AT_ONCE).await?;
        if found.is_empty() {
            let following = tables::of(Place::Database)
                .skip_while(|table| table.name != name)
                .nth(1);
            return Ok(match following {
                Some(table) => Step::Rows {
                    table: table.name,
                    after: 0,
                },
                None => Step::Control {
                    object: Object::of(Place::ControlPlane, None),
                },
            });
        }
        for (number, row) in found {
            after = number;
            self.members.line(&Line::of_row(table, None, row))?;
        }
        Ok(Step::Rows { table: name, after })
    }
}

fn stub(env: &Env, object: &Object) -> Result<Stub> {
    match (object.place, object.user) {
        (Place::Sandbox, Some(user)) => call::sandbox(env, &SandboxId::personal(user)),
        (Place::Exec, Some(user)) => exec_store::stub(env, user),
        _ => control_plane::stub(env),
    }
}
