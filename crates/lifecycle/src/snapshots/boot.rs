//! A boot begins on what it is told, and an operator may have chosen something older for it.

use super::{Branch, Chosen, Keeping, List};
use molt_common::snapshot::{SnapshotId, Standing};
use molt_common::time::Millis;

impl Keeping {
    /// What the disk of this generation is to hold. Asked again, the same: what was published or chosen meanwhile is for a later one.
    pub fn begin(&mut self, generation: u64) -> Branch {
        if let Some(branch) = self.branch.as_ref().filter(|branch| branch.generation == generation) {
            return branch.clone();
        }
        let restore = self.restore_point(generation);
        let branch = Branch {
            generation,
            restore,
            head: self.head,
            tip: restore,
            restored_at: None,
            saved_all: false,
            token_until: None,
        };
        self.branch = Some(branch.clone());
        (self.safe_until, self.changed) = (None, false);
        branch
    }

    /// The disk of this generation holds what it should.
    pub fn restored(&mut self, generation: u64, now: Millis) {
        if let Some(branch) = self.branch.as_mut().filter(|branch| branch.generation == generation) {
            branch.restored_at.get_or_insert(now);
        }
    }

    /// A choice that its change did not bring to its end is none any more: the next start takes the newest. One that a disk holds already stays,
    /// or a crash before the first save would bring back what somebody left.
    pub fn unchoose(&mut self, snapshot: SnapshotId) {
        let Some(chosen) = self.chosen.filter(|chosen| chosen.snapshot == snapshot) else {
            return;
        };
        let holds = self.branch.as_ref().is_some_and(|branch| {
            branch.generation > chosen.above && branch.restore == Some(snapshot) && branch.restored_at.is_some()
        });
        if !holds {
            self.chosen = None;
        }
    }
}

impl List {
    /// Starts after this generation restore that one.
    ///
    /// # Errors
    /// In words, when it does not count.
    pub fn choose(&mut self, snapshot: SnapshotId, generation: u64) -> Result<(), String> {
        self.may_be_chosen(snapshot)?;
        self.keeping.chosen = Some(Chosen {
            snapshot,
            above: generation,
        });
        Ok(())
    }

    /// Whether a start may restore it.
    ///
    /// # Errors
    /// In words, when it does not count.
    pub fn may_be_chosen(&self, snapshot: SnapshotId) -> Result<(), String> {
        match self.get(snapshot).map(|listed| listed.standing) {
            Some(Standing::Published) => Ok(()),
            Some(Standing::Quarantined) => Err("is kept apart: release it before it is restored".into()),
            None => Err("must be the name of a snapshot of this sandbox".into()),
        }
    }
}
