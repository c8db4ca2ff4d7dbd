//! Upkeep by schedule: when it is due, and what came of it. It wakes nothing.

use super::{Checked, Keeping, List};
use molt_common::sandbox_change::ChangeOutcome;
use molt_common::snapshot::{SnapshotId, Verification};
use molt_common::time::Millis;

/// A repository is pruned at most this often: that reads its index and rewrites what is partly needed.
pub const PRUNE_EVERY_MS: u64 = 24 * 60 * 60_000;
/// A sample of the newest snapshot is read again this often.
pub const VERIFY_EVERY_MS: u64 = 24 * 60 * 60_000;
/// What was asked for and did not end well is asked for again after this long.
const AGAIN_MS: u64 = 60 * 60_000;

impl Keeping {
    /// Whether something was forgotten, and the last prune is a day ago.
    #[must_use]
    pub fn prune_is_due(&self, now: Millis) -> bool {
        let since = self
            .pruned_at
            .max(self.forgotten_at.filter(|_| self.pruned_at.is_none()));
        let asked = self.prune_asked_at.is_some_and(|at| now.since(at) < AGAIN_MS);
        self.forgotten > 0 && !asked && since.is_some_and(|at| now.since(at) >= PRUNE_EVERY_MS)
    }

    /// Whether nothing was verified for a day, though there was something to verify.
    #[must_use]
    pub fn verify_is_due(&self, now: Millis) -> bool {
        let since = self.verified.map(|checked| checked.at);
        let asked = self.verify_asked_at.is_some_and(|at| now.since(at) < AGAIN_MS);
        let first = self.first_published_at;
        self.head.is_some() && !asked && since.or(first).is_some_and(|at| now.since(at) >= VERIFY_EVERY_MS)
    }

    /// A prune is asked for now, by the list as it is.
    pub const fn prune_asked(&mut self, now: Millis) {
        self.prune_asked_at = Some(now);
        self.prune_asked_of = self.forgotten;
    }
}

impl List {
    /// What a prune must leave: every entry, whether it counts or is kept apart.
    #[must_use]
    pub fn kept_by_prune(&self) -> Vec<SnapshotId> {
        self.snapshots.iter().map(|one| one.id).collect()
    }

    /// The prune that was asked for last is done, with this outcome: what was forgotten since waits for the next.
    pub fn pruned(&mut self, outcome: &ChangeOutcome, now: Millis) {
        self.removed(outcome.added_bytes, outcome.removed_bytes);
        let keeping = &mut self.keeping;
        keeping.pruned_at = Some(now);
        keeping.forgotten = keeping.forgotten.saturating_sub(keeping.prune_asked_of);
        keeping.prune_asked_of = 0;
        keeping.forgotten_at = keeping.prune_asked_at.filter(|_| keeping.forgotten > 0);
    }

    /// A snapshot was read again.
    pub fn verified(&mut self, id: SnapshotId, verification: &Verification) {
        self.keeping.verified = Some(Checked {
            at: verification.at,
            ok: verification.ok,
        });
        if let Some(entry) = self.get_mut(id) {
            entry.verification = Some(verification.clone());
        }
    }
}
