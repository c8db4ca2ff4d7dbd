//! The disk of a generation: restored before its agent starts, saved before it is stopped.

use super::{Action, Phase, Rest, Sandbox, Stage};
use molt_common::control::SupervisorStatus;
use molt_common::control::snapshot::{RestoreStage, SaveStage, SaveView, SnapshotStatus};
use molt_common::snapshot::{PublishAnswer, SnapshotId};
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// A restore that gets no further for so long has failed. Reading a large index, or waiting for the repository, moves no bytes meanwhile.
pub const RESTORE_STALL_MS: u64 = 120_000;
/// A save that gets no further for so long has failed: what was sent is read back without a count.
pub const SAVE_STALL_MS: u64 = 120_000;
/// A save that a stop waits for has failed after this long, however it gets on.
pub const SAVE_MOST_MS: u64 = 30 * 60_000;
/// A stop under way that saves the rest may take so long: the platform kills 15 minutes after its own TERM.
pub const STOP_MOST_MS: u64 = 14 * 60_000;
/// Milliseconds without progress after which a stop that saves the rest is forced.
pub const STOP_STALL_MS: u64 = SAVE_STALL_MS;
/// Sleep that failed because nothing could be saved is tried again after this long.
pub const SLEEP_AGAIN_MS: u64 = 10 * 60_000;
/// While it restores or saves it is asked this often.
pub const LOOK_MS: u64 = 500;
/// A container that restores or saves is kept alive this often.
const KEEP_ALIVE_MS: u64 = 20_000;
/// Who does not know the save that was asked for is asked again after this long.
const ASK_AGAIN_MS: u64 = 1_000;

/// What a stop does about the disk first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BeforeStop {
    /// It is saved, or the stop does not happen.
    Save,
    /// It is saved if that can be.
    Try,
    /// It is given up.
    Discard,
}

/// What is kept of the disk of the newest start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Its supervisor was told to wait for what the disk is to hold.
    pub kept: bool,
    /// A disk of this sandbox was saved before, so that none may be begun from nothing.
    pub was_saved: bool,
    /// It holds what it should: from here on it can be saved.
    pub restored: bool,
    /// Bytes restored so far.
    pub restored_bytes: u64,
    /// Bytes to restore, once known.
    pub restore_total_bytes: Option<u64>,
    /// The save that a stop waits for.
    pub stop: Option<WaitingStop>,
    /// Stops that were waited for in this generation.
    pub stops: u32,
    /// How far a save was at the last look, and since when.
    pub progress: Option<Progress>,
    /// Why the newest stop did not happen.
    pub refused: Option<Refused>,
    /// It is not put to sleep before this.
    pub awake_until: Option<Millis>,
    /// Its supervisor has answered since it was told to stop.
    pub stop_heard: bool,
    /// It was ended before it could save the rest.
    pub cut: bool,
    kept_alive_at: Option<Millis>,
}

/// A stop that waits for its save.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WaitingStop {
    /// Id of the save.
    pub save: String,
    /// Why it is stopped.
    pub rest: Rest,
    /// Without the save there is no stop.
    pub required: bool,
    /// Since when.
    pub began: Millis,
    /// When it was asked for last.
    pub asked_at: Option<Millis>,
}

/// How far a save is. Two that are equal are no progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Progress {
    /// Which save.
    pub save: String,
    /// `reading`, `checking`, `publishing`, `done`, `failed`.
    pub stage: String,
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Moves while databases are copied and checked.
    #[serde(default)]
    pub steps: u64,
    /// Since when it is so.
    pub at: Millis,
}

/// A stop that did not happen, because nothing could be saved.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Refused {
    /// When.
    pub at: Millis,
    /// Why.
    pub why: String,
    /// The snapshot that was made and does not count until somebody decides about it.
    #[serde(default)]
    pub kept_apart: Option<SnapshotId>,
}

/// What follows from what the supervisor tells of the disk while it starts.
pub(super) enum Restoring {
    /// It holds what it should, or nobody said what that is.
    Done,
    /// Not yet.
    Going(Vec<Action>),
    /// It never will.
    Failed(String),
}

impl Disk {
    /// Of a start that is about to be made.
    #[must_use]
    pub fn of_start(kept: bool, was_saved: bool) -> Self {
        Self {
            kept,
            was_saved,
            ..Self::default()
        }
    }

    /// Whether a stop of it can be preceded by a save.
    #[must_use]
    pub const fn can_be_saved(&self) -> bool {
        self.kept && self.restored
    }

    fn alive(&mut self, now: Millis) -> Vec<Action> {
        if self.kept_alive_at.is_some_and(|at| now.since(at) < KEEP_ALIVE_MS) {
            return vec![];
        }
        self.kept_alive_at = Some(now);
        vec![Action::KeepAlive]
    }

    /// Notes how far the newest save is. Since when that has not changed; `None` without one.
    fn note_save(&mut self, status: &SnapshotStatus, now: Millis) -> Option<Millis> {
        let save = status.save.as_ref()?;
        let stage = match save.stage {
            SaveStage::Reading => "reading",
            SaveStage::Checking => "checking",
            SaveStage::Publishing => "publishing",
            SaveStage::Done => "done",
            SaveStage::Failed => "failed",
        };
        let same = |known: &Progress| {
            known.save == save.id
                && known.stage == stage
                && (known.files, known.bytes, known.steps) == (save.files, save.bytes, save.steps)
        };
        if let Some(known) = self.progress.as_ref().filter(|known| same(known)) {
            return Some(known.at);
        }
        self.progress = Some(Progress {
            save: save.id.clone(),
            stage: stage.into(),
            files: save.files,
            bytes: save.bytes,
            steps: save.steps,
            at: now,
        });
        Some(now)
    }
}

impl Sandbox {
    /// What a starting one tells of its disk.
    pub(super) fn restoring(&mut self, status: &SupervisorStatus, phase: Phase, now: Millis) -> Restoring {
        let disk = &mut self.disk;
        if !disk.kept {
            return Restoring::Done;
        }
        let Some(told) = status.snapshots.as_deref() else {
            if disk.was_saved {
                let cause = "The supervisor of this image cannot restore snapshots, and what is saved of this sandbox must not be left \
                             out: choose another image.";
                return Restoring::Failed(cause.into());
            }
            return Restoring::Done;
        };
        match told.restore {
            RestoreStage::Done => {
                disk.restored = true;
                disk.restored_bytes = told.restored_bytes;
                Restoring::Done
            }
            RestoreStage::Failed => {
                let why = told.restore_error.as_deref().unwrap_or("it was not said why");
                Restoring::Failed(format!(
                    "Your files could not be restored, and nothing is started without them: {why}"
                ))
            }
            RestoreStage::Waiting | RestoreStage::Running => {
                let moved =
                    told.restored_bytes > disk.restored_bytes || told.restore_total_bytes != disk.restore_total_bytes;
                disk.restored_bytes = told.restored_bytes.max(disk.restored_bytes);
                disk.restore_total_bytes = told.restore_total_bytes;
                let mut actions = disk.alive(now);
                if told.restore == RestoreStage::Waiting {
                    actions.push(Action::Begin);
                }
                if phase != Phase::Restore {
                    actions.push(Action::Announce);
                }
                if moved || phase != Phase::Restore {
                    // The deadlines of the start count from here again.
                    self.stage = Stage::Starting {
                        phase: Phase::Restore,
                        began: now,
                    };
                    self.phase_began = Some(now);
                }
                Restoring::Going(actions)
            }
        }
    }

    /// It is to stop; its disk is saved first, where it can be.
    pub(super) fn stop_after_save(&mut self, rest: Rest, before: BeforeStop, now: Millis) -> Vec<Action> {
        if before == BeforeStop::Discard || !self.disk.can_be_saved() {
            return self.stop(rest, now);
        }
        let required = before == BeforeStop::Save;
        if let Some(waiting) = &mut self.disk.stop {
            // Whoever wants it stopped wants more than one who only has it sleep.
            if rest == Rest::Wanted {
                waiting.rest = rest;
                waiting.required = required;
            }
            return vec![];
        }
        self.disk.stops = self.disk.stops.saturating_add(1);
        self.disk.refused = None;
        self.disk.stop = Some(WaitingStop {
            save: format!("before-stop-{}-{}", self.generation, self.disk.stops),
            rest,
            required,
            began: now,
            asked_at: None,
        });
        self.disk.progress = None;
        // It is asked for with the next look.
        vec![Action::Announce]
    }

    /// Somebody needs it, so that it does not go to sleep.
    pub(super) fn stay_awake(&mut self) {
        if self.disk.stop.as_ref().is_some_and(|stop| stop.rest == Rest::Asleep) {
            self.disk.stop = None;
        }
    }

    /// How the save is that a stop waits for; `None` when none does.
    pub(super) fn saving(&mut self, status: &SupervisorStatus, now: Millis) -> Option<Vec<Action>> {
        let stop = self.disk.stop.clone()?;
        let told = status.snapshots.as_deref();
        let ours = told
            .and_then(|told| told.save.as_ref())
            .filter(|save| save.id == stop.save);
        match ours.map(|save| save.stage) {
            Some(SaveStage::Done) => return Some(self.stop(stop.rest, now)),
            Some(SaveStage::Failed) => {
                let why = ours.and_then(|save| save.error.clone());
                let why = why.unwrap_or_else(|| "it was not said why".into());
                return Some(self.not_saved(why, ours.and_then(kept_apart), now));
            }
            _ => {}
        }
        let moved = told
            .and_then(|told| self.disk.note_save(told, now))
            .unwrap_or(stop.began);
        if now.since(moved.max(stop.began)) >= SAVE_STALL_MS || now.since(stop.began) >= SAVE_MOST_MS {
            let why = format!("the save got no further for {} s", SAVE_STALL_MS / 1000);
            return Some(self.not_saved(why, None, now));
        }
        let mut actions = self.disk.alive(now);
        let asked = stop.asked_at.is_some_and(|at| now.since(at) < ASK_AGAIN_MS);
        if ours.is_none() && !asked {
            if let Some(stop) = &mut self.disk.stop {
                stop.asked_at = Some(now);
            }
            actions.push(Action::Save);
        }
        Some(actions)
    }

    /// The supervisor does not take the save that a stop waits for.
    pub(super) fn save_refused(&mut self, save: &str, why: String, now: Millis) -> Vec<Action> {
        match &self.disk.stop {
            Some(stop) if stop.save == save => self.not_saved(why, None, now),
            _ => vec![],
        }
    }

    fn not_saved(&mut self, why: String, kept_apart: Option<SnapshotId>, now: Millis) -> Vec<Action> {
        let Some(stop) = self.disk.stop.take() else {
            return vec![];
        };
        self.disk.progress = None;
        self.disk.refused = Some(Refused {
            at: now,
            why,
            kept_apart,
        });
        if !stop.required {
            return self.stop(stop.rest, now);
        }
        if stop.rest == Rest::Asleep {
            self.disk.awake_until = Some(now.plus(SLEEP_AGAIN_MS));
        }
        vec![Action::KeepAlive, Action::Announce]
    }

    /// A later save has succeeded: that a stop did not happen is nothing to look at any more.
    pub(super) fn note_saved(&mut self, status: &SupervisorStatus) {
        let save = status.snapshots.as_deref().and_then(|told| told.save.as_ref());
        let saved = save.filter(|save| save.stage == SaveStage::Done).map(|save| save.began);
        if self
            .disk
            .refused
            .as_ref()
            .is_some_and(|refused| saved > Some(refused.at))
        {
            self.disk.refused = None;
        }
    }

    /// Its supervisor answered while it stops.
    pub(super) fn heard_stopping(&mut self, status: &SupervisorStatus, now: Millis) {
        self.disk.stop_heard = true;
        if let Some(told) = status.snapshots.as_deref() {
            self.disk.note_save(told, now);
        }
    }

    /// Whether a stop under way goes on saving what its agent wrote last. An answer that does not come says nothing about that: reading the disk may
    /// keep all of a small machine busy.
    pub(super) fn stop_goes_on(&mut self, began: Millis, now: Millis) -> Option<Vec<Action>> {
        let disk = &mut self.disk;
        if !disk.stop_heard || !disk.can_be_saved() || now.since(began) >= STOP_MOST_MS {
            return None;
        }
        let moved = disk.progress.as_ref().map_or(began, |progress| progress.at.max(began));
        (now.since(moved) < STOP_STALL_MS).then(|| disk.alive(now))
    }
}

/// The snapshot of a save that was published apart.
fn kept_apart(save: &SaveView) -> Option<SnapshotId> {
    let apart = matches!(save.answer, Some(PublishAnswer::Quarantined { .. }));
    save.snapshot.filter(|_| apart)
}
