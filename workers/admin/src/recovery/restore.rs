//! One member of an archive, restored: every line is looked at before the first is kept.

use super::database;
use crate::{control_plane, exec_store};
use molt_common::audit::Author;
use molt_common::id::{SandboxId, UserId};
use molt_common::problem::Problem;
use molt_common::recovery::call::{RestoreState, Restored, Session, TableRow};
use molt_common::recovery::line::{Checked, Content, Line, Row};
use molt_common::recovery::tables::{Place, Table, USERS};
use molt_platform::call;
use std::collections::{BTreeMap, BTreeSet};
use worker::{Env, Result};

/// Lines of one object that follow each other.
struct Group {
    place: Place,
    user: Option<UserId>,
    /// Number of the first line.
    line: u64,
    rows: Vec<TableRow>,
    end: Option<u64>,
}

/// What a member says.
#[derive(Default)]
pub struct Contents {
    database: Vec<(&'static Table, Row)>,
    groups: Vec<Group>,
    /// Rows by `<place>.<table>`.
    pub rows: BTreeMap<String, u64>,
}

fn bad(line: u64, why: impl std::fmt::Display) -> Problem {
    Problem::invalid("body", format_args!("line {line}: {why}"))
}

/// Reads a member. A problem names the line.
pub async fn read(env: &Env, text: &[u8]) -> Result<std::result::Result<Contents, Problem>> {
    let mut content = Contents::default();
    let mut users: BTreeMap<UserId, u64> = BTreeMap::new();
    let mut own = BTreeSet::new();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for (number, line) in (1_u64..).zip(lines) {
        let checked = match Line::parse(line) {
            Ok(checked) => checked,
            Err(error) => return Ok(Err(bad(number, error))),
        };
        if let Content::Row(table, row) = &checked.content {
            let count = content.rows.entry(table.full_name()).or_default();
            *count = count.saturating_add(1);
            if checked.place == Place::Database && table.name == USERS {
                let id = row.get("id").and_then(|id| id.as_str()).unwrap_or_default();
                match UserId::parse(id) {
                    Ok(id) => drop(own.insert(id)),
                    Err(error) => return Ok(Err(bad(number, format_args!("column id {error}")))),
                }
            }
        }
        if let Some(user) = checked.user.filter(|user| !own.contains(user)) {
            users.entry(user).or_insert(number);
        }
        content.add(number, checked);
    }
    let unknown = database::unknown(env, &users.keys().copied().collect()).await?;
    let first = users
        .iter()
        .filter(|(user, _)| unknown.contains(user))
        .min_by_key(|(_, line)| **line);
    if let Some((user, line)) = first {
        let why = format!("is of user {user}, whose own row was not restored before");
        return Ok(Err(bad(*line, why)));
    }
    Ok(Ok(content))
}

impl Contents {
    fn add(&mut self, line: u64, checked: Checked) {
        let (place, user) = (checked.place, checked.user);
        if let (Place::Database, Content::Row(table, row)) = (place, &checked.content) {
            self.database.push((table, row.clone()));
            return;
        }
        let open = self
            .groups
            .last_mut()
            .filter(|group| (group.place, group.user) == (place, user) && group.end.is_none());
        let group = match open {
            Some(group) => group,
            None => {
                self.groups.push(Group {
                    place,
                    user,
                    line,
                    rows: Vec::new(),
                    end: None,
                });
                match self.groups.last_mut() {
                    Some(group) => group,
                    None => return,
                }
            }
        };
        match checked.content {
            Content::Row(table, row) => group.rows.push(TableRow {
                table: table.name.into(),
                row,
            }),
            Content::End(rows) => group.end = Some(rows),
        }
    }

    /// Keeps it, object by object. A problem names the line at which that stopped; what came before is kept, and keeping it again changes nothing.
    pub async fn keep(self, env: &Env, session: &Session, by: &Author) -> Result<std::result::Result<(), Problem>> {
        database::keep(env, &self.database).await?;
        for group in self.groups {
            let stub = match (group.place, group.user) {
                (Place::Sandbox, Some(user)) => call::sandbox(env, &SandboxId::personal(user))?,
                (Place::Exec, Some(user)) => exec_store::stub(env, user)?,
                _ => control_plane::stub(env)?,
            };
            let whose = group.user.map(|user| format!(" of {user}")).unwrap_or_default();
            let restore = RestoreState {
                recovery: session.recovery.clone(),
                owner: group.user,
                exported_at: session.exported_at,
                rows: group.rows,
                end: group.end,
                by: by.clone(),
            };
            let (line, place) = (group.line, group.place);
            match call::make(&stub, &restore).await? {
                Restored::Kept => {}
                Restored::NotEmpty { what } => {
                    let text = format!("line {line}: the object {place}{whose} has something of its own: {what}.");
                    return Ok(Err(Problem::new(409, "recovery_target_not_empty", text)));
                }
                Restored::Refused { why } => {
                    let text = format!("line {line}: the object {place}{whose} does not take it: {why}.");
                    return Ok(Err(Problem::new(409, "recovery_refused", text)));
                }
            }
        }
        Ok(Ok(()))
    }
}
