//! What must hold at every step of the world.

use super::world::{IDLE_MS, World};
use crate::sandbox::{Rest, Sandbox, Stage};

impl World {
    /// Notes the first promise that the step from `before` breaks.
    pub fn check(&mut self, before: &Sandbox, by_itself: bool, by_force: bool) {
        let now = self.now;
        if self.sandbox.generation > before.generation {
            match before.stage {
                Stage::Stopped => {}
                Stage::Failed { retry_at } if retry_at <= now => {}
                _ => self.broken = Some("a start in the breaker's pause, or beside another"),
            }
            if by_itself && !before.needed_again {
                self.woke_by_schedule = true;
                if before.wakes_at.is_none_or(|at| at > now) {
                    self.broken = Some("it woke for nothing");
                }
            }
        }
        let sleeps =
            |sandbox: &Sandbox| matches!(sandbox.stage, Stage::Stopping { .. }) && sandbox.rest == Rest::Asleep;
        if sleeps(&self.sandbox) && !sleeps(before) {
            self.slept = true;
            let used = self
                .used_at
                .max(self.container.and_then(|container| container.active_at));
            let busy = self.in_flight || self.container.is_some_and(|container| container.busy);
            if busy || used.is_some_and(|at| now.since(at) < IDLE_MS) {
                self.broken = Some("it goes to sleep while it is used");
            }
            let planned = self.container.and_then(|container| container.wake_at);
            if planned.is_some_and(|at| at > now) && self.sandbox.wakes_at != planned {
                self.broken = Some("it goes to sleep without its plan");
            }
        }
        // What the agent planned is not forgotten by an orderly sleep.
        let ended = self.sandbox.rest == Rest::Asleep && self.sandbox.stage == Stage::Stopped;
        if ended && !by_force && before.wakes_at.is_some() && self.sandbox.wakes_at.is_none() {
            self.broken = Some("a wake-up is lost");
        }
    }
}
