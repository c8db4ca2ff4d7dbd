//! A stop that was only to be followed by another start, which nobody waits for any more.

use super::{Action, Rest, Sandbox, Stage};
use molt_common::sandbox_change::KeepAlive;
use molt_common::time::Millis;

impl Sandbox {
    /// Whoever had this generation stopped so that another follows has given that up. One that still waits for its save goes on; one that has had its
    /// TERM stops, and rests as one that nobody used: its agent's plan, its policy and whoever asks start it again.
    pub(super) fn stop_withdrawn(&mut self, generation: u64, now: Millis) -> Vec<Action> {
        // That its owner was shut out is another reason.
        if self.generation != generation || self.shut_out_at.is_some() {
            return vec![];
        }
        match self.stage {
            Stage::Starting { .. } | Stage::Running => {
                if self.disk.stop.take_if(|stop| stop.rest == Rest::Wanted).is_none() {
                    return vec![];
                }
                self.disk.progress = None;
            }
            Stage::Stopping { .. } | Stage::Stopped if self.rest == Rest::Wanted => {
                self.rest = Rest::Asleep;
                self.wakes_at = match self.settings.keep_alive {
                    KeepAlive::Always => Some(now),
                    KeepAlive::Default | KeepAlive::Idle { .. } => self.scheduled(now),
                };
            }
            Stage::Stopping { .. } | Stage::Stopped | Stage::Failed { .. } => return vec![],
        }
        vec![Action::Announce]
    }
}
