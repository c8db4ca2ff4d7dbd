//! One sandbox: `stopped → starting(phase) → running → stopping → stopped`, and `failed(cause, retry_at)`. A stopped one may be asleep.
//!
//! A start increments the generation. A generation ends when its container goes away, when another boot answers in its place, or when
//! it stops answering; nothing carries over from one to the next.

pub mod breaker;
pub mod capacity;
pub mod disk;
pub mod given_up;
pub mod owner;
pub mod settings;
pub mod sleep;

mod recovered;
mod rest;
mod run;
mod start;
mod view;
mod withdrawn;

use breaker::Breaker;
use capacity::CapacityWait;
use disk::{BeforeStop, Disk};
use given_up::GivenUp;
use molt_common::control::SupervisorStatus;
use molt_common::id::UserId;
use molt_common::sandbox_call::Phase;
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};
use settings::Settings;
use sleep::LocalUse;

pub use run::{HEARTBEAT_MS, MISSES_TO_GIVE_UP, SILENCE_TO_GIVE_UP_MS};
pub use start::{
    AGENT_DEADLINE_MS, AGENT_RESTARTS_TO_GIVE_UP, AGENT_SETTLED_MS, CONFIGURE_DEADLINE_MS, CONTAINER_DEADLINE_MS,
    START_DEADLINE_MS,
};

pub use view::IN_USE_MS;

/// A stop that has not ended after this long, and does not go on saving, is forced.
pub const STOP_DEADLINE_MS: u64 = 25_000;

/// Where the sandbox stands, with what only that stage needs. Versions before this one must be able to read it, so what they did not know is in
/// fields of [`Sandbox`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// No container.
    #[default]
    Stopped,
    /// A container was asked for.
    Starting {
        /// How far it is.
        phase: Phase,
        /// When this start began.
        began: Millis,
    },
    /// The agent admits traffic.
    Running,
    /// TERM was sent.
    Stopping {
        /// When the stop began.
        began: Millis,
    },
    /// The last start failed, or it ended too often.
    Failed {
        /// Earliest next start.
        retry_at: Millis,
    },
}

/// Why a sandbox rests, or is about to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// Somebody had it stopped, or nobody ever needed it.
    #[default]
    Wanted,
    /// Nobody used it.
    Asleep,
    /// It ended by itself or was given up.
    Unexpected,
}

/// Everything the object stores about its sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sandbox {
    /// Where it stands.
    pub stage: Stage,
    /// Number of starts so far.
    pub generation: u64,
    /// Since when it stands there.
    pub since: Millis,
    /// Owner; set once.
    pub owner: Option<UserId>,
    /// Tier of the newest start.
    pub tier: u8,
    /// Image of the newest start.
    #[serde(default)]
    pub image: Option<String>,
    /// What the name of the image stood for then; `None` where a start cannot choose.
    #[serde(default)]
    pub image_reference: Option<String>,
    /// Boot of this generation, once it answered.
    #[serde(default)]
    pub boot_id: Option<String>,
    /// When the container was last asked.
    #[serde(default)]
    pub observed_at: Option<Millis>,
    /// Why the last start or run ended, if by itself; while there is no room, that.
    #[serde(default)]
    pub cause: Option<String>,
    /// Starts that failed in a row.
    #[serde(default)]
    pub failures: u32,
    /// Probes in a row without an answer.
    #[serde(default)]
    pub misses: u32,
    /// When the first of them was noticed.
    #[serde(default)]
    pub silent_since: Option<Millis>,
    /// Last lines of the agent's output, kept while it starts and after it failed.
    #[serde(default)]
    pub log_tail: Vec<String>,
    /// What operators set.
    #[serde(default)]
    pub settings: Settings,
    /// When the runtime was asked for this generation's container. Each generation asks once.
    #[serde(default)]
    pub launched_at: Option<Millis>,
    /// When this generation's container answered first.
    #[serde(default)]
    pub booted_at: Option<Millis>,
    /// When the present phase of a start began.
    #[serde(default)]
    pub phase_began: Option<Millis>,
    /// The platform had no room for this start.
    #[serde(default)]
    pub capacity: Option<CapacityWait>,
    /// Why it rests, or will when it has stopped.
    #[serde(default)]
    pub rest: Rest,
    /// Somebody needed it while it went to sleep.
    #[serde(default)]
    pub needed_again: bool,
    /// When a sandbox at rest starts by itself; kept until it runs.
    #[serde(default)]
    pub wakes_at: Option<Millis>,
    /// When the agent has something to do by itself next, as it told last.
    #[serde(default)]
    pub next_wake_at: Option<Millis>,
    /// Newest activity that is known of.
    #[serde(default)]
    pub last_active_at: Option<Millis>,
    /// Sockets at the last answer.
    #[serde(default)]
    pub open_sockets: Option<u32>,
    /// The deployment's time without activity after which a sandbox sleeps, as of the last look.
    #[serde(default)]
    pub idle_sleep_ms: Option<u64>,
    /// Restarts of the agent in this boot until the last one that came up, or that was asked for.
    #[serde(default)]
    pub agent_restarts: u32,
    /// Restarts of the agent in this boot when it was ready last.
    #[serde(default)]
    pub agent_restarts_told: u32,
    /// The newest restart of the agent that somebody asked for, as told last.
    #[serde(default)]
    pub agent_restart: Option<String>,
    /// Nothing starts it by itself before this: when it would have been last, its owner was shut out, or nobody could tell whether he was.
    #[serde(default)]
    pub barred_until: Option<Millis>,
    /// Leaves a sandbox alone that ends again and again.
    #[serde(default)]
    pub breaker: Breaker,
    /// How its disk is kept.
    #[serde(default)]
    pub disk: Disk,
    /// It is given up, and stops in order to be saved first.
    #[serde(default)]
    pub given_up: Option<GivenUp>,
    /// When it was last to be stopped because its owner was shut out, until he is let in again: what had begun before may start it once more.
    #[serde(default)]
    pub shut_out_at: Option<Millis>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A request, socket or job needs the sandbox.
    Needed {
        /// Who it belongs to.
        owner: UserId,
        /// Tier of his row, for a sandbox whose tier was never changed.
        tier: u8,
    },
    /// The alarm looks whether something is due.
    Due,
    /// It would start by itself now, but its owner may not have one, or nobody can tell. Whoever asks for it is looked at where he asks.
    Barred {
        /// Milliseconds until it may be asked again.
        for_ms: u64,
    },
    /// How the disk of the start that is about to be made is kept. Before [`Event::Launching`].
    Disk {
        /// Its supervisor waits for what the disk is to hold.
        kept: bool,
        /// A disk of this sandbox was saved before.
        was_saved: bool,
    },
    /// The runtime is about to be asked for the container.
    Launching,
    /// There is no container, and nobody has seen one of this start: the process ended before it could ask.
    NeverLaunched,
    /// The runtime did not start what it was asked for.
    StartRefused {
        /// Its text.
        cause: String,
        /// What it means.
        refusal: Refusal,
    },
    /// The container was asked.
    Probed {
        /// Whether there is a container.
        container: bool,
        /// The supervisor's answer, if there was one.
        status: Option<Box<SupervisorStatus>>,
        /// What the object knows of its use.
        local: LocalUse,
    },
    /// The supervisor cannot be told what its disk is to hold, and never will.
    CannotBegin {
        /// Why.
        cause: String,
    },
    /// The supervisor does not take a save that a stop waits for.
    SaveRefused {
        /// Its id.
        save: String,
        /// Why.
        why: String,
    },
    /// Its owner was shut out, or still is.
    OwnerShutOut,
    /// Its owner is not shut out any more, as was asked when he had been since this time: what was said meanwhile is newer.
    OwnerLetIn {
        /// [`Sandbox::shut_out_at`] of then.
        shut_out_at: Option<Millis>,
    },
    /// Somebody wants it stopped, orderly.
    StopWanted(BeforeStop),
    /// Whoever wanted this generation stopped wanted another after it, and does not any more.
    StopWithdrawn {
        /// Which.
        generation: u64,
    },
    /// Somebody wants everything in it gone at once. The crash-loop breaker is closed.
    KillWanted,
}

/// Why a start was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The runtime or its engine failed.
    Engine,
    /// There is no room for another container now.
    Capacity,
    /// The deployment has not what the start needs.
    Deployment,
}

/// What is to be done, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a container for the current generation.
    Start,
    /// Tell its supervisor what the disk is to hold.
    Begin,
    /// Ask its supervisor for the save that a stop waits for (`Disk::stop`).
    Save,
    /// Send TERM to it.
    Terminate,
    /// Remove it at once.
    Destroy,
    /// The runtime refused a start: drop this object's memory, so that it forgets a dead engine.
    Abort,
    /// Keep the container alive for three heartbeats.
    KeepAlive,
    /// The stored state changed in a way that lists should show.
    Announce,
}

impl Sandbox {
    /// The next state, and what is to be done.
    pub fn step(&mut self, event: Event, now: Millis) -> Vec<Action> {
        match event {
            Event::Needed { owner, tier } => self.needed(owner, tier, now),
            Event::Due => self.due(now),
            Event::Barred { for_ms } => {
                self.barred_until = Some(now.plus(for_ms));
                vec![]
            }
            Event::Disk { kept, was_saved } => {
                self.disk = Disk::of_start(kept, was_saved);
                vec![]
            }
            Event::CannotBegin { cause } => match self.stage {
                Stage::Starting { .. } => self.give_up(cause, now),
                _ => vec![],
            },
            Event::SaveRefused { save, why } => self.save_refused(&save, why, now),
            Event::Launching => {
                self.launched_at = Some(now);
                vec![]
            }
            Event::NeverLaunched => {
                self.never_launched();
                vec![]
            }
            Event::StartRefused { cause, refusal } => self.refused(cause, refusal, now),
            Event::Probed {
                container,
                status,
                local,
            } => {
                self.observed_at = Some(now);
                self.probed(container, status.as_deref(), local, now)
            }
            Event::OwnerShutOut => self.owner_shut_out(now),
            Event::OwnerLetIn { shut_out_at } => self.owner_let_in(shut_out_at),
            Event::StopWanted(before) => self.stop_wanted(before, now),
            Event::StopWithdrawn { generation } => self.stop_withdrawn(generation, now),
            Event::KillWanted => self.kill_wanted(now),
        }
    }

    fn probed(
        &mut self,
        container: bool,
        status: Option<&SupervisorStatus>,
        local: LocalUse,
        now: Millis,
    ) -> Vec<Action> {
        match self.stage {
            // A container that nobody wants any more: left over from a lost generation.
            Stage::Stopped | Stage::Failed { .. } if container => vec![Action::Destroy],
            Stage::Stopped | Stage::Failed { .. } => vec![],
            Stage::Starting { phase, began } => self.probed_starting(phase, began, container, status, now),
            Stage::Running => self.probed_running(container, status, local, now),
            Stage::Stopping { began } => self.probed_stopping(began, container, status, now),
        }
    }

    /// What answers is not the boot of this generation.
    fn is_replaced(&self, status: &SupervisorStatus) -> bool {
        let same_boot = self.boot_id.as_ref().is_none_or(|boot| *boot == status.boot_id);
        status.generation != self.generation || !same_boot
    }

    const fn heard(&mut self) {
        self.misses = 0;
        self.silent_since = None;
    }

    fn enter(&mut self, stage: Stage, now: Millis) {
        self.stage = stage;
        self.since = now;
    }
}

#[cfg(test)]
#[path = "sandbox_crash_tests.rs"]
mod crash_tests;
#[cfg(test)]
#[path = "sandbox_disk_tests.rs"]
mod disk_tests;
#[cfg(test)]
#[path = "sandbox_given_up_tests.rs"]
mod given_up_tests;
#[cfg(test)]
#[path = "sandbox_model_tests.rs"]
mod model_tests;
#[cfg(test)]
#[path = "sandbox_rest_tests.rs"]
mod rest_tests;
#[cfg(test)]
#[path = "sandbox_start_tests.rs"]
mod start_tests;
#[cfg(test)]
#[path = "sandbox_stop_model_tests.rs"]
mod stop_model_tests;
#[cfg(test)]
#[path = "sandbox_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "sandbox_withdrawn_tests.rs"]
mod withdrawn_tests;
