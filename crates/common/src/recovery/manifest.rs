//! What an archive says about itself.

use crate::id::hex;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The first member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// [`FORMAT`](super::FORMAT).
    pub format: u32,
    /// Release that wrote it; empty where a deployment has none.
    pub release: String,
    /// When it was begun.
    pub exported_at: Millis,
}

/// The last member but one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The same as in the first member.
    #[serde(flatten)]
    pub head: Head,
    /// Every member of JSON lines, in order.
    pub members: Vec<Member>,
    /// Rows by `<place>.<table>`.
    pub rows: BTreeMap<String, u64>,
}

/// A member of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// SHA-256 of bytes, hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

impl Member {
    /// Of a member with this text.
    #[must_use]
    pub fn of(name: &str, text: &[u8]) -> Self {
        Self {
            name: name.into(),
            bytes: text.len() as u64,
            lines: text.split_inclusive(|byte| *byte == b'\n').count() as u64,
            sha256: sha256(text),
        }
    }
}

impl Manifest {
    /// The text of the last member, for `sha256sum -c` in the folder of the members.
    #[must_use]
    pub fn digest_line(manifest: &[u8]) -> String {
        format!("{}  manifest.json\n", sha256(manifest))
    }
}
