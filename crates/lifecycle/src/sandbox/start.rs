//! Starts: single-flight, with a deadline for each phase.

use super::capacity::CapacityWait;
use super::disk::{Disk, RESTORE_STALL_MS, Restoring};
use super::{Action, Refusal, Rest, Sandbox, Stage};
use molt_common::control::{SupervisorPhase, SupervisorStatus};
use molt_common::id::UserId;
use molt_common::sandbox_call::Phase;
use molt_common::time::Millis;

/// A container that has not answered after this long is given up.
pub const CONTAINER_DEADLINE_MS: u64 = 30_000;
/// A configuration that is not written after this long is given up.
pub const CONFIGURE_DEADLINE_MS: u64 = 30_000;
/// An agent that is not ready after this long is given up.
pub const AGENT_DEADLINE_MS: u64 = 120_000;
/// A start that is not ready after this long is given up, however often it went back to an earlier phase.
pub const START_DEADLINE_MS: u64 = 180_000;
/// The supervisor restarts the agent by itself; after this often without one that stayed ready for [`AGENT_SETTLED_MS`] the start has failed.
pub const AGENT_RESTARTS_TO_GIVE_UP: u32 = 5;
/// An agent that was ready for this long has come up. One that is ready for a moment and ends has not: the supervisor goes on pausing longer each
/// time (up to 30 s, after which its own count starts over), and a count that began anew with each moment would take minutes to say so.
pub const AGENT_SETTLED_MS: u64 = 30_000;

impl Sandbox {
    pub(super) fn needed(&mut self, owner: UserId, tier: u8, now: Millis) -> Vec<Action> {
        match self.stage {
            Stage::Stopped => self.begin(owner, self.next_tier(tier), now),
            Stage::Failed { retry_at } if now >= retry_at => self.begin(owner, self.next_tier(tier), now),
            Stage::Starting { .. } => {
                if let Some(wait) = &mut self.capacity {
                    wait.wanted(now);
                }
                vec![]
            }
            // Whoever stopped it decides what comes next; what only nobody used is wanted after all.
            Stage::Stopping { .. } => {
                self.needed_again = self.rest == Rest::Asleep;
                vec![]
            }
            Stage::Running => {
                self.stay_awake();
                vec![]
            }
            Stage::Failed { .. } => vec![],
        }
    }

    /// Something may have come due that no request asks for.
    pub(super) fn due(&mut self, now: Millis) -> Vec<Action> {
        if let (Stage::Starting { .. }, Some(wait), None) = (&self.stage, &self.capacity, self.launched_at) {
            return if wait.goes_on(now) || self.is_wanted_without_requests(now) {
                vec![]
            } else {
                self.end(self.cause.clone(), Rest::Unexpected, now)
            };
        }
        match (self.starts_at(), self.owner) {
            (Some(at), Some(owner)) if at <= now => self.begin(owner, self.next_tier(self.tier), now),
            _ => vec![],
        }
    }

    fn begin(&mut self, owner: UserId, tier: u8, now: Millis) -> Vec<Action> {
        self.owner = Some(owner);
        self.tier = tier;
        self.generation += 1;
        self.boot_id = None;
        self.booted_at = None;
        self.launched_at = None;
        self.phase_began = Some(now);
        self.capacity = None;
        self.disk = Disk::default();
        self.needed_again = false;
        self.barred_until = None;
        self.agent_restarts = 0;
        self.agent_restarts_told = 0;
        self.agent_restart = None;
        self.open_sockets = None;
        self.next_wake_at = None;
        self.heard();
        self.cause = None;
        self.log_tail.clear();
        self.enter(
            Stage::Starting {
                phase: Phase::Container,
                began: now,
            },
            now,
        );
        vec![Action::Start, Action::Announce]
    }

    /// Whether the runtime is to be asked for a container now.
    #[must_use]
    pub fn launches(&self, now: Millis) -> bool {
        let waits = self.capacity.as_ref().is_some_and(|wait| now < wait.retry_at);
        matches!(self.stage, Stage::Starting { .. }) && self.launched_at.is_none() && self.boot_id.is_none() && !waits
    }

    /// It is asked for again, within the deadline of the phase.
    pub(super) fn never_launched(&mut self) {
        if matches!(self.stage, Stage::Starting { .. }) && self.boot_id.is_none() {
            self.launched_at = None;
        }
    }

    pub(super) fn refused(&mut self, cause: String, refusal: Refusal, now: Millis) -> Vec<Action> {
        let Stage::Starting { phase, .. } = self.stage else {
            return vec![];
        };
        match refusal {
            Refusal::Engine => {
                let mut actions = self.fail(cause, None, now);
                actions.push(Action::Abort);
                actions
            }
            Refusal::Deployment => self.fail(cause, None, now),
            Refusal::Capacity => {
                let first = self.capacity.is_none();
                self.capacity = Some(CapacityWait::after(self.capacity.take(), self.owner, now));
                self.launched_at = None;
                self.cause = Some(cause);
                // Its deadlines count from when there is room.
                self.stage = Stage::Starting { phase, began: now };
                self.phase_began = Some(now);
                if first { vec![Action::Announce] } else { vec![] }
            }
        }
    }

    pub(super) fn probed_starting(
        &mut self,
        phase: Phase,
        began: Millis,
        container: bool,
        status: Option<&SupervisorStatus>,
        now: Millis,
    ) -> Vec<Action> {
        if self.launched_at.is_none() && self.boot_id.is_none() {
            // Nothing was asked for yet, so what is there is not ours.
            return match self.late(phase, began, now) {
                Some(cause) if self.capacity.is_none() => self.give_up(cause, now),
                _ if container => vec![Action::Destroy],
                _ => vec![],
            };
        }
        if !container {
            return self.give_up("The container ended while it started.".into(), now);
        }
        let Some(status) = status else {
            return match self.late(phase, began, now) {
                Some(cause) => self.give_up(cause, now),
                None => vec![],
            };
        };
        if self.is_replaced(status) {
            return self.give_up("The container was replaced by another boot.".into(), now);
        }
        self.boot_id = Some(status.boot_id.clone());
        self.booted_at.get_or_insert(now);
        self.capacity = None;
        self.log_tail.clone_from(&status.log_tail);
        match self.restoring(status, phase, now) {
            Restoring::Done => {}
            Restoring::Failed(cause) => return self.give_up(cause, now),
            Restoring::Going(actions) => {
                let Stage::Starting { phase, began } = self.stage else {
                    return actions;
                };
                return match self.late(phase, began, now) {
                    Some(cause) => self.give_up(cause, now),
                    None => actions,
                };
            }
        }
        if status.phase != SupervisorPhase::Stopping
            && let Some(actions) = self.saving(status, now)
        {
            return actions;
        }
        let reached = match status.phase {
            SupervisorPhase::Ready => return self.ready(status, now),
            SupervisorPhase::Stopping => {
                return self.give_up_answering("The sandbox was told to stop while it started.".into(), now);
            }
            SupervisorPhase::Restore => Phase::Restore,
            SupervisorPhase::Configure => Phase::Configure,
            SupervisorPhase::Agent | SupervisorPhase::Failed => Phase::Agent,
        };
        self.cause.clone_from(&status.cause);
        if status.phase == SupervisorPhase::Failed
            && status.agent_restarts.saturating_sub(self.agent_restarts) >= AGENT_RESTARTS_TO_GIVE_UP
        {
            let cause = status.cause.clone();
            return self.give_up_answering(cause.unwrap_or_else(|| "The agent ended again and again.".into()), now);
        }
        // What restoring took is not the start's.
        let began = if phase == Phase::Restore { now } else { began };
        if reached != phase {
            self.phase_began = Some(now);
            self.stage = Stage::Starting { phase: reached, began };
        }
        match self.late(reached, began, now) {
            Some(cause) => self.give_up_answering(cause, now),
            None if reached == phase => vec![],
            None => vec![Action::Announce],
        }
    }

    /// Why a start that has come to `phase` is given up now, if it is.
    fn late(&self, phase: Phase, began: Millis, now: Millis) -> Option<String> {
        let (most, what) = match phase {
            Phase::Configure => (CONFIGURE_DEADLINE_MS, "The sandbox was not configured"),
            Phase::Restore => (RESTORE_STALL_MS, "Restoring your files got no further"),
            Phase::Agent | Phase::Ready => (AGENT_DEADLINE_MS, "The agent was not ready"),
            Phase::Container | Phase::Fence => (CONTAINER_DEADLINE_MS, "The container did not answer"),
        };
        if now.since(self.phase_began.unwrap_or(began)) >= most {
            return Some(format!("{what} within {} s.", most / 1000));
        }
        (phase != Phase::Restore && now.since(began) >= START_DEADLINE_MS)
            .then(|| format!("The sandbox was not ready within {} s.", START_DEADLINE_MS / 1000))
    }

    fn ready(&mut self, status: &SupervisorStatus, now: Millis) -> Vec<Action> {
        self.failures = 0;
        self.heard();
        self.cause = None;
        self.wakes_at = None;
        self.phase_began = None;
        self.note_agent(status, 0);
        self.open_sockets = Some(status.open_sockets);
        self.enter(Stage::Running, now);
        vec![Action::KeepAlive, Action::Announce]
    }
}
