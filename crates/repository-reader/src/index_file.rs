//! One index file: which blobs lie where in which packs.

use crate::id::Id;
use serde::Deserialize;

/// A row of an index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// SHA-256 of its plain text.
    pub id: Id,
    /// `data` or `tree`.
    #[serde(rename = "type")]
    pub kind: RowKind,
    /// Where it begins in its pack, bytes.
    pub offset: u32,
    /// Its sealed bytes.
    pub length: u32,
    /// Bytes of its plain text, when it is compressed.
    #[serde(default)]
    pub uncompressed_length: Option<u32>,
}

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// A part of a file.
    Data,
    /// A folder.
    Tree,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    packs: Option<Vec<Pack>>,
}

#[derive(Deserialize)]
struct Pack {
    id: Id,
    #[serde(default)]
    blobs: Vec<Row>,
}

/// Tells every blob with its pack. Answers `None` when the text is no index, or when `tell` wants no more.
#[must_use]
pub fn each_blob(json: &[u8], mut tell: impl FnMut(&Id, &Row) -> Option<()>) -> Option<()> {
    let file: File = serde_json::from_slice(json).ok()?;
    for pack in file.packs.iter().flatten() {
        for row in &pack.blobs {
            tell(&pack.id, row)?;
        }
    }
    Some(())
}
