//! What is known of the disk, and what is asked of it. Decides, and does nothing.

use std::collections::VecDeque;

use molt_common::control::snapshot::{
    BeginBoot, RepositoryAccess, RestoreStage, SaveNow, SaveStage, SaveView, SnapshotStatus, UpkeepNow, UpkeepView,
};
use molt_common::legacy_data::{ImportPlan, ImportReport};
use molt_common::snapshot::{Manifest, SaveReason, SnapshotId};
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

use super::access::check_access;
use super::changes::Look;
use super::refusal::DiskRefusal;
use super::written::Written;

/// Saves and works of upkeep that are remembered.
const REMEMBERED: usize = 16;

/// What a later `serve` of the same boot has to know. No secret is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What the disk of this boot was restored from.
    pub restored: Option<SnapshotId>,
    /// The newest published snapshot that is known.
    pub head: Option<SnapshotId>,
    /// Milliseconds between two snapshots.
    pub interval_ms: u64,
    /// Everything that was on the disk at this moment is in a published snapshot.
    pub safe_until: Option<Millis>,
    /// What a prune leaves besides what its list names.
    pub written: Written,
}

/// What was said by `POST /v1/begin`, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Begun {
    restore: Option<SnapshotId>,
    head: Option<SnapshotId>,
    import: Option<ImportPlan>,
}

/// What the disk of a boot is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Nothing: the sandbox was never saved.
    Empty,
    /// A snapshot.
    Snapshot(SnapshotId),
    /// What the old system kept of the user.
    Kept(ImportPlan),
}

/// All of it.
#[derive(Debug, Default)]
pub struct State {
    begun: Option<Begun>,
    /// Where the repository is and what opens it, as far as that is known.
    pub access: Option<RepositoryAccess>,
    /// How far the restore of this boot is.
    pub restore: Restore,
    /// What stays known.
    pub mark: Mark,
    /// The disk as it was when the newest published snapshot was begun.
    pub baseline: Option<Look>,
    /// What was published last, if it was in this life of `serve`.
    pub manifest: Option<Box<Manifest>>,
    /// Whether something may have changed since [`Mark::safe_until`].
    pub changed: bool,
    /// The generation that counts, once this one does not any more.
    pub over: Option<u64>,
    /// No new work is taken.
    pub stopping: bool,
    saves: VecDeque<SaveView>,
    /// A save that was asked for and has not begun.
    wanted_save: Option<SaveNow>,
    /// One that was asked for and has not ended.
    asked_save: Option<String>,
    upkeeps: VecDeque<UpkeepView>,
    wanted_upkeep: Option<UpkeepNow>,
}

/// How far the restore of this boot is.
#[derive(Debug, Default)]
pub struct Restore {
    /// The stage; `Waiting` also while this `serve` was not told what an earlier one was.
    pub stage: Option<RestoreStage>,
    /// Bytes so far.
    pub bytes: u64,
    /// Bytes altogether, once known.
    pub total_bytes: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// What was imported, until that is published.
    pub import: Option<Imported>,
}

/// What lies on the disk and counts only once it is saved.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What it came to.
    pub report: ImportReport,
    /// Bytes of progress by then: those of the save come on top.
    pub laid_bytes: u64,
}

impl State {
    /// With what an earlier `serve` of this boot has left.
    pub fn new(mark: Option<Mark>) -> Self {
        let mut state = Self::default();
        if let Some(mark) = mark {
            state.restore.stage = Some(RestoreStage::Done);
            // What happened in between was not seen.
            state.changed = true;
            state.mark = mark;
        }
        state
    }

    /// Whether the disk holds what it should.
    pub fn is_restored(&self) -> bool {
        self.restore.stage == Some(RestoreStage::Done)
    }

    /// Whether it was said what the disk is to hold, and what.
    pub fn told(&self) -> Option<Beginning> {
        let begun = self.begun.as_ref()?;
        Some(match (&begun.import, begun.restore) {
            (Some(plan), _) => Beginning::Kept(plan.clone()),
            (None, Some(snapshot)) => Beginning::Snapshot(snapshot),
            (None, None) => Beginning::Empty,
        })
    }

    /// Takes what the disk is to hold. The same again brings a new token and changes nothing else; what comes beside what is restored and the newest
    /// snapshot may differ.
    pub fn begin(&mut self, begin: BeginBoot) -> Result<(), DiskRefusal> {
        if self.stopping && !self.is_restored() {
            return Err(DiskRefusal::Stopping);
        }
        check_access(&begin.repository)?;
        if begin.interval_ms == 0 {
            return Err(DiskRefusal::Invalid("intervalMs: must be at least 1".into()));
        }
        let conflict = |what: &str| DiskRefusal::Conflict(format!("{what}: this boot has begun otherwise"));
        if begin.import.is_some() && begin.restore.is_some() {
            return Err(DiskRefusal::Invalid(
                "import: the disk is to hold a snapshot already".into(),
            ));
        }
        match &self.begun {
            // Once what was imported is published, it is a snapshot like any other.
            Some(begun) if begun.import.is_some() && begin.import.is_none() && begin.restore == self.mark.head => {}
            Some(begun) if begun.import != begin.import => return Err(conflict("import")),
            Some(begun) if begun.restore != begin.restore => return Err(conflict("restore")),
            Some(begun) if begun.head != begin.head && self.mark.head != begin.head => return Err(conflict("head")),
            None if self.is_restored() && self.mark.restored != begin.restore => return Err(conflict("restore")),
            Some(_) => {}
            None => {
                self.begun = Some(Begun {
                    restore: begin.restore,
                    head: begin.head,
                    import: begin.import,
                });
                self.mark.restored = begin.restore;
                // What was published since an earlier serve was told is newer.
                self.mark.head = self.mark.head.or(begin.head);
            }
        }
        self.mark.interval_ms = begin.interval_ms;
        self.access = Some(begin.repository);
        Ok(())
    }

    /// Takes a new token.
    pub fn renew(&mut self, access: RepositoryAccess) -> Result<(), DiskRefusal> {
        check_access(&access)?;
        self.access = Some(access);
        Ok(())
    }

    /// What the work on a repository needs.
    fn check_ready(&self, id: &str) -> Result<(), DiskRefusal> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(1..=64).contains(&id.len()) || !id.bytes().all(legal) {
            return Err(DiskRefusal::Invalid(
                "id: must be 1 to 64 letters, digits, - or _".into(),
            ));
        }
        if self.stopping {
            return Err(DiskRefusal::Stopping);
        }
        if !self.is_restored() {
            return Err(DiskRefusal::NotReady("the disk does not hold yet what it should"));
        }
        Ok(())
    }

    /// Takes a save that is asked for. The same id again is the same save; one that the supervisor takes by itself is waited for.
    pub fn ask_save(&mut self, save: SaveNow, now: Millis) -> Result<SaveView, DiskRefusal> {
        if let Some(known) = self.save(&save.id) {
            return Ok(known.clone());
        }
        self.check_ready(&save.id)?;
        if let Some(generation) = self.over {
            return Err(DiskRefusal::Conflict(over(generation)));
        }
        if self.access.is_none() {
            return Err(DiskRefusal::NotReady(
                "there is no access to the repository: begin again",
            ));
        }
        if let Some(other) = &self.asked_save {
            return Err(DiskRefusal::Conflict(format!("save {other} is under way")));
        }
        self.asked_save = Some(save.id.clone());
        let view = self.open_save(&save.id, save.reason, now);
        self.wanted_save = Some(save);
        Ok(view)
    }

    /// The save to be taken next, if one is asked for.
    pub const fn take_save(&mut self) -> Option<SaveNow> {
        self.wanted_save.take()
    }

    /// Whether a stop waits for a save that has not begun.
    pub fn stop_waits(&self) -> bool {
        let wanted = self.wanted_save.as_ref();
        wanted.is_some_and(|save| save.reason == SaveReason::BeforeStop)
    }

    /// Whether there is something to be taken up.
    pub const fn is_asked(&self) -> bool {
        self.wanted_save.is_some() || self.wanted_upkeep.is_some()
    }

    /// A save begins to be known.
    pub fn open_save(&mut self, id: &str, reason: SaveReason, now: Millis) -> SaveView {
        if self.saves.len() >= REMEMBERED {
            self.saves.pop_front();
        }
        let view = SaveView::begun(id, reason, now);
        self.saves.push_back(view.clone());
        view
    }

    /// A save, by its id.
    pub fn save(&self, id: &str) -> Option<&SaveView> {
        self.saves.iter().rev().find(|view| view.id == id)
    }

    /// Changes how a save stands. One that waits for it gets on with it, or would look as if it stood still.
    pub fn update_save(&mut self, id: &str, change: impl FnOnce(&mut SaveView)) {
        let Some(view) = self.saves.iter_mut().rev().find(|view| view.id == id) else {
            return;
        };
        let before = view.clone();
        change(view);
        let moved = *view != before;
        let is_over = matches!(view.stage, SaveStage::Done | SaveStage::Failed);
        if is_over && self.asked_save.as_deref() == Some(id) {
            self.asked_save = None;
        }
        let waiting = self.wanted_save.as_ref().filter(|save| moved && save.id != id);
        if let Some(waiting) = waiting
            && let Some(view) = self.saves.iter_mut().rev().find(|view| view.id == waiting.id)
        {
            view.steps = view.steps.saturating_add(1);
        }
    }

    /// Takes upkeep that is asked for. The same id again is the same work.
    pub fn ask_upkeep(&mut self, upkeep: UpkeepNow) -> Result<UpkeepView, DiskRefusal> {
        if let Some(known) = self.upkeep(&upkeep.id) {
            return Ok(known.clone());
        }
        self.check_ready(&upkeep.id)?;
        check_access(&upkeep.repository)?;
        if let Some(other) = self.upkeeps.iter().find(|view| !view.done) {
            return Err(DiskRefusal::Conflict(format!("upkeep {} is under way", other.id)));
        }
        if self.upkeeps.len() >= REMEMBERED {
            self.upkeeps.pop_front();
        }
        let view = UpkeepView {
            id: upkeep.id.clone(),
            done: false,
            error: None,
            verification: None,
            removed_bytes: 0,
            differences: Vec::new(),
            difference_count: 0,
            restored_paths: 0,
        };
        self.upkeeps.push_back(view.clone());
        self.wanted_upkeep = Some(upkeep);
        Ok(view)
    }

    /// The upkeep to be done next, if one is asked for.
    pub const fn take_upkeep(&mut self) -> Option<UpkeepNow> {
        self.wanted_upkeep.take()
    }

    /// Work of upkeep, by its id.
    pub fn upkeep(&self, id: &str) -> Option<&UpkeepView> {
        self.upkeeps.iter().rev().find(|view| view.id == id)
    }

    /// Changes how it stands.
    pub fn update_upkeep(&mut self, id: &str, change: impl FnOnce(&mut UpkeepView)) {
        if let Some(view) = self.upkeeps.iter_mut().rev().find(|view| view.id == id) {
            change(view);
        }
    }

    /// What was asked for and never begun ends with the sandbox.
    pub fn stop(&mut self) {
        self.stopping = true;
        const WHY: &str = "the sandbox stops";
        if let Some(save) = self.wanted_save.take() {
            self.update_save(&save.id, |view| {
                view.stage = SaveStage::Failed;
                view.error = Some(WHY.to_owned());
            });
        }
        if let Some(upkeep) = self.wanted_upkeep.take() {
            self.update_upkeep(&upkeep.id, |view| {
                view.done = true;
                view.error = Some(WHY.to_owned());
            });
        }
    }

    /// As it is told.
    pub fn status(&self) -> SnapshotStatus {
        SnapshotStatus {
            // A serve that was started again holds no secret and asks for them by this.
            restore: match (&self.begun, self.restore.stage) {
                (Some(_), Some(stage)) => stage,
                _ => RestoreStage::Waiting,
            },
            restored: self.mark.restored,
            restored_bytes: self.restore.bytes,
            restore_total_bytes: self.restore.total_bytes,
            restore_error: self.restore.error.clone(),
            head: self.mark.head,
            safe_until: self.mark.safe_until,
            changed: self.changed,
            save: self.saves.back().cloned(),
            upkeep: self.upkeeps.back().cloned(),
        }
    }

    /// The same without what can be long: lists of packs and of differences.
    pub fn brief_status(&self) -> SnapshotStatus {
        let mut status = self.status();
        if let Some(save) = &mut status.save {
            save.manifest = None;
        }
        if let Some(upkeep) = &mut status.upkeep {
            upkeep.differences = Vec::new();
        }
        status
    }
}

/// In words.
pub fn over(generation: u64) -> String {
    format!("generation {generation} has begun: nothing that this sandbox saves counts any more")
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
