//! The agent's configuration: the part of the control API (`crate::control`) that reads and changes it. Documents are the user's part in its shown form
//! (`crate::agent_config`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Codes of errors beside those of `ControlError`.
pub mod code {
    /// 412: the document is not the one that the change was made for.
    pub const MOVED: &str = "config_moved";
    /// 422: the agent's own schema does not take it.
    pub const INVALID: &str = "config_invalid";
    /// 409: a kept secret is not on the disk.
    pub const SECRET_MISSING: &str = "config_secret_missing";
    /// 409: what is on the disk cannot be understood.
    pub const UNREADABLE: &str = "config_unreadable";
    /// 503: the agent did not say whether it took it.
    pub const UNANSWERED: &str = "config_unanswered";
}

/// In `SupervisorStatus`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigStatus {
    /// Hash of the document on the disk, as it was read last; `None` before, and while it cannot be read.
    pub hash: Option<String>,
    /// The start waits for `PUT /v1/config/handed`.
    pub waits: bool,
    /// What this boot was given, if it was.
    pub handed: Option<HandedView>,
}

/// `PUT /v1/config/handed` (200 with [`ConfigStatus`]; the same id again changes nothing, another one after the agent was started is 409 `conflict`): the
/// document that this start is to begin with.
///
/// On an empty disk it is `document`. Where the disk has what the edge has seen (`base`, or any of `known`), it is `document` too. Where it has something
/// newer, what `document` changes of `base` is done to that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandOver {
    /// Names it, `[A-Za-z0-9_-]{1,64}`.
    pub id: String,
    /// What is wanted.
    pub document: Value,
    /// What the edge believes to be on the disk.
    pub base: Value,
    /// Hashes of documents that were there before.
    pub known: Vec<String>,
}

/// What became of a [`HandOver`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandedView {
    /// Its id.
    pub id: String,
    /// The agent was started with it, or without it where it was refused.
    pub done: bool,
    /// Why the agent's own schema does not take it; the disk is as it was.
    pub refused: Option<String>,
    /// Places whose secrets are not on the disk; they were left out.
    pub missing: Vec<String>,
}

/// `GET /v1/config`: what is on the disk now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigNow {
    /// Its hash.
    pub hash: String,
    /// The user's part, shown.
    pub document: Value,
}

/// `PUT /v1/config` (200 with [`ConfigEdited`]): change the document. Changes are done one after the other; while the agent runs, by its own protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigEdit {
    /// Hash of the document that is to be changed; whichever it is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What.
    pub change: ConfigChange,
}

/// A change of the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum ConfigChange {
    /// It is to be this one.
    Put {
        /// The whole of the user's part.
        document: Value,
    },
    /// RFC 7396.
    Patch {
        /// What is to be merged into it.
        patch: Value,
    },
    /// What `document` changes of `base` is to be done to it.
    Merge {
        /// What `document` was made from.
        base: Value,
        /// What was made of it.
        document: Value,
    },
}

impl ConfigChange {
    /// The document after it. The places of secrets that it brings itself are the caller's to refuse.
    #[must_use]
    pub fn of(&self, document: &Value) -> Value {
        use crate::agent_config::merge::{patched, three_way};
        match self {
            Self::Put { document } => document.clone(),
            Self::Patch { patch } => patched(document, patch),
            Self::Merge { base, document: wanted } => three_way(base, wanted, document),
        }
    }
}

/// How a change got to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Applied {
    /// There was nothing to change.
    Unchanged,
    /// The running agent has taken it.
    Hot,
    /// The running agent has taken it and starts its inner parts again for it; that ends its connections for a moment.
    Restarting,
    /// The agent does not run now; it finds it when it starts. Its schema takes it.
    Written,
}

/// Answer to [`ConfigEdit`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigEdited {
    /// How.
    pub applied: Applied,
    /// Hash of the document before.
    pub before: String,
    /// What is on the disk now.
    #[serde(flatten)]
    pub now: ConfigNow,
}
