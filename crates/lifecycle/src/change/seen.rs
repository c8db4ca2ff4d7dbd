//! What a change goes by: the stored state of its sandbox, and what its container said when it was last asked.

use crate::sandbox::owner::OwnerStanding;
use molt_common::control::snapshot::{SaveView, UpkeepView};
use molt_common::control::{AgentRestart, SupervisorPhase, SupervisorStatus};
use molt_common::disk_view::StopRefusedView;
use molt_common::ownership::Owner;
use molt_common::sandbox_call::{Lifecycle, Phase, SandboxView};
use molt_common::snapshot::SnapshotId;
use molt_common::time::Millis;

/// What the supervisor said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of which generation it is.
    pub generation: u64,
    /// Whether the agent admits traffic.
    pub ready: bool,
    /// The newest restart of the agent that was asked for.
    pub restart: Option<AgentRestart>,
    /// The newest save.
    pub save: Option<SaveView>,
    /// The newest work of upkeep.
    pub upkeep: Option<UpkeepView>,
}

impl From<&SupervisorStatus> for Told {
    fn from(status: &SupervisorStatus) -> Self {
        Self {
            generation: status.generation,
            ready: status.phase == SupervisorPhase::Ready,
            restart: status.restart.clone(),
            save: status.snapshots.as_ref().and_then(|told| told.save.clone()),
            upkeep: status.snapshots.as_ref().and_then(|told| told.upkeep.clone()),
        }
    }
}

/// One look at the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// When it was begun: what is told is at least as new.
    pub at: Millis,
    /// Whether the runtime said that there is a container.
    pub container: bool,
    /// The supervisor's answer, if there was one.
    pub told: Option<Told>,
}

/// What is known now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where the sandbox stands.
    pub lifecycle: Lifecycle,
    /// How far a start is.
    pub phase: Option<Phase>,
    /// Number of the newest start.
    pub generation: u64,
    /// Why the last start or run ended by itself.
    pub cause: Option<String>,
    /// When a failed start may be tried again.
    pub retry_at: Option<Millis>,
    /// The platform has no room for it now.
    pub waits_for_capacity: bool,
    /// Its user is with what ran before, and not on the way here.
    pub elsewhere: bool,
    /// Its user is on the way, in either direction: nothing may be started.
    pub moving: bool,
    /// A stop of it that did not happen, because its disk could not be saved.
    pub stop_refused: Option<StopRefusedView>,
    /// What this generation began with, once its disk held that.
    pub restored: Option<SnapshotId>,
    /// Whether its owner may have it started. Looked up where the change would start it ([`super::Change::starts`]).
    pub owner: OwnerStanding,
    /// The newest look at the container.
    pub observation: Option<Observation>,
}

impl Seen {
    /// From what the object stores and has last observed.
    #[must_use]
    pub fn of(view: &SandboxView, observation: Option<Observation>) -> Self {
        let placement = view.placement.as_ref();
        Self {
            lifecycle: view.lifecycle,
            phase: view.phase,
            generation: view.generation,
            cause: view.cause.clone(),
            retry_at: view.retry_at,
            waits_for_capacity: view.waits_for_capacity,
            elsewhere: placement.is_some_and(|placement| placement.owner == Owner::Legacy && !placement.moving),
            moving: placement.is_some_and(|placement| placement.moving),
            stop_refused: view.disk.as_ref().and_then(|disk| disk.stop_refused.clone()),
            restored: None,
            owner: OwnerStanding::default(),
            observation,
        }
    }

    /// Whether a generation is on its way up or there.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Starting | Lifecycle::Running)
    }

    /// Whether nothing runs, as far as is stored.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        matches!(
            self.lifecycle,
            Lifecycle::Stopped | Lifecycle::Sleeping | Lifecycle::Failed
        )
    }

    /// The newest look, if it was begun at this time or later.
    pub(super) fn looked(&self, since: Millis) -> Option<&Observation> {
        self.observation.as_ref().filter(|observation| observation.at >= since)
    }

    /// What the supervisor of the newest generation said at this time or later.
    pub(super) fn told(&self, since: Millis) -> Option<&Told> {
        let told = self.looked(since)?.told.as_ref()?;
        (told.generation == self.generation).then_some(told)
    }

    /// Whether the agent of the newest generation was seen to admit traffic at this time or later.
    pub(super) fn ready(&self, since: Millis) -> bool {
        self.lifecycle == Lifecycle::Running && self.told(since).is_some_and(|told| told.ready)
    }

    /// Whether there certainly was no container at this time or later. One that was never started has none.
    pub(super) fn is_gone(&self, since: Millis) -> bool {
        self.generation == 0 || self.looked(since).is_some_and(|observation| !observation.container)
    }
}
