//! Calls to a `Sandbox` Durable Object about what the system before this one kept of its user (`crate::legacy_data`).

use crate::audit::Author;
use crate::id::UserId;
use crate::legacy_data::{Chosen, Discarded, Exported, Imported, Inventory, Source};
use crate::object_call::Call;
use serde::{Deserialize, Serialize};

/// What is there, and what would be taken? Changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetImport {
    /// Owner of the sandbox.
    pub owner: UserId,
}

impl Call for GetImport {
    const PATH: &'static str = "/legacy/import";
    type Answer = ImportView;
}

/// Somebody decides about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecideImport {
    /// Owner of the sandbox.
    pub owner: UserId,
    /// What.
    pub decision: ImportDecision,
    /// Who decides.
    pub by: Author,
}

impl Call for DecideImport {
    const PATH: &'static str = "/legacy/decide";
    type Answer = ImportDecided;
}

/// What somebody decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub enum ImportDecision {
    /// The next start takes this.
    Choose {
        /// Key of an archive, or `files`; by itself when absent.
        source: Option<String>,
        /// Damaged databases, and a configuration that is none, are taken as they are.
        accept_damaged: bool,
    },
    /// The user starts empty. The old copies stay where they are.
    Discard,
}

/// Answer to [`DecideImport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum ImportDecided {
    /// So it is.
    Done {
        /// As it stands now.
        view: Box<ImportView>,
    },
    /// There is no such copy.
    Unknown,
    /// It is settled already.
    Refused {
        /// Why.
        text: String,
    },
}

/// Where an import stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ImportState {
    /// There is nothing of the user.
    Nothing,
    /// The next start imports.
    Due,
    /// The next start fails until somebody has chosen.
    Undecided,
    /// It was imported; no start does it again.
    Imported,
    /// Somebody said that the user starts empty.
    Discarded,
    /// He has snapshots of this side: nothing is laid over them.
    Saved,
}

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportView {
    /// In a word.
    pub state: ImportState,
    /// Why, and why this copy.
    pub why: String,
    /// What the next start takes.
    pub takes: Option<Source>,
    /// What is in the bucket.
    pub inventory: Inventory,
    /// What an operator chose.
    pub chosen: Option<Chosen>,
    /// That an operator set it aside.
    pub discarded: Option<Discarded>,
    /// What was imported last.
    pub imported: Option<Imported>,
    /// What was written for the old system last.
    pub exported: Option<Exported>,
}
