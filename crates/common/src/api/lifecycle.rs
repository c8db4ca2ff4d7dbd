//! Request and answer types of what admins ask of one sandbox: wake, restart, reset, destroy, tier, image, keep-alive.

use super::jobs::JobState;
use crate::id::{UserId, hex};
use crate::job_id::JobId;
use crate::sandbox_change::{ImageChoice, KeepAlive, RestartScope};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Milliseconds after which a change has failed, when nothing is asked.
pub const CHANGE_TIMEOUT_DEFAULT_MS: u64 = 300_000;
/// Shortest that may be asked.
pub const CHANGE_TIMEOUT_MIN_MS: u64 = 1_000;
/// Longest that may be asked.
pub const CHANGE_TIMEOUT_MAX_MS: u64 = 3_600_000;
/// Longest that `?wait=` waits, in seconds: what is in front of us gives up on an answer after half a minute or more.
pub const WAIT_MAX_S: u64 = 25;
/// Shortest idle time after which a sandbox may be put to sleep, in seconds.
pub const IDLE_MIN_S: u32 = 60;
/// Longest one: 30 days.
pub const IDLE_MAX_S: u32 = 2_592_000;

/// Body of `POST …/wake`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WakeRequest {
    /// Milliseconds until it has failed, 1,000 to 3,600,000; default 300,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Body of `POST …/restart` and `…/restart-async`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestartRequest {
    /// What is started again; default `agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<RestartScope>,
    /// It may be stopped although nothing can be saved: what changed since the newest snapshot is lost then.
    #[serde(default)]
    pub discard_disk: bool,
    /// Milliseconds until it has failed, 1,000 to 3,600,000; default 300,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Body of `POST …/emergency-reset`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResetRequest {
    /// What is in no snapshot is lost by it; asked for while there is something.
    #[serde(default)]
    pub discard_disk: bool,
    /// Milliseconds until it has failed, 1,000 to 3,600,000; default 300,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Body of `POST …/destroy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DestroyRequest {
    /// Must be true.
    #[serde(default)]
    pub discard_disk: bool,
    /// What a call without it answers (409 `confirmation_required`, field `confirm`): valid for two minutes, for this user and this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    /// Milliseconds until it has failed, 1,000 to 3,600,000; default 300,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Body of `PUT …/tier`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TierRequest {
    /// 1, 2 or 3.
    pub tier: u8,
    /// It may be stopped although nothing can be saved: what changed since the newest snapshot is lost then.
    #[serde(default)]
    pub discard_disk: bool,
    /// Milliseconds until it has failed, 1,000 to 3,600,000; default 300,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Body of `PUT …/image`: one of `channel`, `name` and `rollback`, or `pin` alone, which pins the image that is chosen now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageRequest {
    /// `stable` or `canary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// A name in the deployment's images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Keeps the reference that the name has now: a deployment that moves the name does not move this sandbox.
    #[serde(default)]
    pub pin: bool,
    /// Goes back to the image before the newest choice.
    #[serde(default)]
    pub rollback: bool,
    /// It may be stopped although nothing can be saved: what changed since the newest snapshot is lost then.
    #[serde(default)]
    pub discard_disk: bool,
    /// Milliseconds until it has failed, 1,000 to 3,600,000; default 300,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Word of a policy of [`KeepAlive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum KeepAlivePolicy {
    /// As the deployment says.
    Default,
    /// Never sleeps; when it stops by itself it is started again.
    Always,
    /// Sleeps after so long without activity.
    Idle,
}

/// Body of `PUT …/keep-alive`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeepAliveRequest {
    /// When it may sleep.
    pub policy: KeepAlivePolicy,
    /// With `idle`, and only there: seconds without activity, 60 to 2,592,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// Answer (202) to what begins a change of one sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeAccepted {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub job_id: JobId,
    /// Where it stands; a change that had nothing to do has `succeeded` already.
    pub state: JobState,
    /// Path of the job.
    pub poll_url: String,
    /// Always true; older scripts read it.
    pub success: bool,
    /// Whose sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// For people.
    pub message: String,
    /// Path of the sandbox's state; older scripts read it.
    pub check_status_url: String,
}

/// What `POST …/wake?wait=` came to, in the words of older scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum WakeAction {
    /// It ran already.
    None,
    /// It was started, and runs.
    Started,
    /// It is still on its way: the job goes on.
    Timeout,
}

/// Answer to `POST …/wake?wait=`: 200, or 504 with `action: "timeout"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Woken {
    /// Whose sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// What it came to.
    pub action: WakeAction,
    /// What the sandbox was, in the old words.
    pub previous_state: super::StateWord,
    /// What it is.
    pub current_state: super::StateWord,
    /// Milliseconds that this call waited.
    pub waited_ms: u64,
    /// The job.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub job_id: JobId,
    /// Path of the job.
    pub poll_url: String,
}

/// Answer to `GET …/image`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageState {
    /// Whose sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Number of starts so far.
    pub generation: u64,
    /// Name of the image of this generation; null before the first start.
    pub image: Option<String>,
    /// Image of the next start; null for the deployment's own.
    pub next_image: Option<ImageChoice>,
}

/// Answer to `GET` and `PUT …/keep-alive`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeepAliveState {
    /// Whose sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// When it may sleep.
    pub keep_alive: KeepAlive,
    /// ISO-8601 time of its last use; null if never.
    pub last_active_at: Option<String>,
    /// ISO-8601 time at which it is put to sleep if nothing happens; null while it does not run or may not sleep.
    pub sleeps_at: Option<String>,
    /// ISO-8601 time at which it starts by itself; null if it does not.
    pub wakes_at: Option<String>,
}

/// Body of `POST /api/super/bulk/restart`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkRestartRequest {
    /// Whose sandboxes, each once, at most 1,000; those of all active users that run when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub user_ids: Option<Vec<UserId>>,
    /// Another word for `userIds`; one of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub users: Option<Vec<UserId>>,
    /// Restarts under way at once, 1 to 50; default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Milliseconds between the beginning of one and of the next, 0 to 600,000; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// What is started again; default `agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<RestartScope>,
    /// The caller knows that disks go; asked for with the scope `sandbox` by each that has one.
    #[serde(default)]
    pub discard_disk: bool,
    /// After that many that did not succeed no further one is begun; from 1. When absent none stops the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_after_failures: Option<u32>,
    /// Milliseconds until one restart has failed, 1,000 to 3,600,000; default 300,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl BulkRestartRequest {
    /// Equal for equal requests: what an idempotency key is compared with.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        hex(&Sha256::digest(&canonical))
    }
}

/// Answer to `POST /api/super/bulk/restart` (202).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkRestartAccepted {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub job_id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// Users whose sandboxes it works on.
    pub total: u32,
    /// Path of the job; its parts are at `…/children`.
    pub poll_url: String,
    /// Always true; older scripts read it.
    pub success: bool,
    /// For people.
    pub message: String,
    /// As asked.
    pub delay_ms: u64,
    /// A guess, in milliseconds: older scripts wait so long.
    pub estimated_duration_ms: u64,
    /// Path of all states; older scripts read it.
    pub check_status_url: String,
}
