//! What a change aims at, and what brings it nearer.

use super::seen::Seen;
use super::{Change, LOOK_MS};
use crate::sandbox::owner::{OwnerStanding, SHUT_OUT};
use molt_common::api::JobState;
use molt_common::control::AgentRestart;
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::{ChangeOutcome, Wanted};
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// What is to be true in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "goal")]
pub(super) enum Goal {
    /// A generation above this one is ready; those up to it are taken away.
    Up {
        /// See there.
        above: u64,
    },
    /// This generation is gone.
    Gone {
        /// See there.
        generation: u64,
    },
    /// What was on the disk of this generation since the change was asked for is in a published snapshot.
    Saved {
        /// See there.
        generation: u64,
    },
    /// The supervisor of this generation has done a work of upkeep.
    Upkept {
        /// See there.
        generation: u64,
    },
    /// Another process of the agent is ready, in this generation if that lives until it was asked for, else in a newer one.
    Agent {
        /// See there.
        generation: u64,
    },
}

/// What follows from what is seen.
pub(super) enum Course {
    End(JobState, Option<String>),
    /// Until then, unless something happens.
    Wait(Millis),
    Need,
    Stop,
    Kill,
    RestartAgent,
    Save,
    Upkeep,
}

impl Change {
    /// What is to be done now, and what came of it so far.
    pub(super) fn course(&self, seen: &Seen, now: Millis) -> (Course, Option<ChangeOutcome>) {
        let course = match self.goal {
            Goal::Up { above } => self.up(above, seen, now),
            Goal::Gone { generation } => self.gone(generation, seen, now),
            Goal::Agent { generation } => self.agent(generation, seen, now),
            Goal::Saved { generation } => return self.saved(generation, seen, now),
            Goal::Upkept { generation } => return self.upkept(generation, seen, now),
        };
        self.not_stopped(seen).unwrap_or((course, None))
    }

    /// Whether the next step starts what is at rest, so that it is to be looked up first whether its owner may have that: he was let in when the change
    /// was asked for, which may be long ago.
    #[must_use]
    pub fn starts(&self, seen: &Seen, now: Millis) -> bool {
        !self.state.is_terminal() && seen.is_at_rest() && matches!(self.course(seen, now).0, Course::Need)
    }

    const fn kills(&self) -> bool {
        matches!(self.wanted, Wanted::EmergencyReset) && !self.cleared
    }

    fn up(&self, above: u64, seen: &Seen, now: Millis) -> Course {
        let newer = seen.generation > above;
        match seen.lifecycle {
            Lifecycle::Running if newer && seen.ready(self.created_at) => self.came_up(seen),
            // There is room for those who go on asking.
            Lifecycle::Starting if newer && seen.waits_for_capacity => Course::Need,
            Lifecycle::Running | Lifecycle::Starting if newer => Course::Wait(now),
            // Not one that began later and that somebody else is stopping.
            Lifecycle::Running | Lifecycle::Starting | Lifecycle::Stopping if !newer && self.kills() => Course::Kill,
            Lifecycle::Running | Lifecycle::Starting => Course::Stop,
            Lifecycle::Stopping => Course::Wait(now),
            // A start that began for this change or beside it.
            Lifecycle::Failed if newer => {
                Course::End(JobState::Failed, Some(seen.why("The sandbox could not be started.")))
            }
            Lifecycle::Stopped | Lifecycle::Sleeping | Lifecycle::Failed => self.start(newer, seen, now),
        }
    }

    fn start(&self, newer: bool, seen: &Seen, now: Millis) -> Course {
        if seen.elsewhere {
            let why = "The user is with what ran before, so he has no sandbox here.";
            return Course::End(JobState::Failed, Some(why.into()));
        }
        if !newer && self.kills() {
            return Course::Kill;
        }
        if let Some(retry_at) = seen.retry_at.filter(|at| *at > now) {
            return Course::Wait(retry_at.min(now.plus(LOOK_MS)));
        }
        if seen.moving {
            return Course::Wait(now.plus(LOOK_MS));
        }
        // A container that is still there would be taken for the new one, or the other way round.
        if seen
            .observation
            .as_ref()
            .is_some_and(|observation| observation.container)
        {
            return Course::Wait(now);
        }
        match seen.owner {
            OwnerStanding::LetIn => Course::Need,
            OwnerStanding::ShutOut => Course::End(JobState::Failed, Some(SHUT_OUT.into())),
            OwnerStanding::Unknown => Course::Wait(now.plus(LOOK_MS)),
        }
    }

    fn gone(&self, generation: u64, seen: &Seen, now: Millis) -> Course {
        let found = seen.generation <= generation;
        // Also one at rest is told once: no schedule and no policy brings it back then.
        if found && (seen.is_up() || !self.cleared) {
            return Course::Stop;
        }
        let replaced = !found && seen.told(self.created_at).is_some();
        let at_rest = !found || seen.is_at_rest();
        if replaced || (at_rest && seen.is_gone(self.created_at)) {
            return Course::End(JobState::Succeeded, None);
        }
        Course::Wait(now)
    }

    fn agent(&self, generation: u64, seen: &Seen, now: Millis) -> Course {
        if !self.asking.may_be_taken() && (seen.generation > generation || seen.is_at_rest()) {
            // It ended before anything was asked of it, so it is started instead.
            return self.up(generation, seen, now);
        }
        if seen.generation > generation {
            let text = "The sandbox was started again before its agent was seen ready, so its disk is another.";
            return Course::End(JobState::Failed, Some(seen.why(text)));
        }
        if seen.is_at_rest() {
            let text = "The sandbox stopped before its agent was seen ready.";
            return Course::End(JobState::Failed, Some(seen.why(text)));
        }
        if seen.lifecycle == Lifecycle::Starting && seen.waits_for_capacity {
            return Course::Need;
        }
        let told = seen.told(self.created_at);
        let restart = told.and_then(|told| told.restart.as_ref());
        match restart.filter(|restart| restart.id == self.id.as_str()) {
            Some(AgentRestart { error: Some(error), .. }) => Course::End(
                JobState::Failed,
                Some(format!("The new agent could not be started: {error}")),
            ),
            Some(restart) if restart.done && seen.ready(self.created_at) => Course::End(JobState::Succeeded, None),
            Some(_) => Course::Wait(now),
            _ if seen.lifecycle != Lifecycle::Running || told.is_none() => Course::Wait(now),
            // The supervisor does not know it: it was not asked, did not hear, or was itself started again.
            _ => match self.asking.next(now) {
                at if at <= now => Course::RestartAgent,
                _ => Course::Wait(now),
            },
        }
    }
}

impl Seen {
    /// A text with the cause that is known, if one is.
    pub(super) fn why(&self, text: &str) -> String {
        match &self.cause {
            Some(cause) => format!("{text} {cause}"),
            None => text.to_owned(),
        }
    }
}
