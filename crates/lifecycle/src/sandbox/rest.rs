//! How a generation ends, and what comes after it.

use super::disk::BeforeStop;
use super::sleep::WAKE_PATIENCE_MS;
use super::{Action, Rest, STOP_DEADLINE_MS, Sandbox, Stage};
use molt_common::control::SupervisorStatus;
use molt_common::sandbox_change::KeepAlive;
use molt_common::time::Millis;

const BACKOFF_FIRST_MS: u64 = 1_000;
const BACKOFF_LONGEST_MS: u64 = 60_000;

impl Sandbox {
    pub(super) fn stop_wanted(&mut self, before: BeforeStop, now: Millis) -> Vec<Action> {
        match self.stage {
            // Nothing was asked for that could be stopped.
            Stage::Starting { .. } if self.launched_at.is_none() && self.boot_id.is_none() => {
                self.end(None, Rest::Wanted, now)
            }
            Stage::Starting { .. } | Stage::Running => {
                self.wakes_at = None;
                self.stop_after_save(Rest::Wanted, before, now)
            }
            // It stays stopped, whatever it was stopped for first.
            Stage::Stopping { .. } | Stage::Stopped | Stage::Failed { .. } => {
                self.rest_as_wanted();
                vec![]
            }
        }
    }

    pub(super) fn kill_wanted(&mut self, now: Millis) -> Vec<Action> {
        self.breaker.close();
        self.failures = 0;
        match self.stage {
            Stage::Stopped => {
                self.rest_as_wanted();
                vec![Action::Destroy]
            }
            Stage::Starting { .. } | Stage::Running | Stage::Stopping { .. } | Stage::Failed { .. } => {
                self.disk.cut = true;
                let mut actions = vec![Action::Destroy];
                actions.extend(self.end(None, Rest::Wanted, now));
                actions
            }
        }
    }

    pub(super) fn rest_as_wanted(&mut self) {
        self.rest = Rest::Wanted;
        self.given_up = None;
        self.needed_again = false;
        self.wakes_at = None;
    }

    pub(super) fn stop(&mut self, rest: Rest, now: Millis) -> Vec<Action> {
        self.rest = rest;
        self.needed_again = false;
        self.capacity = None;
        self.disk.stop = None;
        self.disk.progress = None;
        self.disk.stop_heard = false;
        self.enter(Stage::Stopping { began: now }, now);
        vec![Action::Terminate, Action::Announce]
    }

    pub(super) fn probed_stopping(
        &mut self,
        began: Millis,
        container: bool,
        status: Option<&SupervisorStatus>,
        now: Millis,
    ) -> Vec<Action> {
        if !container {
            return self.stopped(now);
        }
        // Another boot has nothing to put in order.
        let replaced = status.is_some_and(|status| self.is_replaced(status));
        if let Some(status) = status.filter(|_| !replaced) {
            self.heard_stopping(status, now);
        }
        let late = now.since(began) >= STOP_DEADLINE_MS;
        if !replaced
            && late
            && let Some(actions) = self.stop_goes_on(began, now)
        {
            return actions;
        }
        if replaced || late {
            self.disk.cut = true;
            let mut actions = vec![Action::Destroy];
            actions.extend(self.stopped(now));
            return actions;
        }
        vec![]
    }

    fn stopped(&mut self, now: Millis) -> Vec<Action> {
        if let Some(given_up) = self.given_up.take() {
            return self.fail_with(given_up.cause, given_up.pause, now);
        }
        match self.rest {
            Rest::Unexpected => self.ended("The sandbox stopped by itself.", now),
            rest => self.end(None, rest, now),
        }
    }

    /// A running one has no container any more, or is given up.
    pub(super) fn lose(&mut self, cause: &str, now: Millis) -> Vec<Action> {
        self.wakes_at = self.scheduled(now);
        self.disk.cut = true;
        // Also where the runtime says that there is none: perhaps it is the one who is wrong.
        let mut actions = vec![Action::Destroy];
        actions.extend(self.ended(cause, now));
        actions
    }

    fn ended(&mut self, cause: &str, now: Millis) -> Vec<Action> {
        match self.breaker.ended(now) {
            None => self.end(Some(cause.into()), Rest::Unexpected, now),
            Some(pause) => self.fail(cause.into(), Some(pause), now),
        }
    }

    /// A start whose supervisor answers is given up.
    pub(super) fn give_up_answering(&mut self, cause: String, now: Millis) -> Vec<Action> {
        let pause = self.breaker.ended(now);
        self.give_up_after_save(cause, pause, now)
    }

    /// A start of which a container may be there is given up.
    pub(super) fn give_up(&mut self, cause: String, now: Millis) -> Vec<Action> {
        let pause = self.breaker.ended(now);
        self.fail(cause, pause, now)
    }

    pub(super) fn fail(&mut self, cause: String, pause: Option<u64>, now: Millis) -> Vec<Action> {
        self.disk.cut = true;
        self.fail_with(cause, pause, now)
    }

    fn fail_with(&mut self, cause: String, pause: Option<u64>, now: Millis) -> Vec<Action> {
        let backoff = BACKOFF_FIRST_MS
            .saturating_mul(1 << self.failures.min(10))
            .min(BACKOFF_LONGEST_MS);
        let wait = pause.unwrap_or(0).max(backoff);
        self.failures = self.failures.saturating_add(1);
        self.end(Some(cause), Rest::Unexpected, now);
        self.stage = Stage::Failed {
            retry_at: now.plus(wait),
        };
        vec![Action::Destroy, Action::Announce]
    }

    pub(super) fn end(&mut self, cause: Option<String>, rest: Rest, now: Millis) -> Vec<Action> {
        self.cause = cause;
        self.rest = rest;
        self.boot_id = None;
        self.booted_at = None;
        self.launched_at = None;
        self.phase_began = None;
        self.capacity = None;
        self.disk.stop = None;
        self.disk.progress = None;
        self.given_up = None;
        self.open_sockets = None;
        self.wakes_at = match rest {
            Rest::Wanted => None,
            Rest::Asleep | Rest::Unexpected => self.wakes_at.filter(|at| now.since(*at) < WAKE_PATIENCE_MS),
        };
        if rest == Rest::Wanted {
            self.needed_again = false;
        }
        self.heard();
        self.enter(Stage::Stopped, now);
        vec![Action::Announce]
    }

    /// Whether a schedule or a policy wants it, although nobody asks just now.
    pub(super) fn is_wanted_without_requests(&self, now: Millis) -> bool {
        let scheduled = self
            .wakes_at
            .is_some_and(|at| at <= now && now.since(at) < WAKE_PATIENCE_MS);
        scheduled || (self.rest == Rest::Unexpected && self.settings.keep_alive == KeepAlive::Always)
    }
}
