//! A running sandbox: heard or silent, used or idle.

use super::disk::BeforeStop;
use super::sleep::LocalUse;
use super::start::AGENT_SETTLED_MS;
use super::{Action, Rest, Sandbox, Stage};
use molt_common::control::{SupervisorPhase, SupervisorStatus};
use molt_common::sandbox_call::Phase;
use molt_common::time::Millis;

/// A running sandbox that does not answer this often in a row, and for [`SILENCE_TO_GIVE_UP_MS`], is given up.
pub const MISSES_TO_GIVE_UP: u32 = 3;
/// How long a running sandbox is silent at least before it is given up: every call that fails has it asked at once, so a busy one misses many
/// times within the longest pause (5 s) after which `sandboxd init` starts `serve` again.
pub const SILENCE_TO_GIVE_UP_MS: u64 = 8_000;
/// A running sandbox is asked this often, and kept alive for three of these periods.
pub const HEARTBEAT_MS: u64 = 20_000;

impl Sandbox {
    pub(super) fn probed_running(
        &mut self,
        container: bool,
        status: Option<&SupervisorStatus>,
        local: LocalUse,
        now: Millis,
    ) -> Vec<Action> {
        if !container {
            return self.lose("The container went away.", now);
        }
        let Some(status) = status else {
            self.misses = self.misses.saturating_add(1);
            let silent_since = *self.silent_since.get_or_insert(now);
            if self.misses < MISSES_TO_GIVE_UP || now.since(silent_since) < SILENCE_TO_GIVE_UP_MS {
                return vec![];
            }
            return self.lose("The sandbox stopped answering.", now);
        };
        if self.is_replaced(status) {
            return self.lose("The container was replaced by another boot.", now);
        }
        self.heard();
        self.note_use(status, local);
        self.note_saved(status);
        let may_sleep = status.phase == SupervisorPhase::Ready && self.may_sleep(status, local, now);
        if !may_sleep {
            self.stay_awake();
        }
        if status.phase != SupervisorPhase::Stopping
            && let Some(actions) = self.saving(status, now)
        {
            return actions;
        }
        match status.phase {
            SupervisorPhase::Ready if may_sleep => {
                self.wakes_at = self.scheduled(now);
                self.stop_after_save(Rest::Asleep, BeforeStop::Save, now)
            }
            SupervisorPhase::Ready => {
                self.note_agent(status, now.since(self.since));
                self.breaker.ran(now.since(self.since));
                vec![Action::KeepAlive]
            }
            SupervisorPhase::Stopping => {
                self.rest = Rest::Unexpected;
                self.wakes_at = self.scheduled(now);
                self.heard_stopping(status, now);
                self.enter(Stage::Stopping { began: now }, now);
                vec![Action::Announce]
            }
            SupervisorPhase::Restore
            | SupervisorPhase::Configure
            | SupervisorPhase::Agent
            | SupervisorPhase::Failed => self.agent_left(status, now),
        }
    }

    /// The agent does not admit traffic any more: it ended and is started again in its container, somebody asked for that, or it only hangs.
    fn agent_left(&mut self, status: &SupervisorStatus, now: Millis) -> Vec<Action> {
        self.cause.clone_from(&status.cause);
        self.log_tail.clone_from(&status.log_tail);
        let asked_for = status.restart.as_ref().map(|restart| &restart.id) != self.agent_restart.as_ref();
        // One that hangs may go on; only an end is a crash.
        let ended = status.phase == SupervisorPhase::Failed || status.agent_restarts != self.agent_restarts_told;
        if ended
            && !asked_for
            && let Some(pause) = self.breaker.agent_ended(now)
        {
            let cause = status.cause.clone();
            return self.give_up_after_save(
                cause.unwrap_or_else(|| "The agent ended again and again.".into()),
                Some(pause),
                now,
            );
        }
        self.phase_began = Some(now);
        self.enter(
            Stage::Starting {
                phase: Phase::Agent,
                began: now,
            },
            now,
        );
        vec![Action::KeepAlive, Action::Announce]
    }

    /// What is known of the agent's restarts while it admits traffic, which it has been seen to do for so long.
    pub(super) fn note_agent(&mut self, status: &SupervisorStatus, ready_ms: u64) {
        let restart = status.restart.as_ref().map(|restart| restart.id.clone());
        // A restart that was asked for is no crash, and the supervisor begins anew with it as well.
        if ready_ms >= AGENT_SETTLED_MS || restart != self.agent_restart {
            self.agent_restarts = status.agent_restarts;
        }
        self.agent_restart = restart;
        self.agent_restarts_told = status.agent_restarts;
    }
}
