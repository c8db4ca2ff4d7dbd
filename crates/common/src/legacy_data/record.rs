//! What is remembered of a user's import. Imported once is imported: the old copies are never laid over what came after them. Only a user who went back to the old
//! system and worked there brings something new.

use super::{Found, ImportPlan, ImportReport};
use crate::snapshot::SnapshotId;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportRecord {
    /// What an operator chose for the next start.
    pub chosen: Option<Chosen>,
    /// An operator said that the user starts empty.
    pub discarded: Option<Discarded>,
    /// What the newest start imports.
    pub plan: Option<ImportPlan>,
    /// What was imported last.
    pub imported: Option<Imported>,
    /// What was written for the old system last.
    pub exported: Option<Exported>,
    /// Names of the exports that may stand where the old system's archive was: the one that was begun last, and the one that it found there.
    pub begun: Vec<String>,
    /// He went back to the old system since, and may have worked there.
    pub left: bool,
}

/// A choice of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chosen {
    /// Key of an archive, or `files`.
    pub source: String,
    /// Damaged databases are taken as they are.
    pub accept_damaged: bool,
    /// When.
    pub at: Millis,
}

/// The old copies are not to be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discarded {
    /// When that was said.
    pub at: Millis,
    /// Version of the archive at that time.
    pub etag: Option<String>,
}

/// An import that was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// When.
    pub at: Millis,
    /// Number of the start.
    pub generation: u64,
    /// The snapshot that it became.
    pub snapshot: SnapshotId,
    /// What it came to.
    pub report: ImportReport,
}

/// What was written for the old system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// When.
    pub at: Millis,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Version of the archive that was written.
    pub etag: String,
    /// Regular files.
    pub files: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Bytes of the archive.
    pub size: u64,
}

impl ImportRecord {
    /// Whether a start has to look at what the old system kept. `was_saved` is whether a snapshot of ours was ever published.
    #[must_use]
    pub const fn is_open(&self, was_saved: bool) -> bool {
        self.left || (self.imported.is_none() && self.discarded.is_none() && !was_saved)
    }

    /// Whether the archive that is there now is one that this side knows: imported from it, written by it, or set aside.
    #[must_use]
    pub fn knows(&self, archive: &Found) -> bool {
        let etags = [
            self.imported
                .as_ref()
                .and_then(|imported| imported.report.etag.as_ref()),
            self.exported.as_ref().map(|exported| &exported.etag),
            self.discarded.as_ref().and_then(|discarded| discarded.etag.as_ref()),
        ];
        etags.into_iter().flatten().any(|etag| *etag == archive.etag)
    }

    /// Whether the archive of this version, written under this name, is one of ours: whole or not, and whatever became of the export that wrote it.
    #[must_use]
    pub fn wrote(&self, etag: &str, name: Option<&str>) -> bool {
        self.exported.as_ref().is_some_and(|ours| ours.etag == etag)
            || name.is_some_and(|name| self.begun.iter().any(|begun| begun == name))
    }

    /// An export begins to write under this name; what stands there now bears that one.
    pub fn begin_export(&mut self, name: String, there: Option<String>) {
        self.begun.retain(|begun| there.as_ref() == Some(begun));
        self.begun.push(name);
    }

    /// An import was published.
    pub fn import(&mut self, imported: Imported) {
        self.imported = Some(imported);
        self.chosen = None;
        self.left = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_exports() -> ImportRecord {
        let mut record = ImportRecord::default();
        record.begin_export("tar-1-a".into(), Some("tar-0-old".into()));
        record
    }

    #[test]
    fn what_an_export_wrote_before_it_broke_off_is_ours() {
        let mut record = of_exports();
        assert!(!record.wrote("old", Some("tar-0-old")), "the old system's");
        assert!(!record.wrote("old", None), "the old system's, without a name");
        assert!(record.wrote("ours", Some("tar-1-a")));
        // The second attempt ends before it has written anything: what stands there is still of the first.
        record.begin_export("tar-2-a".into(), Some("tar-1-a".into()));
        assert!(record.wrote("ours", Some("tar-1-a")));
        record.begin_export("tar-3-a".into(), Some("tar-1-a".into()));
        assert!(record.wrote("ours", Some("tar-1-a")) && record.wrote("new", Some("tar-3-a")));
        // What the old system wrote later is its own again.
        assert!(!record.wrote("later", Some("tar-9-old")));
        assert!(record.begun.len() <= 2, "{:?}", record.begun);
    }

    fn imported(etag: &str) -> Imported {
        Imported {
            at: Millis(1),
            generation: 1,
            snapshot: SnapshotId::of(b"x"),
            report: ImportReport {
                etag: Some(etag.into()),
                ..ImportReport::default()
            },
        }
    }

    #[test]
    fn it_is_looked_at_until_it_is_settled_and_again_after_a_stay_elsewhere() {
        let mut record = ImportRecord::default();
        assert!(record.is_open(false));
        assert!(!record.is_open(true), "whoever has snapshots is never overlaid");
        record.import(imported("one"));
        assert!(!record.is_open(false) && !record.is_open(true));
        record.left = true;
        assert!(record.is_open(true));
        let archive = |etag: &str| Found {
            key: String::new(),
            size: 1_000,
            etag: etag.into(),
            uploaded: Millis(0),
        };
        assert!(record.knows(&archive("one")) && !record.knows(&archive("two")));
        record.import(imported("two"));
        assert!(!record.is_open(true));
        let discarded = ImportRecord {
            discarded: Some(Discarded {
                at: Millis(1),
                etag: None,
            }),
            ..ImportRecord::default()
        };
        assert!(!discarded.is_open(false));
    }
}
