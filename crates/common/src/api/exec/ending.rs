//! What events tell of a command besides its output.

use crate::api::jobs::JobState;
use crate::id::{ExecId, UserId};
use serde::{Deserialize, Serialize};

/// Data of a `state` event: the first of a stream says where the command stands, each further one that this changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecChange {
    /// Where it stands.
    pub state: JobState,
    /// The old word for it: `running`, `completed` or `error`.
    pub status: String,
    /// Number of the sandbox's start it runs in; null before.
    pub generation: Option<u64>,
    /// ISO-8601 time at which the process began; null before.
    pub started_at: Option<String>,
    /// Why it ended other than by itself.
    pub error: Option<String>,
}

/// Data of the `end` event, the last of a stream: everything of [`ExecStatus`](super::ExecStatus) but the output, which was told before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecEnd {
    /// Id of the exec.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub exec_id: ExecId,
    /// Always true; an unknown id is a 404.
    pub found: bool,
    /// Owner of the sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// The command, as given.
    pub command: String,
    /// How it ended.
    pub state: JobState,
    /// The old word for it: `completed` or `error`.
    pub status: String,
    /// Null unless observed.
    pub exit_code: Option<i32>,
    /// Number of the signal that ended it; null unless observed.
    pub signal: Option<i32>,
    /// Bytes written, kept or not.
    pub stdout_bytes: u64,
    /// Bytes written, kept or not.
    pub stderr_bytes: u64,
    /// Whether anything was left out.
    pub truncated: bool,
    /// ISO-8601 time of submission.
    pub created_at: String,
    /// ISO-8601 time at which the process began; null if it never did.
    pub started_at: Option<String>,
    /// ISO-8601.
    pub completed_at: Option<String>,
    /// Number of the sandbox's start it ran in; null if in none.
    pub generation: Option<u64>,
    /// Why it ended other than by itself.
    pub error: Option<String>,
}
