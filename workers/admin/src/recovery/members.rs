//! The members of an archive that is being written: lines are gathered until a member is full, and of what was written nothing is kept but sums.

use molt_common::recovery::line::Line;
use molt_common::recovery::manifest::{Head, Manifest, Member};
use molt_common::recovery::{DIGEST, FOLDER, HEAD, LONGEST_LINE, MANIFEST, MOST_BYTES, MOST_OBJECTS};
use molt_common::tar_entry;
use std::collections::{BTreeMap, VecDeque};
use worker::{Error, Result};

/// See the module.
pub struct Members {
    head: Head,
    pending: Vec<u8>,
    objects: usize,
    members: Vec<Member>,
    rows: BTreeMap<String, u64>,
    ready: VecDeque<Vec<u8>>,
}

impl Members {
    /// Begins with the first member.
    pub fn begin(head: Head) -> Result<Self> {
        let mut members = Self {
            pending: Vec::new(),
            objects: 0,
            members: Vec::new(),
            rows: BTreeMap::new(),
            ready: VecDeque::new(),
            head,
        };
        let text = serde_json::to_vec(&members.head)?;
        members.file(HEAD, &text)?;
        Ok(members)
    }

    fn file(&mut self, name: &str, text: &[u8]) -> Result<()> {
        let member = tar_entry::file(name, text, self.head.exported_at.seconds());
        self.ready
            .push_back(member.map_err(|error| Error::RustError(error.to_string()))?);
        Ok(())
    }

    /// Adds a line.
    pub fn line(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_vec(line)?;
        if text.len() > LONGEST_LINE {
            let table = line.table.as_deref().unwrap_or_default();
            let whose = line.user.map(|user| format!(" of the user {user}")).unwrap_or_default();
            return Err(Error::RustError(format!(
                "a row of {}.{table}{whose} is longer than {LONGEST_LINE} bytes",
                line.place
            )));
        }
        text.push(b'\n');
        if self.pending.len().saturating_add(text.len()) > MOST_BYTES {
            self.flush()?;
        }
        self.pending.append(&mut text);
        match &line.table {
            Some(table) => {
                let count = self.rows.entry(format!("{}.{table}", line.place)).or_default();
                *count = count.saturating_add(1);
            }
            None => self.objects = self.objects.saturating_add(1),
        }
        if self.objects >= MOST_OBJECTS {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.objects = 0;
        let text = std::mem::take(&mut self.pending);
        if text.is_empty() {
            return Ok(());
        }
        let name = format!("{FOLDER}/{:06}.jsonl", self.members.len().saturating_add(1));
        self.members.push(Member::of(&name, &text));
        self.file(&name, &text)
    }

    /// Bytes of the archive that can be sent.
    pub fn ready(&mut self) -> Option<Vec<u8>> {
        self.ready.pop_front()
    }

    /// Ends it with the manifest.
    pub fn end(&mut self) -> Result<()> {
        self.flush()?;
        let manifest = Manifest {
            head: self.head.clone(),
            members: std::mem::take(&mut self.members),
            rows: std::mem::take(&mut self.rows),
        };
        let text = serde_json::to_vec(&manifest)?;
        self.file(MANIFEST, &text)?;
        self.file(DIGEST, Manifest::digest_line(&text).as_bytes())?;
        self.ready.push_back(tar_entry::END.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_LINE, Members};
    use molt_common::agent_config::LONGEST;
    use molt_common::id::UserId;
    use molt_common::recovery::archive::Check;
    use molt_common::recovery::line::Line;
    use molt_common::recovery::manifest::Head;
    use molt_common::recovery::tables::{Place, find};
    use molt_common::time::Millis;
    use serde_json::{Map, Value, json};
    use std::error::Error;
    use std::io::Read;

    fn row(place: Place, table: &str, row: &Value) -> Result<Line, Box<dyn Error>> {
        let table = find(place, table).ok_or("a table")?;
        let row: Map<String, Value> = row.as_object().cloned().unwrap_or_default();
        Ok(Line::of_row(table, None, row))
    }

    /// # Errors
    /// When something cannot be written.
    #[test]
    fn a_row_that_is_too_long_is_an_error_that_says_whose_it_is() -> Result<(), Box<dyn Error>> {
        let mut members = Members::begin(Head {
            format: 1,
            release: "r".into(),
            exported_at: Millis(1_800_000_000_000),
        })?;
        let id = UserId::parse("ada00000-0000-4000-8000-000000000001")?;
        let table = find(Place::Sandbox, "config_versions").ok_or("a table")?;
        let of = |document: String| {
            let row = Map::from_iter([("document".to_owned(), Value::from(document))]);
            Line::of_row(table, Some(id), row)
        };
        // Every character of the longest version escaped has room.
        members.line(&of("\"".repeat(LONGEST)))?;
        let refused = members.line(&of("\"".repeat(LONGEST_LINE))).err().ok_or("refused")?;
        assert_eq!(
            refused.to_string(),
            format!("a row of sandbox.config_versions of the user {id} is longer than {LONGEST_LINE} bytes")
        );
        Ok(())
    }

    /// # Errors
    /// When something cannot be written or read.
    #[test]
    fn what_is_written_in_pieces_is_verified_as_a_whole() -> Result<(), Box<dyn Error>> {
        let mut members = Members::begin(Head {
            format: 1,
            release: "r".into(),
            exported_at: Millis(1_800_000_000_000),
        })?;
        let mut archive = Vec::new();
        let note = "n".repeat(100_000);
        for n in 0..30_u64 {
            let id = UserId::parse(&format!("ada00000-0000-4000-8000-0000000000{n:02}"))?;
            members.line(&row(
                Place::Database,
                "users",
                &json!({"id": id, "name": note, "email": null, "status": "active", "tier": 1, "workspace_id": "default",
                    "created_at": "a", "updated_at": "b"}),
            )?)?;
            members.line(&Line::of_end(Place::Sandbox, Some(id), 0))?;
            while let Some(bytes) = members.ready() {
                archive.extend(bytes);
            }
        }
        members.line(&Line::of_end(Place::ControlPlane, None, 0))?;
        members.end()?;
        while let Some(bytes) = members.ready() {
            archive.extend(bytes);
        }
        let mut check = Check::default();
        let mut found = 0;
        for entry in tar::Archive::new(archive.as_slice()).entries()? {
            let mut entry = entry?;
            let name = String::from_utf8(entry.path_bytes().into_owned())?;
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            check.member(&name, &bytes)?;
            found += 1;
        }
        let verified = check.finish()?;
        assert_eq!((verified.users, verified.manifest.members.len()), (30, 5));
        assert_eq!(found, 5 + 3);
        Ok(())
    }
}
