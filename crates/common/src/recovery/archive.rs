//! Whether an archive is whole and true: every member against the manifest, every line against its table, every object against its count and every
//! chain of audit entries against itself. Members come one after the other; nothing is kept of them but sums.

use super::line::{Content, Line, Row};
use super::manifest::{Head, Manifest, Member, sha256};
use super::tables::{self, Place, Table, USERS};
use super::{DIGEST, FOLDER, FORMAT, HEAD, LONGEST_LINE, MANIFEST, MOST_BYTES};
use crate::audit::{Chain, Entry, Walk};
use crate::id::UserId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Longest manifest, bytes: about a hundred thousand members.
const LONGEST_MANIFEST: usize = 32 * 1024 * 1024;

/// What is wrong with an archive, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member}{}: {why}", .line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct BadArchive {
    /// Name of the member; of the archive itself where it is none of them.
    pub member: String,
    /// Line in it, from 1.
    pub line: Option<u64>,
    /// What is wrong.
    pub why: String,
}

fn bad<T>(member: &str, line: Option<u64>, why: impl Into<String>) -> Result<T, BadArchive> {
    Err(BadArchive {
        member: member.into(),
        line,
        why: why.into(),
    })
}

/// An object whose end has not come yet.
struct Open {
    place: Place,
    user: Option<UserId>,
    rows: u64,
    walk: Walk,
}

/// A walk through an archive.
#[derive(Default)]
pub struct Check {
    head: Option<Head>,
    members: Vec<Member>,
    rows: BTreeMap<String, u64>,
    users: BTreeSet<UserId>,
    ended: BTreeSet<(Place, Option<UserId>)>,
    open: Option<Open>,
    manifest: Option<(Manifest, String)>,
    digest: bool,
}

/// An archive that is whole and true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it says about itself.
    pub manifest: Manifest,
    /// SHA-256 of the manifest: the archive's own name.
    pub id: String,
    /// Users in it.
    pub users: u64,
}

/// The chain that an object keeps.
#[must_use]
pub fn chain(place: Place, user: Option<UserId>) -> Chain {
    match (place, user) {
        (Place::Sandbox, Some(user)) => Chain::Sandbox(user),
        (Place::Exec, Some(user)) => Chain::Exec(user),
        _ => Chain::ControlPlane,
    }
}

/// The entry in a row of the table `audit` of an object; `None` when it is none.
#[must_use]
pub fn entry(row: &Row) -> Option<Entry> {
    let mut fields = row.clone();
    // In JSON an entry has the name of the API.
    let request_id = fields.remove("request_id")?;
    fields.insert("requestId".into(), request_id);
    serde_json::from_value(Value::Object(fields)).ok()
}

/// Most bytes that the member of this name may have.
#[must_use]
pub fn longest(name: &str) -> usize {
    if name == MANIFEST { LONGEST_MANIFEST } else { MOST_BYTES }
}

impl Check {
    /// The next member.
    ///
    /// # Errors
    /// [`BadArchive`].
    pub fn member(&mut self, name: &str, bytes: &[u8]) -> Result<(), BadArchive> {
        if bytes.len() > longest(name) {
            return bad(name, None, format!("is longer than {} bytes", longest(name)));
        }
        if self.digest {
            return bad(name, None, "stands behind the end");
        }
        match (&self.head, &self.manifest) {
            (None, _) if name == HEAD => self.begin(bytes),
            (None, _) => bad(name, None, "no archive of a control plane begins so"),
            (Some(_), Some((_, id))) if name == DIGEST => {
                let told = String::from_utf8_lossy(bytes);
                if told.split_whitespace().next() != Some(id.as_str()) {
                    return bad(MANIFEST, None, "is not as it was written");
                }
                self.digest = true;
                Ok(())
            }
            (Some(_), Some(_)) => bad(name, None, "stands behind the manifest"),
            (Some(_), None) if name == MANIFEST => self.end(bytes),
            (Some(_), None) => self.lines(name, bytes),
        }
    }

    fn begin(&mut self, bytes: &[u8]) -> Result<(), BadArchive> {
        // The format first: a later one may have other fields.
        let told: Value = serde_json::from_slice(bytes).unwrap_or_default();
        match told.get("format").and_then(Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => {
                let why = format!("format {format} is not the one of this version, which is {FORMAT}");
                return bad(HEAD, None, why);
            }
            None => return bad(HEAD, None, "says no format"),
        }
        match serde_json::from_value(told) {
            Ok(head) => {
                self.head = Some(head);
                Ok(())
            }
            Err(_) => bad(HEAD, None, "does not say what it must"),
        }
    }

    fn lines(&mut self, name: &str, bytes: &[u8]) -> Result<(), BadArchive> {
        if !name.starts_with(FOLDER) {
            return bad(name, None, "is no member of such an archive");
        }
        if bytes.last() != Some(&b'\n') {
            return bad(name, None, "does not end with a line end");
        }
        let mut number = 0;
        for text in bytes.split_inclusive(|byte| *byte == b'\n') {
            number += 1;
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            if let Err(why) = self.line(text) {
                return bad(name, Some(number), why);
            }
        }
        self.members.push(Member::of(name, bytes));
        Ok(())
    }

    fn line(&mut self, text: &[u8]) -> Result<(), String> {
        let line = Line::parse(text).map_err(|error| error.to_string())?;
        if let Some(open) = &self.open
            && (open.place, open.user) != (line.place, line.user)
        {
            return Err("stands among the lines of another object, which has not ended".into());
        }
        match line.content {
            Content::Row(table, row) => self.row(table, line.user, &row),
            Content::End(rows) => self.object_ends(line.place, line.user, rows),
        }
    }

    fn row(&mut self, table: &'static Table, user: Option<UserId>, row: &Row) -> Result<(), String> {
        *self.rows.entry(table.full_name()).or_default() += 1;
        if table.place == Place::Database {
            if table.name == USERS {
                let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
                let id = UserId::parse(id).map_err(|error| format!("column id {error}"))?;
                if !self.users.insert(id) {
                    return Err(format!("user {id} is there twice"));
                }
            }
            return Ok(());
        }
        let place = table.place;
        if let Some(user) = user.filter(|user| !self.users.contains(user)) {
            return Err(format!("is of user {user}, whose own row does not stand before"));
        }
        if self.ended.contains(&(place, user)) {
            return Err("is of an object that has ended".into());
        }
        let open = self.open.get_or_insert_with(|| Open {
            place,
            user,
            rows: 0,
            walk: Walk::behind(chain(place, user), crate::audit::Head::start()),
        });
        open.rows += 1;
        if table.name == tables::AUDIT_TABLE {
            let entry = entry(row).ok_or("is no audit entry")?;
            open.walk.step(&entry).map_err(|broken| format!("audit {broken}"))?;
        }
        Ok(())
    }

    fn object_ends(&mut self, place: Place, user: Option<UserId>, rows: u64) -> Result<(), String> {
        let had = self.open.take().map_or(0, |open| open.rows);
        if had != rows {
            return Err(format!("the object has {had} rows here and {rows} by its end"));
        }
        if !self.ended.insert((place, user)) {
            return Err("the object ended before".into());
        }
        Ok(())
    }

    fn end(&mut self, bytes: &[u8]) -> Result<(), BadArchive> {
        let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) else {
            return bad(MANIFEST, None, "does not say what it must");
        };
        if let Some(open) = &self.open {
            let why = format!("an object of {} has no end", open.place);
            return bad(MANIFEST, None, why);
        }
        if !self.ended.contains(&(Place::ControlPlane, None)) {
            return bad(MANIFEST, None, "the control plane's own object is not in the archive");
        }
        if self.head.as_ref() != Some(&manifest.head) {
            return bad(MANIFEST, None, "says something else than the first member");
        }
        for (told, found) in manifest.members.iter().zip(&self.members) {
            if told != found {
                let why = format!("is not as {} was written", told.name);
                return bad(&found.name, None, why);
            }
        }
        if manifest.members.len() != self.members.len() {
            let (told, found) = (manifest.members.len(), self.members.len());
            return bad(MANIFEST, None, format!("names {told} members, and there are {found}"));
        }
        if manifest.rows != self.rows {
            let mut tables = manifest.rows.keys().chain(self.rows.keys());
            let wrong = tables
                .find(|name| manifest.rows.get(*name) != self.rows.get(*name))
                .cloned()
                .unwrap_or_default();
            return bad(MANIFEST, None, format!("counts other rows of {wrong} than there are"));
        }
        self.manifest = Some((manifest, sha256(bytes)));
        Ok(())
    }

    /// The archive has ended.
    ///
    /// # Errors
    /// [`BadArchive`] when it was cut.
    pub fn finish(self) -> Result<Verified, BadArchive> {
        match (self.manifest, self.digest) {
            (Some((manifest, id)), true) => Ok(Verified {
                manifest,
                id,
                users: self.users.len() as u64,
            }),
            _ => bad("archive", None, "ends before its manifest: it was cut"),
        }
    }
}

/// The bytes of a member are read no further than this: one that is longer is refused by [`Check::member`].
#[must_use]
pub fn enough(name: &str) -> u64 {
    longest(name).max(LONGEST_LINE) as u64 + 1
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
