//! Request and answer types of the agent's configuration.

use crate::agent_config::Origin;
use crate::config_call::ConfigState;
use crate::control::config::Applied;
use crate::id::{UserId, hex};
use crate::job_id::JobId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::JobState;

/// The layers, the lowest first in what counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigLayers {
    /// What counts where nobody has chosen anything.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub defaults: Value,
    /// The user's own, the only one that is changed here.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub user: Value,
    /// Keys of the platform: locked.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub platform: Value,
}

/// A version that the agent would not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigRefusal {
    /// Which.
    pub version: u64,
    /// When, ISO-8601.
    pub at: String,
    /// Why.
    pub error: String,
}

/// Answer to `GET …/config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigAnswer {
    /// Whose.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Where it is.
    pub state: ConfigState,
    /// Its number in the history; null when nothing was ever changed.
    pub version: Option<u64>,
    /// Content hash of the user's part; `ETag` has it in quotes.
    pub hash: String,
    /// The layers.
    pub layers: ConfigLayers,
    /// What the agent finds: the platform's keys over the user's over the defaults.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub effective: Value,
    /// The user's part once more, where older scripts look for it.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub config: Value,
    /// `sandbox` or `stored`.
    pub source: String,
    /// When this version was made, ISO-8601; null when nothing was ever changed.
    pub last_modified: Option<String>,
    /// What the agent would not take last.
    pub refused: Option<ConfigRefusal>,
}

/// Answer to a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigChanged {
    /// How it is now.
    #[serde(flatten)]
    pub config: ConfigAnswer,
    /// How it got to the agent; null while it is staged.
    pub applied: Option<Applied>,
    /// For older clients.
    pub success: bool,
    /// For people.
    pub message: String,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigVersionView {
    /// Counts the user's versions, from 1.
    pub version: u64,
    /// Content hash.
    pub hash: String,
    /// Who; `agent` for what was seen on the disk.
    pub author: String,
    /// Why.
    pub reason: Option<String>,
    /// When, ISO-8601.
    pub at: String,
    /// The same, where older scripts look for it.
    pub timestamp: String,
    /// In which request; null for what was seen on the disk.
    pub request_id: Option<String>,
    /// From where.
    pub source: Origin,
}

/// Answer to `GET …/config/history`: newest first, the newest 100 are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigHistory {
    /// Whose.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// A page of them.
    pub history: Vec<ConfigVersionView>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Answer to `GET …/config/diff`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigDiff {
    /// Whose.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// From.
    pub from: ConfigVersionView,
    /// To.
    pub to: ConfigVersionView,
    /// Steps of a JSON Patch (RFC 6902).
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub diff: Vec<Value>,
}

/// Body of `POST …/config/rollback`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RollbackRequest {
    /// Which version of the history is to count again.
    pub version: u64,
    /// Why: 1 to 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Answer to `POST …/config/reload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigReloaded {
    /// Whose.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Where the configuration is.
    pub state: ConfigState,
    /// For older clients.
    pub success: bool,
    /// For people.
    pub message: String,
}

/// Body of `POST /api/super/bulk/config-patch`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkConfigRequest {
    /// What is merged into each user's part (RFC 7396).
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub patch: Value,
    /// Whose, each once, at most 1,000; those of all active users when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub user_ids: Option<Vec<UserId>>,
    /// Users at once, 1 to 50; default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// After that many that did not succeed no further one is begun; from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_after_failures: Option<u32>,
    /// Why: 1 to 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl BulkConfigRequest {
    /// Equal for equal requests: what an idempotency key is compared with.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(serde_json::to_vec(self).unwrap_or_default()))
    }
}

/// Answer to `POST /api/super/bulk/config-patch` (202).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkConfigAccepted {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub job_id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// Users.
    pub total: u32,
    /// Path of the job; its parts, with each user's result, are at `<pollUrl>/children`.
    pub poll_url: String,
    /// For older clients: it was accepted.
    pub success: bool,
}
