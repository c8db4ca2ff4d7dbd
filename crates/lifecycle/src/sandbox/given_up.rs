//! A sandbox that is given up, or whose owner was shut out, although its supervisor still answers: its disk is saved before it goes.

use super::disk::BeforeStop;
use super::{Action, Rest, Sandbox, Stage};
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// A stop of a sandbox whose owner was shut out that did not happen is tried again after this long.
pub const SHUT_OUT_AGAIN_MS: u64 = 60_000;

/// What follows once it has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GivenUp {
    /// Why it is given up.
    pub cause: String,
    /// Milliseconds during which it is left alone at least; `None` for the back-off of failed starts alone.
    pub pause: Option<u64>,
}

impl Sandbox {
    /// Gives up a sandbox whose supervisor answers: TERM has it save what the agent left, in the time that any stop has for that, and then it has failed.
    /// One whose disk cannot be saved fails at once.
    pub(super) fn give_up_after_save(&mut self, cause: String, pause: Option<u64>, now: Millis) -> Vec<Action> {
        if !self.disk.can_be_saved() {
            return self.fail(cause, pause, now);
        }
        self.given_up = Some(GivenUp {
            cause: cause.clone(),
            pause,
        });
        let actions = self.stop(Rest::Unexpected, now);
        self.cause = Some(cause);
        actions
    }

    /// He is let in again, unless he was shut out anew since that was found.
    pub(super) fn owner_let_in(&mut self, shut_out_at: Option<Millis>) -> Vec<Action> {
        if self.shut_out_at == shut_out_at {
            self.shut_out_at = None;
        }
        vec![]
    }

    /// The owner was shut out: it is saved and stopped. What nobody could save goes on, and is tried again ([`Sandbox::is_shut_out`]).
    pub(super) fn owner_shut_out(&mut self, now: Millis) -> Vec<Action> {
        // One that nobody ever needed stays as good as new.
        if self.generation > 0 {
            self.shut_out_at = Some(now);
        }
        if !matches!(self.stage, Stage::Starting { .. } | Stage::Running) {
            self.rest_as_wanted();
            return vec![];
        }
        self.stop_wanted(BeforeStop::Save, now)
    }

    /// Whether it goes on although its owner was shut out, so that it is to be looked whether he still is, and to be stopped if so.
    #[must_use]
    pub fn is_shut_out(&self, now: Millis) -> bool {
        let up = matches!(self.stage, Stage::Starting { .. } | Stage::Running);
        up && self.disk.stop.is_none() && self.shut_out_at.is_some_and(|at| now.since(at) >= SHUT_OUT_AGAIN_MS)
    }
}
