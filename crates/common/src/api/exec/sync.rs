//! Answer of `exec-sync`, which waits for the end.

use crate::api::jobs::JobState;
use crate::id::{ExecId, UserId};
use serde::{Deserialize, Serialize};

/// Answer to `POST …/exec-sync` (200): the command ended, well or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecSynced {
    /// Owner of the sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// The command, as given.
    pub command: String,
    /// Id to ask for the result with, as of any exec.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub exec_id: ExecId,
    /// How it ended.
    pub state: JobState,
    /// The old word for it: `completed` or `error`.
    pub status: String,
    /// Null unless observed: a command that was stopped, by its time limit or by somebody, has none.
    pub exit_code: Option<i32>,
    /// Number of the signal that ended it; null unless observed.
    pub signal: Option<i32>,
    /// Kept standard output; invalid UTF-8 is replaced.
    pub stdout: String,
    /// Kept standard error; invalid UTF-8 is replaced.
    pub stderr: String,
    /// Whether anything was left out.
    pub truncated: bool,
    /// Why it ended other than by itself.
    pub error: Option<String>,
    /// The time limit that applied, milliseconds.
    pub timeout_ms: u64,
    /// ISO-8601 time of this answer.
    pub timestamp: String,
}
