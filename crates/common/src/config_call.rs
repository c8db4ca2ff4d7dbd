//! Calls to the `Sandbox` object about the agent's configuration. Documents are the user's part in its shown form (`crate::agent_config`).

use crate::agent_config::Origin;
use crate::agent_config::standing::Refusal;
use crate::audit::Author;
use crate::control::config::Applied;
use crate::id::UserId;
use crate::object_call::Call;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How is it? A running sandbox is asked; starts and wakes nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetConfig {
    /// Owner of the sandbox.
    pub owner: UserId,
}

impl Call for GetConfig {
    const PATH: &'static str = "/config";
    type Answer = ConfigRead;
}

/// Answer to [`GetConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum ConfigRead {
    /// As it is.
    Found {
        /// See there.
        view: Box<ConfigView>,
    },
    /// What is on the disk cannot be understood.
    Unreadable {
        /// Why.
        error: String,
    },
}

/// Where the document that is shown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ConfigState {
    /// On the disk of the running sandbox, which was asked just now.
    Applied,
    /// It is put there, and checked by the agent's schema, when the sandbox starts.
    Staged,
    /// As it was seen last; the sandbox does not run, or did not answer.
    Stored,
}

/// The configuration with its layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigView {
    /// Where it is.
    pub state: ConfigState,
    /// Its number in the history; `None` when nothing was ever changed.
    pub version: Option<u64>,
    /// Content hash of `user`.
    pub hash: String,
    /// The user's part.
    pub user: Value,
    /// Keys of the platform, which nobody else sets.
    pub platform: Value,
    /// What counts where the user has chosen nothing.
    pub defaults: Value,
    /// What the agent finds.
    pub effective: Value,
    /// When this version was made.
    pub at: Option<Millis>,
    /// What the agent would not take last.
    pub refused: Option<Refusal>,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigVersion {
    /// Counts the sandbox's versions, from 1.
    pub version: u64,
    /// Its content hash.
    pub hash: String,
    /// Who.
    pub author: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Millis,
    /// In which request; empty for what was seen on the disk.
    pub request_id: String,
    /// From where.
    pub source: Origin,
}

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "edit")]
pub enum Edit {
    /// The user's part is to be this one.
    Put {
        /// Which.
        document: Value,
    },
    /// RFC 7396.
    Patch {
        /// What is merged into it.
        patch: Value,
    },
    /// An earlier version is to count again.
    Rollback {
        /// Which.
        version: u64,
    },
}

/// Change it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EditConfig {
    /// Names the edit where it may be repeated: the same again is done once.
    pub id: Option<String>,
    /// Owner of the sandbox.
    pub owner: UserId,
    /// What.
    pub edit: Edit,
    /// Hash of the document that is to be changed; whichever it is when absent.
    pub base: Option<String>,
    /// Who asks.
    pub by: Author,
    /// Why.
    pub reason: Option<String>,
}

impl Call for EditConfig {
    const PATH: &'static str = "/config/edit";
    type Answer = ConfigEditAnswer;
}

/// Answer to [`EditConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum ConfigEditAnswer {
    /// It was done, now or before.
    Done {
        /// How it is now.
        view: Box<ConfigView>,
        /// How it got to the agent; `None` when it is staged.
        applied: Option<Applied>,
    },
    /// It is another document by now.
    Moved {
        /// Hash of that.
        hash: String,
    },
    /// It sets what is the platform's.
    Locked {
        /// Where.
        paths: Vec<String>,
    },
    /// A secret stands in it.
    Secret {
        /// Where.
        paths: Vec<String>,
    },
    /// It refers to secrets that are not on the disk.
    SecretMissing {
        /// Why, with the places.
        error: String,
    },
    /// It is longer than may be kept, or no object.
    Unfit,
    /// There is no such version (any more).
    UnknownVersion,
    /// The agent's schema does not take it.
    Invalid {
        /// Why.
        error: String,
    },
    /// What is on the disk cannot be understood, and is not written over.
    Unreadable {
        /// Why.
        error: String,
    },
    /// Nothing was changed, as far as is known.
    NotNow {
        /// Why.
        error: String,
        /// The agent was asked and has not answered: it may still do it.
        #[serde(default)]
        unclear: bool,
    },
}

/// Versions, newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListConfigVersions {
    /// Those before this one; the newest when absent.
    pub before: Option<u64>,
    /// Most of them.
    pub limit: u32,
}

impl Call for ListConfigVersions {
    const PATH: &'static str = "/config/history";
    type Answer = ConfigVersions;
}

/// Answer to [`ListConfigVersions`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigVersions {
    /// A page.
    pub versions: Vec<ConfigVersion>,
    /// Whether older ones are kept.
    pub more: bool,
}

/// What differs between two versions?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CompareConfig {
    /// From this one.
    pub from: u64,
    /// To this one; the current one when absent.
    pub to: Option<u64>,
}

impl Call for CompareConfig {
    const PATH: &'static str = "/config/diff";
    /// `None` when one of them is not kept.
    type Answer = Option<ConfigDifference>;
}

/// Answer to [`CompareConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigDifference {
    /// From.
    pub from: ConfigVersion,
    /// To.
    pub to: ConfigVersion,
    /// Steps of RFC 6902.
    pub steps: Vec<Value>,
}
