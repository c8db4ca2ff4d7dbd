//! Request and answer types of the admin API (`/api/super`).

pub mod bulk;
pub mod exec;
pub mod flags;
pub mod jobs;

pub use exec::{
    EXEC_TIMEOUT_DEFAULT_MS, EXEC_TIMEOUT_MAX_MS, ExecAccepted, ExecRequest, ExecStatus, JobState,
    OUTPUT_DEFAULT_BYTES, OUTPUT_MAX_BYTES,
};

use crate::id::UserId;
use crate::ownership::Owner;
use crate::sandbox_call::{Lifecycle, Phase, SandboxView};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

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
