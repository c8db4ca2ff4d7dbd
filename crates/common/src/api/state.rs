//! Answer types that say where a sandbox stands: from stored observations, and with `?probe=1` what the sandbox says of itself besides.

use super::disk_state::DiskState;
use crate::control::SupervisorPhase;
use crate::id::UserId;
use crate::job_id::JobId;
use crate::ownership::Owner;
use crate::sandbox_call::{Lifecycle, Phase, Probed, SandboxView};
use crate::sandbox_change::{ImageChoice, KeepAlive};
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

impl StateWord {
    /// Every word.
    pub const ALL: [Self; 6] = [
        Self::Active,
        Self::Idle,
        Self::Starting,
        Self::Sleeping,
        Self::Stopped,
        Self::Error,
    ];

    /// As in JSON and filters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Sleeping => "sleeping",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == text)
    }

    /// The one state of ours that it is the old word for.
    #[must_use]
    pub const fn lifecycle(self) -> Lifecycle {
        match self {
            Self::Active => Lifecycle::Running,
            Self::Idle => Lifecycle::Stopping,
            Self::Starting => Lifecycle::Starting,
            Self::Sleeping => Lifecycle::Sleeping,
            Self::Stopped => Lifecycle::Stopped,
            Self::Error => Lifecycle::Failed,
        }
    }
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
    /// ISO-8601 time since which it stands there; null for a sandbox that never started.
    #[serde(default)]
    pub since: Option<String>,
    /// ISO-8601 time of the observation; null when the container was never asked.
    pub observed_at: Option<String>,
    /// Age of the observation in milliseconds when this answer was made.
    pub age_ms: Option<u64>,
    /// ISO-8601 time at which somebody or something last used it; null if never.
    #[serde(default)]
    pub last_active_at: Option<String>,
    /// ISO-8601 time at which it is put to sleep if nothing happens; null while it does not run or may not sleep.
    pub sleeps_at: Option<String>,
    /// ISO-8601 time at which it starts by itself; null if it does not.
    #[serde(default)]
    pub wakes_at: Option<String>,
    /// ISO-8601 time at which a failed start may be tried again; null without one.
    #[serde(default)]
    pub retry_at: Option<String>,
    /// When it may sleep.
    #[serde(default)]
    pub keep_alive: KeepAlive,
    /// Name of the image of this generation.
    pub image: Option<String>,
    /// Image of the next start; null for the deployment's own.
    #[serde(default)]
    pub next_image: Option<ImageChoice>,
    /// 1, 2 or 3.
    pub tier: u8,
    /// Tier of the next start; differs from `tier` until a running sandbox was started again. Null while nobody ever chose one.
    #[serde(default)]
    pub next_tier: Option<u8>,
    /// The change that is under way, as a job; null without one.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub change: Option<JobId>,
    /// The platform has no room for it now; it is started as soon as there is some.
    #[serde(default)]
    pub waits_for_capacity: bool,
    /// Sockets that were open at the last observation; null without one.
    #[serde(default)]
    pub open_sockets: Option<u32>,
    /// ISO-8601 time of the last good snapshot.
    pub last_snapshot_at: Option<String>,
    /// Its age in milliseconds when this answer was made.
    #[serde(default)]
    pub snapshot_age_ms: Option<u64>,
    /// How its disk is kept; null of a sandbox that was never looked at.
    #[serde(default)]
    pub disk: Option<DiskState>,
    /// Why the last start or run ended, if it did by itself.
    pub error: Option<String>,
    /// What it said when it was asked just now; only with `?probe=1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
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
        let last_snapshot_at = view.disk.as_ref().and_then(|disk| disk.last_snapshot_at);
        Self {
            user_id,
            name: None,
            owner: view.placement.map_or(Owner::New, |placement| placement.owner),
            state: view.lifecycle.into(),
            lifecycle: view.lifecycle,
            phase: view.phase,
            generation: view.generation,
            since: (view.since.0 > 0).then(|| view.since.iso()),
            observed_at: view.observed_at.map(Millis::iso),
            age_ms: view.observed_at.map(|at| now.since(at)),
            last_active_at: view.last_active_at.map(Millis::iso),
            sleeps_at: view.sleeps_at.map(Millis::iso),
            wakes_at: view.wakes_at.map(Millis::iso),
            retry_at: view.retry_at.map(Millis::iso),
            keep_alive: view.keep_alive,
            image: view.image,
            next_image: view.next_image,
            tier: view.tier,
            next_tier: view.next_tier,
            change: view.change,
            waits_for_capacity: view.waits_for_capacity,
            open_sockets: view.open_sockets,
            last_snapshot_at: last_snapshot_at.map(Millis::iso),
            snapshot_age_ms: last_snapshot_at.map(|at| now.since(at)),
            disk: view.disk.map(|disk| DiskState::new(*disk)),
            error: view.cause,
            probe: None,
            timestamp: now.iso(),
        }
    }
}

/// What a running sandbox said when it was asked. Asking changes nothing, not even what is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Probe {
    /// Whether its supervisor answered.
    pub reachable: bool,
    /// Whether the runtime says that there is a container.
    pub container: bool,
    /// Milliseconds that the question took; null when there was nobody to ask.
    pub latency_ms: Option<u64>,
    /// How far the agent is; null unless reachable, as are the rest.
    pub phase: Option<SupervisorPhase>,
    /// Why the agent is not there, when `phase` is `failed`.
    pub cause: Option<String>,
    /// Process id of the agent inside the sandbox; null while it has none.
    pub agent_pid: Option<u32>,
    /// How often the agent was started again in this boot.
    pub agent_restarts: Option<u32>,
    /// Sockets that are open through the proxy.
    pub open_sockets: Option<u32>,
    /// Commands that run now.
    pub running_commands: Option<u32>,
    /// ISO-8601 time of the last activity; null if never in this boot.
    pub last_active_at: Option<String>,
    /// What goes on now, so that it must not sleep: `command`, `agent`, `exchange`.
    pub busy: Vec<String>,
    /// ISO-8601 time at which the agent has something to do by itself next, if it told.
    pub next_wake_at: Option<String>,
}

impl Probe {
    /// From the object's answer.
    #[must_use]
    pub fn new(probed: &Probed) -> Self {
        let status = probed.status.as_deref();
        let time = |at: Option<u64>| at.map(|at| Millis(at).iso());
        Self {
            reachable: status.is_some(),
            container: probed.container,
            latency_ms: probed.container.then_some(probed.latency_ms),
            phase: status.map(|status| status.phase),
            cause: status.and_then(|status| status.cause.clone()),
            agent_pid: status.and_then(|status| status.agent_pid),
            agent_restarts: status.map(|status| status.agent_restarts),
            open_sockets: status.map(|status| status.open_sockets),
            running_commands: status.map(|status| status.running_commands),
            last_active_at: time(status.and_then(|status| status.last_active_at)),
            busy: status.map(|status| status.busy.clone()).unwrap_or_default(),
            next_wake_at: time(status.and_then(|status| status.next_wake_at)),
        }
    }
}

/// Answer to `GET /api/super/users/{id}/state/v2`, in the form that older monitors read. From stored observations unless `?probe=1` asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveState {
    /// Owner.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// State in the old words.
    pub state: StateWord,
    /// State in ours.
    pub lifecycle: Lifecycle,
    /// Processes of the sandbox: always null, because nothing counts them. `lifecycle` says what the number was read for.
    pub process_count: Option<u32>,
    /// Whether the agent admits traffic, at the last observation or as the probe says; null without a container.
    pub gateway_healthy: Option<bool>,
    /// ISO-8601 time of the observation that this tells of; null when the container was never asked.
    pub checked_at: Option<String>,
    /// Age of that observation in milliseconds; 0 with a probe that was answered.
    pub age_ms: Option<u64>,
    /// Milliseconds that it took to read the stored observation; with a probe that was answered, those of the question to the sandbox.
    pub latency_ms: u64,
    /// ISO-8601 time of the last good snapshot; null without one.
    pub last_sync_at: Option<String>,
    /// Why the last start or run ended, if it did by itself; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it said when it was asked just now; only with `?probe=1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

impl LiveState {
    /// From what is stored (`read_ms` is how long reading it took) and, if it was asked, what the sandbox said.
    #[must_use]
    pub fn new(user_id: UserId, view: &SandboxView, probe: Option<Probe>, read_ms: u64, now: Millis) -> Self {
        let answered = probe.as_ref().filter(|probe| probe.reachable);
        let stored = match view.lifecycle {
            Lifecycle::Running => Some(true),
            Lifecycle::Starting | Lifecycle::Stopping => Some(false),
            Lifecycle::Stopped | Lifecycle::Failed | Lifecycle::Sleeping => None,
        };
        Self {
            user_id,
            state: view.lifecycle.into(),
            lifecycle: view.lifecycle,
            process_count: None,
            gateway_healthy: match &probe {
                Some(probe) if probe.container => Some(probe.phase == Some(SupervisorPhase::Ready)),
                Some(_) => None,
                None => stored,
            },
            checked_at: match answered {
                Some(_) => Some(now.iso()),
                None => view.observed_at.map(Millis::iso),
            },
            age_ms: match answered {
                Some(_) => Some(0),
                None => view.observed_at.map(|at| now.since(at)),
            },
            latency_ms: answered.and_then(|probe| probe.latency_ms).unwrap_or(read_ms),
            last_sync_at: view
                .disk
                .as_ref()
                .and_then(|disk| disk.last_snapshot_at)
                .map(Millis::iso),
            error: view.cause.clone(),
            probe,
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
