//! A snapshot's own file.

use crate::id::Id;
use serde::Deserialize;

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Snapshot {
    /// Its root folder.
    pub tree: Id,
    /// When it was taken, RFC 3339 as it was written.
    pub time: String,
    /// What was saved, as absolute paths.
    #[serde(default)]
    pub paths: Vec<String>,
}
