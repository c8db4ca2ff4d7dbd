//! Request and answer types of what the system before this one kept of a user (`/api/super/users/{id}/backups/import`, `…/export-legacy`).

use crate::legacy_call::{ImportDecision, ImportState, ImportView};
use crate::legacy_data::{Found, ImportReport, Source};
use crate::problem::Problem;
use crate::snapshot::SnapshotId;
use serde::{Deserialize, Serialize};

/// Longest name of a source.
const LONGEST_SOURCE: usize = 1_024;

/// Body of `POST …/backups/import`; may be absent, which has the platform choose by itself again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportRequest {
    /// Key of the archive that the next start takes, as `GET` lists them, or `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Damaged databases, and a configuration that is none, are taken over as they are.
    #[serde(default)]
    pub accept_damaged: bool,
    /// The user starts empty. What was kept stays where it is.
    #[serde(default)]
    pub discard: bool,
}

impl ImportRequest {
    /// What it decides.
    ///
    /// # Errors
    /// 400 that names the field, for what makes no sense together.
    pub fn decision(&self) -> Result<ImportDecision, Problem> {
        if let Some(source) = &self.source
            && !(1..=LONGEST_SOURCE).contains(&source.len())
        {
            return Err(Problem::invalid(
                "source",
                format!("must have 1 to {LONGEST_SOURCE} bytes"),
            ));
        }
        match (self.discard, self.source.is_some() || self.accept_damaged) {
            (true, true) => Err(Problem::invalid(
                "discard",
                "goes without a source: nothing is imported",
            )),
            (true, false) => Ok(ImportDecision::Discard),
            (false, _) => Ok(ImportDecision::Choose {
                source: self.source.clone(),
                accept_damaged: self.accept_damaged,
            }),
        }
    }
}

/// What was kept of a user, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LegacyImport {
    /// In a word.
    pub state: ImportState,
    /// Why, and why this copy.
    pub why: String,
    /// What the next start takes: keys of archives, of which the first that is whole counts, or `files`.
    pub takes: Vec<String>,
    /// Archives that there are: the newest, the one before it, dated copies.
    pub archives: Vec<LegacyObject>,
    /// Single files that there are.
    pub files: u64,
    /// Bytes of those.
    pub file_bytes: u64,
    /// Names of secrets that lie there in plain text. None is imported: set them anew.
    pub secret_names: Vec<String>,
    /// What an operator chose for the next start.
    pub chosen: Option<String>,
    /// ISO-8601 time at which an operator said that the user starts empty.
    pub discarded_at: Option<String>,
    /// ISO-8601 time of the import.
    pub imported_at: Option<String>,
    /// The snapshot that it became.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub snapshot: Option<SnapshotId>,
    /// What it came to.
    pub report: Option<ImportReport>,
    /// ISO-8601 time at which an archive was last written for the old system.
    pub exported_at: Option<String>,
}

/// An object of the old layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LegacyObject {
    /// Its name in the bucket.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// ISO-8601 time at which it was stored.
    pub uploaded_at: String,
}

impl From<ImportView> for LegacyImport {
    fn from(view: ImportView) -> Self {
        let inventory = view.inventory;
        let archives = inventory
            .archive
            .iter()
            .chain(&inventory.previous)
            .chain(&inventory.dated);
        let object = |found: &Found| LegacyObject {
            name: found.key.clone(),
            size: found.size,
            uploaded_at: found.uploaded.iso(),
        };
        Self {
            state: view.state,
            why: view.why,
            takes: match view.takes {
                None => Vec::new(),
                Some(Source::Files { .. }) => vec![crate::legacy_data::FILES.to_owned()],
                Some(Source::Archives { candidates }) => candidates.into_iter().map(|found| found.key).collect(),
            },
            archives: archives.map(object).collect(),
            files: inventory.files,
            file_bytes: inventory.file_bytes,
            secret_names: inventory.secret_names,
            chosen: view
                .chosen
                .map(|chosen| chosen.source)
                .filter(|source| !source.is_empty()),
            discarded_at: view.discarded.map(|discarded| discarded.at.iso()),
            imported_at: view.imported.as_ref().map(|imported| imported.at.iso()),
            snapshot: view.imported.as_ref().map(|imported| imported.snapshot),
            report: view.imported.map(|imported| imported.report),
            exported_at: view.exported.map(|exported| exported.at.iso()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_one_thing() {
        let request = |text: &str| serde_json::from_str::<ImportRequest>(text).map(|request| request.decision());
        assert_eq!(
            request(r#"{"discard": true}"#).unwrap().unwrap(),
            ImportDecision::Discard
        );
        assert_eq!(
            request("{}").unwrap().unwrap(),
            ImportDecision::Choose {
                source: None,
                accept_damaged: false
            }
        );
        for (text, field) in [
            (r#"{"discard": true, "source": "x"}"#, "discard"),
            (r#"{"discard": true, "acceptDamaged": true}"#, "discard"),
            (r#"{"source": ""}"#, "source"),
        ] {
            assert_eq!(
                request(text).unwrap().unwrap_err().field.as_deref(),
                Some(field),
                "{text}"
            );
        }
        assert!(request(r#"{"from": "x"}"#).is_err());
    }
}
