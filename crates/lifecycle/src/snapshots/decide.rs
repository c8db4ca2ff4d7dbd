//! What operators decide about one snapshot.

use super::List;
use molt_common::snapshot::{SnapshotId, Standing};
use molt_common::snapshot_call::{Decided, Decision};
use molt_common::time::Millis;

/// Most pinned entries of one list: nothing else takes them away.
pub const MOST_PINNED: usize = 100;

impl List {
    /// Does it, or says why not.
    pub fn decide(&mut self, id: SnapshotId, decision: Decision, now: Millis) -> Decided {
        let Some(entry) = self.get(id).cloned() else {
            return Decided::Unknown;
        };
        let refused = match decision {
            Decision::Delete => self.delete(id, now),
            Decision::Pin => self.pin(id),
            Decision::Unpin => {
                if let Some(entry) = self.get_mut(id) {
                    entry.pinned = false;
                }
                None
            }
            Decision::Release if entry.standing == Standing::Published => Some("It counts already."),
            Decision::Release => {
                self.release(entry.sequence, now);
                None
            }
        };
        match refused {
            Some(text) => Decided::Refused { text: text.into() },
            None => Decided::Done {
                snapshot: Box::new(self.get(id).cloned().unwrap_or(entry)),
            },
        }
    }

    fn delete(&mut self, id: SnapshotId, now: Millis) -> Option<&'static str> {
        if self.keeping.head == Some(id) {
            return Some("It is the newest that counts: what the next start restores.");
        }
        if self.protected().contains(&id) {
            return Some("The sandbox stands on it, or its next start restores it.");
        }
        self.added(0);
        self.snapshots.retain(|one| one.id != id);
        self.forgot(1, now);
        self.count();
        None
    }

    fn pin(&mut self, id: SnapshotId) -> Option<&'static str> {
        let others = self.snapshots.iter().filter(|one| one.pinned && one.id != id).count();
        if others >= MOST_PINNED {
            return Some("There are 100 pinned ones already.");
        }
        if let Some(entry) = self.get_mut(id) {
            entry.pinned = true;
        }
        None
    }
}
