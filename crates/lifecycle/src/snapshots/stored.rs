//! How much lies in the repository. What an entry added stays there when it goes off the list: later snapshots may lean on it, and only a prune
//! removes what none does.

use super::List;

impl List {
    /// Bytes of the repository, estimated: what was added to it, without what prunes have removed.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.keeping.stored_bytes.unwrap_or_else(|| self.added_by_listed())
    }

    /// What the entries of the list have added: all of it is needed.
    fn added_by_listed(&self) -> u64 {
        let added = self.snapshots.iter().map(|snapshot| snapshot.added_bytes);
        added.fold(0, u64::saturating_add)
    }

    /// So much was added. Call it before the entry of that is on the list, and with 0 before one goes.
    pub(super) fn added(&mut self, bytes: u64) {
        self.keeping.stored_bytes = Some(self.stored_bytes().saturating_add(bytes));
    }

    /// A prune wrote and removed so much. What was never counted, such as the remains of a save that broke off, is removed too.
    pub(super) fn removed(&mut self, added: u64, removed: u64) {
        self.added(added);
        let left = self.stored_bytes().saturating_sub(removed);
        self.keeping.stored_bytes = Some(left.max(self.added_by_listed()));
    }
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
