//! The list of a sandbox's snapshots that count, and everything that is decided by it.
//!
//! A snapshot in the repository counts for nothing until it is in this list. The list grows at its end alone: the newest published one is its
//! *head*, and whoever publishes says which head he built upon. Each boot of the sandbox is a *branch*: it begins at what was restored, and its
//! newest published snapshot is the branch's tip. What is much smaller than the tip is kept apart (*quarantine*) and moves nothing.

mod alerts;
mod boot;
mod decide;
#[cfg(test)]
pub mod fixtures;
mod keeping;
mod loss;
mod publish;
mod retention;
mod shrinkage;
mod stored;
mod told;
mod upkeep;

pub use alerts::{Circumstances, LATE_INTERVALS};
pub use keeping::{Branch, Checked, Chosen, Failure, Keeping};
pub use loss::Loss;
pub use publish::Boot;
pub use retention::{Policy, kept};
pub use shrinkage::suspicious;
pub use upkeep::{PRUNE_EVERY_MS, VERIFY_EVERY_MS};

use molt_common::snapshot::{ListedSnapshot, SnapshotId, Standing};
use molt_common::snapshot_call::SnapshotSummary;

/// The list with what is kept about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct List {
    /// Its entries, by number.
    pub snapshots: Vec<ListedSnapshot>,
    /// The rest.
    pub keeping: Keeping,
}

impl List {
    /// The entry of this name.
    #[must_use]
    pub fn get(&self, id: SnapshotId) -> Option<&ListedSnapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.id == id)
    }

    fn get_mut(&mut self, id: SnapshotId) -> Option<&mut ListedSnapshot> {
        self.snapshots.iter_mut().find(|snapshot| snapshot.id == id)
    }

    /// The newest published one.
    #[must_use]
    pub fn head(&self) -> Option<&ListedSnapshot> {
        self.get(self.keeping.head?)
    }

    /// How the whole stands.
    #[must_use]
    pub fn summary(&self, alerts: Vec<String>) -> SnapshotSummary {
        let keeping = &self.keeping;
        SnapshotSummary {
            head: keeping.head,
            last_snapshot_at: keeping.last_snapshot_at,
            safe_until: keeping.safe_until,
            published: keeping.published,
            quarantined: keeping.quarantined,
            stored_bytes: self.stored_bytes(),
            last_error: keeping.failure.as_ref().map(|failure| failure.error.clone()),
            last_error_at: keeping.failure.as_ref().map(|failure| failure.at),
            verified_at: keeping.verified.map(|checked| checked.at),
            verified_ok: keeping.verified.map(|checked| checked.ok),
            pruned_at: keeping.pruned_at,
            alerts,
        }
    }

    /// What must never be taken off the list: the head, what the boot under way stands on, and what the next start restores.
    fn protected(&self) -> Vec<SnapshotId> {
        let keeping = &self.keeping;
        let branch = keeping.branch.as_ref();
        let chosen = keeping.chosen.as_ref().map(|chosen| chosen.snapshot);
        [keeping.head, branch.and_then(|branch| branch.tip), chosen]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Counts again, and the state says so.
    fn count(&mut self) {
        let count = |standing| self.snapshots.iter().filter(|one| one.standing == standing).count() as u64;
        let (published, quarantined) = (count(Standing::Published), count(Standing::Quarantined));
        (self.keeping.published, self.keeping.quarantined) = (published, quarantined);
        self.keeping.last_snapshot_at = self.head().map(|head| head.taken_at);
    }
}

#[cfg(test)]
#[path = "snapshots/list_model_tests.rs"]
mod list_model_tests;
#[cfg(test)]
#[path = "snapshots/list_tests.rs"]
mod list_tests;
