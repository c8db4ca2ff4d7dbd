//! Snapshots of this boot that a prune leaves even where its list does not name them: whoever ordered it may not have known of the newest, and one that was
//! sent to be published without an answer may still come to count.

use molt_common::snapshot::{PublishAnswer, SnapshotId, Standing};
use serde::{Deserialize, Serialize};

/// They, oldest first. Saves and publications are one at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written(Vec<Entry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    snapshot: SnapshotId,
    /// Where the list has it; nothing without an answer.
    standing: Option<Standing>,
}

impl Written {
    /// One was written, and is about to be sent to be published.
    pub fn add(&mut self, snapshot: SnapshotId) {
        self.0.push(Entry {
            snapshot,
            standing: None,
        });
    }

    /// The edge answered for one.
    pub fn answered(&mut self, snapshot: SnapshotId, answer: &PublishAnswer) {
        let standing = match answer {
            PublishAnswer::Published { .. } => Standing::Published,
            PublishAnswer::Quarantined { .. } => Standing::Quarantined,
            // No newest snapshot and no generation comes back, so it never counts.
            PublishAnswer::HeadMoved { .. } | PublishAnswer::GenerationOver { .. } => {
                self.0.retain(|entry| entry.snapshot != snapshot);
                return;
            }
            // An earlier request for it may still be under way, and see more.
            PublishAnswer::Incomplete { .. } => return,
        };
        for entry in self.0.iter_mut().filter(|entry| entry.snapshot == snapshot) {
            entry.standing = Some(standing);
        }
    }

    /// Lets go of what a list that names `listed` decides. It is at least as new as the newest of these that it names, so that it is right about all before
    /// that, but for those without an answer: one that is kept apart does not keep them from counting later, as one that is published does. Where it names
    /// none of these, it may be older than all of them.
    pub fn settle(&mut self, listed: &[SnapshotId]) {
        let newest = |counts: bool| {
            let is_newest = |entry: &Entry| {
                listed.contains(&entry.snapshot) && (!counts || entry.standing == Some(Standing::Published))
            };
            self.0.iter().rposition(is_newest).map_or(0, |place| place + 1)
        };
        let (known, counting) = (newest(false), newest(true));
        let mut place = 0;
        self.0.retain(|entry| {
            place += 1;
            place > known || (place > counting && entry.standing.is_none())
        });
    }

    /// Their names.
    pub fn snapshots(&self) -> impl Iterator<Item = SnapshotId> {
        self.0.iter().map(|entry| entry.snapshot)
    }
}

#[cfg(test)]
mod tests {
    use molt_common::snapshot::ObjectId;

    use super::*;

    fn id(number: u8) -> SnapshotId {
        ObjectId::new([number; 32])
    }

    fn published() -> Option<PublishAnswer> {
        Some(PublishAnswer::Published { sequence: 1 })
    }

    fn apart() -> Option<PublishAnswer> {
        Some(PublishAnswer::Quarantined { why: "small".into() })
    }

    fn incomplete() -> Option<PublishAnswer> {
        Some(PublishAnswer::Incomplete { why: "pack".into() })
    }

    /// 1, 2, 3, ... with these answers; what is left of them by a list of `listed`.
    fn left(answers: &[Option<PublishAnswer>], listed: &[u8]) -> Vec<u8> {
        let mut written = Written::default();
        for (number, answer) in (1..).zip(answers) {
            written.add(id(number));
            if let Some(answer) = answer {
                written.answered(id(number), answer);
            }
        }
        let listed: Vec<SnapshotId> = listed.iter().copied().map(id).collect();
        written.settle(&listed);
        (1..=9)
            .filter(|number| written.snapshots().any(|snapshot| snapshot == id(*number)))
            .collect()
    }

    #[test]
    fn what_a_list_decides_is_let_go_and_what_is_newer_stays() {
        let three = [published(), published(), published()];
        for (listed, still) in [
            (&[3][..], &[][..]),
            (&[1, 3], &[]),
            (&[1, 2], &[3]),
            (&[1], &[2, 3]),
            (&[], &[1, 2, 3]),
            (&[9], &[1, 2, 3]),
        ] {
            assert_eq!(left(&three, listed), still, "{listed:?}");
        }
    }

    #[test]
    fn what_may_still_come_to_count_stays() {
        assert_eq!(left(&[None, published(), None], &[2]), [3], "it can only be too late");
        assert_eq!(left(&[None, apart(), apart()], &[3]), [1]);
        assert_eq!(left(&[incomplete(), apart()], &[2]), [1]);
        assert_eq!(left(&[published(), None, apart()], &[1, 3]), [2]);
        assert_eq!(left(&[None, None], &[2]), [1, 2], "it may be kept apart");
    }

    #[test]
    fn what_never_counts_is_let_go_at_once() {
        let moved = Some(PublishAnswer::HeadMoved { head: Some(id(9)) });
        let over = Some(PublishAnswer::GenerationOver { generation: 4 });
        assert_eq!(left(&[moved, over, None], &[]), [3]);
    }
}
