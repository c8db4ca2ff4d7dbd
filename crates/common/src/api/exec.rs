//! Request and answer types of commands in a sandbox (`/api/super/users/{id}/exec`).

mod ending;
mod sync;

use crate::control::ExecLimits;
use crate::id::{ExecId, UserId};
use crate::output::{OutputCursor, StreamName};
use serde::{Deserialize, Serialize};

pub use super::jobs::JobState;
pub use ending::{ExecChange, ExecEnd};
pub use sync::ExecSynced;

/// Default time limit of a command, milliseconds.
pub const EXEC_TIMEOUT_DEFAULT_MS: u64 = 30_000;
/// Longest time limit of a command, milliseconds.
pub const EXEC_TIMEOUT_MAX_MS: u64 = 24 * 3600 * 1000;
/// Bytes of each output stream kept when nothing is asked.
pub const OUTPUT_DEFAULT_BYTES: u64 = 256 * 1024;
/// Most bytes of each output stream that are kept.
pub const OUTPUT_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Milliseconds between TERM and KILL when nothing is asked.
pub const KILL_GRACE_DEFAULT_MS: u64 = 5_000;
/// Most milliseconds between TERM and KILL.
pub const KILL_GRACE_MAX_MS: u64 = 60_000;
/// Bytes of each stream that a status shows; `…/output` has everything that is kept.
pub const STATUS_OUTPUT_BYTES: usize = 512 * 1024;
/// Longest wait of `…/output?wait=`, seconds.
pub const OUTPUT_WAIT_MAX_S: u64 = 25;
/// Longest time limit of `exec-sync`, milliseconds; a longer one is cut to this, as it always was.
pub const EXEC_SYNC_MAX_MS: u64 = 20_000;
/// Time limit of `exec-sync` when nothing is asked, milliseconds.
pub const EXEC_SYNC_DEFAULT_MS: u64 = 15_000;

/// Body of `POST /api/super/users/{id}/exec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecRequest {
    /// A command line for `/bin/sh -c`. Exactly one of `command` and `argv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// A program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// Working directory, absolute; the home directory when absent. `workingDir` is the older name.
    #[serde(default, alias = "workingDir", skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Environment variables to add.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub env: std::collections::BTreeMap<String, String>,
    /// Text for standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Milliseconds from the start of the process; default 30,000, at most 24 h. `timeout` is the older name.
    #[serde(default, alias = "timeout", skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Milliseconds between TERM and KILL when it is stopped; default 5,000, at most 60,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_grace_ms: Option<u64>,
    /// Bytes kept of each output stream, the first half and the last half; default 262,144, at most 4,194,304.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_bytes: Option<u64>,
    /// User id inside the sandbox, from 1; the agent's user when absent. Root is the supervisor's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Limits of the command's processes.
    #[serde(default, skip_serializing_if = "ExecLimits::is_none")]
    pub limits: ExecLimits,
    /// Accepted and ignored: every exec is asynchronous.
    #[serde(default, rename = "async", skip_serializing_if = "Option::is_none")]
    pub asynchronous: Option<bool>,
}

/// Answer to `POST …/exec` (202).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecAccepted {
    /// Owner of the sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// The command, as given.
    pub command: String,
    /// Id to ask for the result with.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub exec_id: ExecId,
    /// Where it stands.
    pub state: JobState,
    /// The old word for it.
    pub status: String,
    /// Always true.
    #[serde(rename = "async")]
    pub asynchronous: bool,
    /// ISO-8601.
    pub timestamp: String,
    /// Path of the status route.
    pub poll_url: String,
}

/// Answer to `GET …/exec/{execId}/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecStatus {
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
    /// Where it stands.
    pub state: JobState,
    /// The old word for it: `running`, `completed` or `error`.
    pub status: String,
    /// Null unless observed.
    pub exit_code: Option<i32>,
    /// Number of the signal that ended it; null unless observed.
    pub signal: Option<i32>,
    /// Kept standard output.
    pub stdout: String,
    /// Kept standard error.
    pub stderr: String,
    /// Bytes written, kept or not.
    pub stdout_bytes: u64,
    /// Bytes written, kept or not.
    pub stderr_bytes: u64,
    /// Whether anything was left out.
    pub truncated: bool,
    /// ISO-8601 time of submission.
    pub created_at: String,
    /// ISO-8601 time at which the process began; null before.
    pub started_at: Option<String>,
    /// ISO-8601; null before the end.
    pub completed_at: Option<String>,
    /// Number of the sandbox's start it ran in; null before.
    pub generation: Option<u64>,
    /// Why it ended other than by itself.
    pub error: Option<String>,
}

/// A piece of what a command wrote, or of what was not kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutputChunk {
    /// Which stream.
    pub stream: StreamName,
    /// Offset of its first byte in that stream.
    pub at: u64,
    /// The bytes, when they are UTF-8. Exactly one of `text`, `base64` and `gapBytes` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The bytes in base64 (RFC 4648 section 4), when they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// That many bytes were written here and not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_bytes: Option<u64>,
}

/// Answer to `GET …/exec/{execId}/output` as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecOutput {
    /// Id of the exec.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub exec_id: ExecId,
    /// Where it stands.
    pub state: JobState,
    /// The old word for it.
    pub status: String,
    /// Null unless observed.
    pub exit_code: Option<i32>,
    /// Number of the signal that ended it; null unless observed.
    pub signal: Option<i32>,
    /// Why it ended other than by itself.
    pub error: Option<String>,
    /// What follows the cursor that was given, of each stream in order. Between the streams the order is that of their arrival, roughly.
    pub chunks: Vec<OutputChunk>,
    /// Where the next call goes on.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "512-0"))]
    pub cursor: OutputCursor,
    /// True when the command has ended and nothing follows the cursor.
    pub done: bool,
    /// Bytes written so far, kept or not.
    pub stdout_bytes: u64,
    /// Bytes written so far, kept or not.
    pub stderr_bytes: u64,
}

/// One line of `GET …/exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecSummary {
    /// Id of the exec.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub exec_id: ExecId,
    /// The command, as given.
    pub command: String,
    /// Where it stands.
    pub state: JobState,
    /// The old word for it.
    pub status: String,
    /// Null unless observed.
    pub exit_code: Option<i32>,
    /// Number of the signal that ended it; null unless observed.
    pub signal: Option<i32>,
    /// Bytes written, kept or not.
    pub stdout_bytes: u64,
    /// Bytes written, kept or not.
    pub stderr_bytes: u64,
    /// ISO-8601 time of submission.
    pub created_at: String,
    /// ISO-8601 time at which the process began; null before.
    pub started_at: Option<String>,
    /// ISO-8601; null before the end.
    pub completed_at: Option<String>,
    /// Number of the sandbox's start it ran in; null before.
    pub generation: Option<u64>,
    /// Why it ended other than by itself.
    pub error: Option<String>,
}

/// What a sandbox's store of results holds and does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecStats {
    /// Results and commands kept.
    pub total: u64,
    /// Accepted and waiting for their turn.
    pub queued: u64,
    /// Waking, starting or running.
    pub under_way: u64,
    /// Ended in `succeeded` or `failed`.
    pub completed: u64,
    /// Ended in any other way.
    pub errors: u64,
    /// Bytes of output kept.
    pub output_bytes: u64,
    /// Alarm steps so far.
    pub steps: u64,
    /// The longest of them, milliseconds.
    pub longest_step_ms: u64,
}

/// Answer to `GET …/exec`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecList {
    /// A page of them.
    pub execs: Vec<ExecSummary>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// About all of them.
    pub stats: ExecStats,
}
