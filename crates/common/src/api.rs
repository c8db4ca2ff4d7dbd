//! Request and answer types of the admin API (`/api/super`).

pub mod flags;

use crate::id::{ExecId, UserId};
use crate::ownership::Owner;
use crate::sandbox_call::{Lifecycle, Phase, SandboxView};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// Default time limit of a command, milliseconds.
pub const EXEC_TIMEOUT_DEFAULT_MS: u64 = 30_000;
/// Longest time limit of a command, milliseconds.
pub const EXEC_TIMEOUT_MAX_MS: u64 = 24 * 3600 * 1000;
/// Bytes of each output stream kept when nothing is asked.
pub const OUTPUT_DEFAULT_BYTES: u64 = 256 * 1024;
/// Most bytes of each output stream that are kept: both fit one row of a Durable Object (2 MB).
pub const OUTPUT_MAX_BYTES: u64 = 512 * 1024;

/// The words that older clients know for a sandbox's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StateWord {
    /// The agent admits traffic.
    Active,
    /// Processes without a serving agent.
    Idle,
    /// On its way up.
    Starting,
    /// Stopped by idleness.
    Sleeping,
    /// No container.
    Stopped,
    /// The last start failed.
    Error,
}

impl From<Lifecycle> for StateWord {
    fn from(lifecycle: Lifecycle) -> Self {
        match lifecycle {
            Lifecycle::Stopped => Self::Stopped,
            Lifecycle::Starting => Self::Starting,
            Lifecycle::Running => Self::Active,
            Lifecycle::Stopping => Self::Idle,
            Lifecycle::Failed => Self::Error,
            Lifecycle::Sleeping => Self::Sleeping,
        }
    }
}

/// State of one sandbox, from the last stored observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SandboxState {
    /// Owner.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Name of the owner, where lists show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// With whom the user is: `legacy` while what ran before serves him.
    #[serde(default = "platform")]
    pub owner: Owner,
    /// State in the old words.
    pub state: StateWord,
    /// State in ours.
    pub lifecycle: Lifecycle,
    /// How far a start is; null without a container.
    pub phase: Option<Phase>,
    /// Number of starts so far, from 1 with the first.
    pub generation: u64,
    /// ISO-8601 time of the observation; null when the container was never asked.
    pub observed_at: Option<String>,
    /// Age of the observation in milliseconds when this answer was made.
    pub age_ms: Option<u64>,
    /// ISO-8601 time at which it will be put to sleep; null when idle sleep is off.
    pub sleeps_at: Option<String>,
    /// Name of the image of this generation.
    pub image: Option<String>,
    /// 1, 2 or 3.
    pub tier: u8,
    /// ISO-8601 time of the last good snapshot.
    pub last_snapshot_at: Option<String>,
    /// Why the last start or run ended, if it did by itself.
    pub error: Option<String>,
    /// ISO-8601 time of this answer.
    pub timestamp: String,
}

/// Of answers of a release that knew of nothing else.
const fn platform() -> Owner {
    Owner::New
}

impl SandboxState {
    /// From what the sandbox's object (or its copy in the database) holds.
    #[must_use]
    pub fn new(user_id: UserId, view: SandboxView, now: Millis) -> Self {
        Self {
            user_id,
            name: None,
            owner: view.placement.map_or(Owner::New, |placement| placement.owner),
            state: view.lifecycle.into(),
            lifecycle: view.lifecycle,
            phase: view.phase,
            generation: view.generation,
            observed_at: view.observed_at.map(Millis::iso),
            age_ms: view.observed_at.map(|at| now.since(at)),
            sleeps_at: None,
            image: view.image,
            tier: view.tier,
            last_snapshot_at: None,
            error: view.cause,
            timestamp: now.iso(),
        }
    }
}

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
    /// Bytes kept of each output stream; default 262,144, at most 524,288.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_bytes: Option<u64>,
    /// Accepted and ignored: every exec is asynchronous.
    #[serde(default, rename = "async", skip_serializing_if = "Option::is_none")]
    pub asynchronous: Option<bool>,
}

/// Where an exec stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum JobState {
    /// Accepted.
    Queued,
    /// Waits for the sandbox to come up.
    Waking,
    /// Handed to the sandbox.
    Starting,
    /// Its process runs.
    Running,
    /// Exit code 0 was observed.
    Succeeded,
    /// Another end was observed.
    Failed,
    /// Stopped at its time limit.
    TimedOut,
    /// Stopped on request.
    Cancelled,
    /// Its sandbox went away: the outcome is not known.
    Lost,
    /// Never started.
    Rejected,
}

impl JobState {
    /// Whether nothing will change any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Waking | Self::Starting | Self::Running)
    }

    /// The word that older clients know.
    #[must_use]
    pub const fn status(self) -> &'static str {
        match self {
            Self::Queued | Self::Waking | Self::Starting | Self::Running => "running",
            Self::Succeeded | Self::Failed => "completed",
            Self::TimedOut | Self::Cancelled | Self::Lost | Self::Rejected => "error",
        }
    }
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
