//! With whom one user is while what ran before (`LEGACY`) is still there: `legacy → fencing → new → stopping → exporting → unfencing → legacy`.
//!
//! The sandbox may run only in `new`, and `new` is entered only when `LEGACY` has confirmed that it let go. `LEGACY` is told to serve the user
//! again only after the container is gone, and, where he made something here, after that was written in its layout and read back. Each move has an epoch, which grows; an answer about another epoch means nothing. Every stage
//! that waits for `LEGACY` is tried again with growing pauses, and nobody waits for it longer than the first attempt.

mod trouble;
mod view;

pub use view::Gate;

use molt_common::flag::Rank;
use molt_common::ownership::{Fence, Owner};
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

const BACKOFF_FIRST_MS: u64 = 1_000;
const BACKOFF_LONGEST_MS: u64 = 60_000;
/// A `LEGACY` without a fence may be replaced by one that has it; nobody asks earlier.
const NO_FENCE_PAUSE_MS: u64 = 60_000;

/// How often an export is tried again before the user stays.
const EXPORT_ATTEMPTS: u32 = 3;
/// After an export that came to nothing, the next is begun no earlier: it would stop a sandbox that is in use.
const EXPORT_PAUSE_MS: u64 = 10 * 60_000;

/// An epoch of `LEGACY` that is higher is no count of moves: from it on a number of JavaScript, as which `LEGACY` may read it, counts no further,
/// and nobody could move the user ever again.
const HIGHEST_EPOCH: u64 = 1 << 52;

/// Where the user is on his way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// `LEGACY` serves him.
    Legacy,
    /// `LEGACY` is asked to let go; whether it has, nobody knows yet.
    Fencing,
    /// The sandbox serves him.
    New,
    /// The sandbox is being stopped, because he goes back.
    Stopping,
    /// There is no container; what he made here is written for `LEGACY`.
    Exporting,
    /// There is no container; `LEGACY` is asked to serve him again.
    Unfencing,
}

/// What the object stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ownership {
    /// See there.
    pub stage: Stage,
    /// Of the newest move; grows with every one.
    pub epoch: u64,
    /// Whether `LEGACY` confirmed the fence of this epoch.
    pub fenced: bool,
    /// Of the newest flags that had a say.
    pub decided: Rank,
    /// Whether the agent admitted traffic since the user is here, so that the disk holds something.
    pub ran: bool,
    /// Since when he is in this stage.
    pub since: Millis,
    /// Tier with which a start is wanted once he is here.
    #[serde(default)]
    pub wanted: Option<u8>,
    /// Calls to `LEGACY` in this stage that did not do it.
    #[serde(default)]
    pub attempts: u32,
    /// The next is made no earlier.
    #[serde(default)]
    pub retry_at: Millis,
    /// What the last said.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What he made is written for `LEGACY` when the container is gone.
    #[serde(default)]
    pub exports: bool,
    /// An export that came to nothing is not begun again before then.
    #[serde(default)]
    pub export_again_at: Millis,
    /// Why he was not moved although he was to be.
    #[serde(default)]
    pub refused: Option<Refused>,
}

/// A move that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// For people.
    pub why: String,
    /// Of the flags that wanted it.
    pub rank: Rank,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A router whose flags cover the user sends him here.
    Wanted {
        /// Of its flags.
        rank: Rank,
        /// For the start.
        tier: u8,
    },
    /// A router whose flags do not cover him was told by `LEGACY` that he is here.
    Released {
        /// Of its flags.
        rank: Rank,
        /// Whether the disk may be lost.
        discard_disk: bool,
        /// Whether what he made can be written for `LEGACY`.
        exportable: bool,
        /// The epoch of the fence that it was told.
        fenced: Option<u64>,
    },
    /// The sandbox's agent admits traffic.
    Ran,
    /// There is no container and none is being started.
    Gone,
    /// What he made is about to be written for `LEGACY`. Nothing may come back of it: it may take its isolate with it.
    ExportBegun {
        /// For the move of this epoch.
        epoch: u64,
    },
    /// What he made was written for `LEGACY`, or not.
    Exported {
        /// Of this epoch.
        epoch: u64,
        /// Why not, and whether another attempt may do it.
        outcome: Result<(), (String, bool)>,
    },
    /// `LEGACY` was asked to set the owner, and this came of it.
    Answered {
        /// To this owner.
        owner: Owner,
        /// Of this epoch.
        epoch: u64,
        /// See there.
        reply: Reply,
    },
    /// There is no `LEGACY` in this deployment.
    NoLegacy,
}

/// Outcome of a call to `LEGACY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200.
    Set(Fence),
    /// 409: it holds a later decision.
    Later(Fence),
    /// 404: it has no fence.
    NoFence,
    /// No answer, or none that can be understood.
    Failed(String),
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Ask `LEGACY` to set the owner.
    SetOwner {
        /// To this.
        owner: Owner,
        /// Of this epoch.
        epoch: u64,
    },
    /// Stop the sandbox, and tell when it is gone.
    StopSandbox,
    /// Write what he made for `LEGACY`.
    Export {
        /// For the move of this epoch.
        epoch: u64,
    },
}

impl Ownership {
    /// Of a user about whom nothing is stored. A sandbox that was started before there was a `LEGACY` stays: its disk is nowhere else.
    #[must_use]
    pub fn unrecorded(has_run: bool) -> Self {
        Self {
            stage: if has_run { Stage::New } else { Stage::Legacy },
            epoch: u64::from(has_run),
            fenced: false,
            decided: Rank::default(),
            ran: has_run,
            since: Millis(0),
            wanted: None,
            attempts: 0,
            retry_at: Millis(0),
            trouble: None,
            exports: false,
            export_again_at: Millis(0),
            refused: None,
        }
    }

    /// The next state.
    pub fn step(&mut self, event: Event, now: Millis) {
        match event {
            Event::Wanted { rank, tier } => self.wanted(rank, tier, now),
            Event::Released {
                rank,
                discard_disk,
                exportable,
                fenced,
            } => self.released(rank, (discard_disk, exportable), fenced, now),
            Event::Ran => {
                if self.stage == Stage::New {
                    self.ran = true;
                }
            }
            Event::Gone => {
                if self.stage == Stage::Stopping && self.exports {
                    self.enter(Stage::Exporting, now);
                } else if self.stage == Stage::Stopping {
                    self.ran = false;
                    self.enter(Stage::Unfencing, now);
                }
            }
            Event::ExportBegun { epoch } => self.export_begun(epoch, now),
            Event::Exported { epoch, outcome } => self.exported(epoch, outcome, now),
            Event::Answered { owner, epoch, reply } => self.answered(owner, epoch, reply, now),
            Event::NoLegacy => {
                if self.stage != Stage::New {
                    self.fenced = false;
                    self.enter(Stage::New, now);
                }
                self.refused = None;
                // Nobody looks from now on whether it does.
                self.ran = true;
            }
        }
    }

    fn wanted(&mut self, rank: Rank, tier: u8, now: Millis) {
        match self.stage {
            Stage::Legacy if rank >= self.decided && now >= self.retry_at => self.begin(Stage::Fencing, rank, now),
            // What is under way is turned round only by newer flags.
            Stage::Stopping | Stage::Exporting | Stage::Unfencing if rank > self.decided => {
                self.begin(Stage::Fencing, rank, now);
            }
            Stage::Legacy | Stage::Stopping | Stage::Exporting | Stage::Unfencing => return,
            Stage::Fencing | Stage::New => {
                self.decided = self.decided.max(rank);
                if self.refused.as_ref().is_some_and(|refused| refused.rank < rank) {
                    self.refused = None;
                }
            }
        }
        if self.stage == Stage::Fencing {
            self.wanted = Some(tier);
        }
    }

    fn released(&mut self, rank: Rank, (discard_disk, exportable): (bool, bool), fenced: Option<u64>, now: Millis) {
        match self.stage {
            Stage::Fencing | Stage::New if rank < self.decided => {}
            Stage::Fencing | Stage::New if self.ran && !discard_disk && exportable => {
                if now >= self.export_again_at {
                    self.begin(Stage::Stopping, rank, now);
                    self.exports = true;
                }
            }
            Stage::Fencing | Stage::New if self.ran && !discard_disk => {
                self.refused = Some(Refused {
                    why: "His sandbox was used since he is here, and its disk is nowhere else: everything that was made in it would be \
                          lost by going back. Set discardDisk to have him go back all the same."
                        .into(),
                    rank,
                });
            }
            Stage::Fencing | Stage::New => self.begin(Stage::Stopping, rank, now),
            // Whoever gives the disk up does not wait for what is to become of it.
            Stage::Exporting if discard_disk && rank >= self.decided => {
                self.decided = rank;
                self.exports = false;
                self.ran = false;
                self.enter(Stage::Unfencing, now);
            }
            Stage::Stopping | Stage::Exporting | Stage::Unfencing => {
                // By older flags than those that are obeyed, nothing is given up.
                self.exports &= !(discard_disk && rank >= self.decided);
                self.decided = self.decided.max(rank);
            }
            Stage::Legacy => {
                self.decided = self.decided.max(rank);
                // It holds a fence that nobody here knows of, and would refuse him for ever.
                if let Some(fenced) = fenced.filter(|fenced| *fenced > self.epoch && *fenced <= HIGHEST_EPOCH) {
                    self.epoch = fenced;
                    self.begin(Stage::Unfencing, rank.max(self.decided), now);
                }
            }
        }
    }

    fn begin(&mut self, stage: Stage, rank: Rank, now: Millis) {
        self.epoch += 1;
        self.fenced = false;
        self.decided = rank;
        self.refused = None;
        self.wanted = None;
        self.exports = false;
        self.enter(stage, now);
    }

    fn enter(&mut self, stage: Stage, now: Millis) {
        self.stage = stage;
        self.since = now;
        self.attempts = 0;
        self.retry_at = now;
        self.trouble = None;
    }

    fn answered(&mut self, owner: Owner, epoch: u64, reply: Reply, now: Millis) {
        let asked = matches!(self.due(Millis(u64::MAX)), Some(Work::SetOwner { owner: own, epoch: current }) if own == owner && current == epoch);
        if !asked {
            return;
        }
        match reply {
            Reply::Set(fence)
                if fence.owner == owner && fence.epoch == epoch && !(owner == Owner::New && fence.agent_running) =>
            {
                self.confirmed(owner, now);
            }
            Reply::Set(fence) if fence.agent_running => {
                self.failed("The agent that ran before has not stopped yet.".into(), now)
            }
            Reply::Set(_) => self.failed("What ran before did not do what it was asked.".into(), now),
            Reply::Later(fence) if fence.epoch > HIGHEST_EPOCH => {
                self.failed("What ran before names an epoch that counts no moves.".into(), now);
            }
            Reply::Later(fence) => {
                self.epoch = self.epoch.max(fence.epoch).saturating_add(1);
                self.failed("What ran before knew of a later move.".into(), now);
                // Asked again at once, unless it goes on like this.
                if self.attempts < 3 {
                    self.retry_at = now;
                }
            }
            Reply::NoFence => self.no_fence(owner, now),
            Reply::Failed(why) => self.failed(why, now),
        }
    }

    fn exported(&mut self, epoch: u64, outcome: Result<(), (String, bool)>, now: Millis) {
        // A stop that must save and cannot ends the move as well.
        let waits = self.stage == Stage::Exporting || (self.stage == Stage::Stopping && outcome.is_err());
        if !waits || !self.exports || epoch != self.epoch {
            return;
        }
        match outcome {
            Ok(()) => {
                self.exports = false;
                self.ran = false;
                self.enter(Stage::Unfencing, now);
            }
            Err((why, true)) if self.attempts <= EXPORT_ATTEMPTS => {
                self.pause(why, self.attempts.saturating_sub(1), now)
            }
            Err((why, _)) => self.stays(&why, now),
        }
    }

    fn confirmed(&mut self, owner: Owner, now: Millis) {
        match (self.stage, owner) {
            (Stage::New, _) => {
                self.attempts = 0;
                self.trouble = None;
            }
            (_, Owner::New) => self.enter(Stage::New, now),
            (_, Owner::Legacy) => self.enter(Stage::Legacy, now),
        }
        self.fenced = owner == Owner::New;
    }
}

#[cfg(test)]
#[path = "ownership_tests.rs"]
mod tests;
