//! Export and restore of the control plane (`/api/super/recovery`, docs/recovery.md).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A restore is to begin, or to go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoreRequest {
    /// SHA-256 of the archive's manifest, hexadecimal.
    pub archive: String,
    /// When the archive was made, ISO-8601.
    pub exported_at: String,
    /// Members of JSON lines in it.
    pub members: u64,
    /// Only says whether it could begin.
    #[serde(default)]
    pub dry_run: bool,
}

/// The last call of a restore.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FinishRequest {
    /// SHA-256 of the archive's manifest, hexadecimal.
    pub archive: String,
}

/// Where a restore stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RestoreState {
    /// Nothing was ever restored into this platform.
    None,
    /// It would begin (dry run).
    Possible,
    /// Members are being restored; nobody is let in.
    Restoring,
    /// The platform works with what was restored.
    Finished,
}

/// How a restore stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoreStatus {
    /// Where it stands.
    pub state: RestoreState,
    /// SHA-256 of the archive's manifest; null when nothing was ever restored.
    pub archive: Option<String>,
    /// When the archive was made, ISO-8601.
    pub exported_at: Option<String>,
    /// Members of JSON lines in it.
    pub members: u64,
    /// How many of them, from the first, are restored.
    pub restored: u64,
    /// When it was begun, ISO-8601.
    pub begun_at: Option<String>,
    /// When it was finished, ISO-8601.
    pub finished_at: Option<String>,
    /// Users who have a repository in the bucket that nobody can open, and are saved to another beside it; the first 1,000. Told when it is asked how it stands.
    #[serde(default)]
    pub begun_again: Vec<String>,
}

/// What was restored of one member.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberRestored {
    /// How many members, from the first, are restored now.
    pub restored: u64,
    /// Rows of this member by `<place>.<table>`; empty when it was restored before.
    pub rows: BTreeMap<String, u64>,
}
