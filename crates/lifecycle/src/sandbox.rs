//! One sandbox: `stopped → starting(phase) → running → stopping → stopped`, and `failed(cause, retry_at)`.
//!
//! A start increments the generation. A generation ends when its container goes away, when another boot answers in its place, or when
//! it stops answering; nothing carries over from one to the next.

mod view;

use molt_common::control::{SupervisorPhase, SupervisorStatus};
use molt_common::id::UserId;
use molt_common::sandbox_call::Phase;
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// A container that has not answered after this long is given up.
pub const CONTAINER_DEADLINE_MS: u64 = 30_000;
/// A start that is not ready after this long is given up.
pub const START_DEADLINE_MS: u64 = 120_000;
/// A stop that has not ended after this long is forced.
pub const STOP_DEADLINE_MS: u64 = 25_000;
/// A running sandbox that does not answer this often in a row, and for [`SILENCE_TO_GIVE_UP_MS`], is given up.
pub const MISSES_TO_GIVE_UP: u32 = 3;
/// How long a running sandbox is silent at least before it is given up: every call that fails has it asked at once, so a busy one misses many
/// times within the longest pause (5 s) after which `sandboxd init` starts `serve` again.
pub const SILENCE_TO_GIVE_UP_MS: u64 = 8_000;
/// The supervisor restarts the agent by itself; after this often in one start the start has failed.
pub const AGENT_RESTARTS_TO_GIVE_UP: u32 = 5;
/// A running sandbox is asked this often, and kept alive for three of these periods.
pub const HEARTBEAT_MS: u64 = 20_000;
const BACKOFF_FIRST_MS: u64 = 1_000;
const BACKOFF_LONGEST_MS: u64 = 60_000;

/// Where the sandbox stands, with what only that stage needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// No container.
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
    /// The last start failed.
    Failed {
        /// Earliest next start.
        retry_at: Millis,
    },
}

/// Everything the object stores about its sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Boot of this generation, once it answered.
    #[serde(default)]
    pub boot_id: Option<String>,
    /// When the container was last asked.
    #[serde(default)]
    pub observed_at: Option<Millis>,
    /// Why the last start or run ended, if by itself.
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
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            stage: Stage::Stopped,
            generation: 0,
            since: Millis(0),
            owner: None,
            tier: 1,
            image: None,
            boot_id: None,
            observed_at: None,
            cause: None,
            failures: 0,
            misses: 0,
            silent_since: None,
            log_tail: Vec::new(),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A request, socket or job needs the sandbox.
    Needed {
        /// Who it belongs to.
        owner: UserId,
        /// Tier for a new start.
        tier: u8,
    },
    /// `start()` returned an error.
    StartRefused {
        /// Its text.
        cause: String,
    },
    /// The container was asked.
    Probed {
        /// Whether the runtime says that there is a container.
        container: bool,
        /// The supervisor's answer, if there was one.
        status: Option<Box<SupervisorStatus>>,
    },
    /// Somebody wants it stopped.
    StopWanted,
}

/// What is to be done, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a container for the current generation.
    Start,
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
            Event::StartRefused { cause } => match self.stage {
                Stage::Starting { .. } => {
                    let mut actions = self.fail(cause, now);
                    actions.push(Action::Abort);
                    actions
                }
                _ => vec![],
            },
            Event::Probed { container, status } => {
                self.observed_at = Some(now);
                self.probed(container, status.as_deref(), now)
            }
            Event::StopWanted => match self.stage {
                Stage::Starting { .. } | Stage::Running => {
                    self.enter(Stage::Stopping { began: now }, now);
                    vec![Action::Terminate, Action::Announce]
                }
                _ => vec![],
            },
        }
    }

    fn needed(&mut self, owner: UserId, tier: u8, now: Millis) -> Vec<Action> {
        match self.stage {
            Stage::Failed { retry_at } if now < retry_at => return vec![],
            Stage::Stopped | Stage::Failed { .. } => {}
            Stage::Starting { .. } | Stage::Running | Stage::Stopping { .. } => return vec![],
        }
        self.owner = Some(owner);
        self.tier = tier;
        self.generation += 1;
        self.boot_id = None;
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

    fn probed(&mut self, container: bool, status: Option<&SupervisorStatus>, now: Millis) -> Vec<Action> {
        match self.stage {
            Stage::Stopped | Stage::Failed { .. } => {
                // A container that nobody wants any more: left over from a lost generation.
                if container { vec![Action::Destroy] } else { vec![] }
            }
            Stage::Starting { phase, began } => self.probed_starting(phase, began, status, now),
            Stage::Running => self.probed_running(container, status, now),
            Stage::Stopping { began } => {
                if !container {
                    self.end(None, now)
                } else if now.since(began) >= STOP_DEADLINE_MS {
                    let mut actions = vec![Action::Destroy];
                    actions.extend(self.end(None, now));
                    actions
                } else {
                    vec![]
                }
            }
        }
    }

    fn probed_starting(
        &mut self,
        phase: Phase,
        began: Millis,
        status: Option<&SupervisorStatus>,
        now: Millis,
    ) -> Vec<Action> {
        let age = now.since(began);
        let Some(status) = status else {
            return if phase == Phase::Container && age >= CONTAINER_DEADLINE_MS {
                self.fail(
                    format!(
                        "The container did not answer within {} s.",
                        CONTAINER_DEADLINE_MS / 1000
                    ),
                    now,
                )
            } else if age >= START_DEADLINE_MS {
                self.fail("The sandbox stopped answering while it started.".into(), now)
            } else {
                vec![]
            };
        };
        if let Some(actions) = self.replaced(status, now) {
            return actions;
        }
        self.boot_id = Some(status.boot_id.clone());
        self.log_tail.clone_from(&status.log_tail);
        let reached = match status.phase {
            SupervisorPhase::Ready => {
                self.failures = 0;
                self.heard();
                self.cause = None;
                self.enter(Stage::Running, now);
                return vec![Action::KeepAlive, Action::Announce];
            }
            SupervisorPhase::Stopping => {
                return self.fail("The sandbox was told to stop while it started.".into(), now);
            }
            SupervisorPhase::Configure => Phase::Configure,
            SupervisorPhase::Agent | SupervisorPhase::Failed => Phase::Agent,
        };
        if status.phase == SupervisorPhase::Failed {
            self.cause.clone_from(&status.cause);
            if status.agent_restarts >= AGENT_RESTARTS_TO_GIVE_UP {
                let cause = status
                    .cause
                    .clone()
                    .unwrap_or_else(|| "The agent ended again and again.".into());
                return self.fail(cause, now);
            }
        }
        if age >= START_DEADLINE_MS {
            return self.fail(
                format!("The agent was not ready within {} s.", START_DEADLINE_MS / 1000),
                now,
            );
        }
        if reached == phase {
            return vec![];
        }
        self.stage = Stage::Starting { phase: reached, began };
        vec![Action::Announce]
    }

    fn probed_running(&mut self, container: bool, status: Option<&SupervisorStatus>, now: Millis) -> Vec<Action> {
        if !container {
            return self.end(Some("The container went away.".into()), now);
        }
        let Some(status) = status else {
            self.misses = self.misses.saturating_add(1);
            let silent_since = *self.silent_since.get_or_insert(now);
            if self.misses < MISSES_TO_GIVE_UP || now.since(silent_since) < SILENCE_TO_GIVE_UP_MS {
                return vec![];
            }
            let mut actions = vec![Action::Destroy];
            actions.extend(self.end(Some("The sandbox stopped answering.".into()), now));
            return actions;
        };
        if let Some(actions) = self.replaced(status, now) {
            return actions;
        }
        self.heard();
        match status.phase {
            SupervisorPhase::Ready => vec![Action::KeepAlive],
            SupervisorPhase::Stopping => {
                self.enter(Stage::Stopping { began: now }, now);
                vec![Action::Announce]
            }
            SupervisorPhase::Configure | SupervisorPhase::Agent | SupervisorPhase::Failed => {
                self.cause.clone_from(&status.cause);
                self.log_tail.clone_from(&status.log_tail);
                self.enter(
                    Stage::Starting {
                        phase: Phase::Agent,
                        began: now,
                    },
                    now,
                );
                vec![Action::KeepAlive, Action::Announce]
            }
        }
    }

    /// What answers is not the boot of this generation.
    fn replaced(&mut self, status: &SupervisorStatus, now: Millis) -> Option<Vec<Action>> {
        let same_boot = self.boot_id.as_ref().is_none_or(|boot| *boot == status.boot_id);
        if status.generation == self.generation && same_boot {
            return None;
        }
        let mut actions = vec![Action::Destroy];
        actions.extend(self.end(Some("The container was replaced by another boot.".into()), now));
        Some(actions)
    }

    fn fail(&mut self, cause: String, now: Millis) -> Vec<Action> {
        let wait = BACKOFF_FIRST_MS
            .saturating_mul(1 << self.failures.min(10))
            .min(BACKOFF_LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        self.cause = Some(cause);
        self.boot_id = None;
        self.enter(
            Stage::Failed {
                retry_at: now.plus(wait),
            },
            now,
        );
        vec![Action::Destroy, Action::Announce]
    }

    fn end(&mut self, cause: Option<String>, now: Millis) -> Vec<Action> {
        self.cause = cause;
        self.boot_id = None;
        self.heard();
        self.enter(Stage::Stopped, now);
        vec![Action::Announce]
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
#[path = "sandbox_tests.rs"]
mod tests;
