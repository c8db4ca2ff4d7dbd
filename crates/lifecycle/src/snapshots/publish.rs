//! Publishing: a compare-and-set of the head.

use super::shrinkage::{Extent, suspicious};
use super::{List, Policy};
use molt_common::snapshot::{ListedSnapshot, PublishAnswer, PublishRequest, SaveReason, Standing};
use molt_common::time::Millis;

/// The newest generation of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Its number.
    pub generation: u64,
    /// It has not ended.
    pub lives: bool,
}

impl List {
    /// A snapshot of `generation`, of which every object was seen to be there, is to count. What retention does not keep any more goes off the list.
    pub fn publish(&mut self, generation: u64, request: &PublishRequest, newest: Boot, now: Millis) -> PublishAnswer {
        let manifest = &request.manifest;
        // Whoever did not hear the answer asks again, perhaps after his end.
        if let Some(known) = self
            .get(manifest.snapshot)
            .filter(|known| known.generation == generation)
        {
            return match known.standing {
                Standing::Published => PublishAnswer::Published {
                    sequence: known.sequence,
                },
                Standing::Quarantined => PublishAnswer::Quarantined {
                    why: known.why.clone().unwrap_or_default(),
                },
            };
        }
        if generation != newest.generation || !newest.lives {
            return PublishAnswer::GenerationOver {
                generation: newest.generation,
            };
        }
        if request.head != self.keeping.head || self.get(manifest.snapshot).is_some() {
            return PublishAnswer::HeadMoved {
                head: self.keeping.head,
            };
        }
        let branch = self.keeping.branch.as_ref();
        let tip = match branch.filter(|branch| branch.generation == generation) {
            Some(branch) => branch.tip,
            None => self.keeping.head,
        };
        let before = tip.and_then(|tip| self.get(tip)).map(|tip| Extent {
            files: tip.files,
            bytes: tip.bytes,
        });
        let extent = Extent {
            files: manifest.files,
            bytes: manifest.bytes,
        };
        let why = before.and_then(|before| suspicious(before, extent));
        let sequence = self.keeping.last_sequence.saturating_add(1);
        self.keeping.last_sequence = sequence;
        self.added(manifest.added_bytes);
        self.snapshots.push(ListedSnapshot {
            id: manifest.snapshot,
            sequence,
            generation,
            standing: if why.is_some() {
                Standing::Quarantined
            } else {
                Standing::Published
            },
            why: why.clone(),
            reason: request.reason,
            taken_at: manifest.taken_at,
            published_at: now,
            parent: tip,
            files: manifest.files,
            bytes: manifest.bytes,
            added_bytes: manifest.added_bytes,
            databases: manifest.databases,
            unreadable_count: manifest.unreadable_count,
            verification: None,
            pinned: false,
        });
        let answer = match why {
            Some(why) => PublishAnswer::Quarantined { why },
            None => {
                self.keeping.first_published_at.get_or_insert(now);
                self.moved(generation, sequence);
                if request.import.is_some()
                    && let Some(branch) = self
                        .keeping
                        .branch
                        .as_mut()
                        .filter(|branch| branch.generation == generation)
                {
                    // A supervisor that is started again in this boot restores it, where it was not noted any more.
                    branch.restore = Some(manifest.snapshot);
                }
                if request.reason == SaveReason::Stop {
                    // Its agent had ended before this was read.
                    self.keeping.safe_until = self.keeping.safe_until.max(Some(now));
                    self.keeping.all_saved(generation);
                }
                PublishAnswer::Published { sequence }
            }
        };
        self.retain(Policy::default(), now);
        answer
    }

    /// The one with this number is the head from now on.
    fn moved(&mut self, generation: u64, sequence: u64) {
        let Some(id) = self
            .snapshots
            .iter()
            .find(|one| one.sequence == sequence)
            .map(|one| one.id)
        else {
            return;
        };
        let keeping = &mut self.keeping;
        keeping.head = Some(id);
        if let Some(branch) = keeping.branch.as_mut().filter(|branch| branch.generation == generation) {
            branch.tip = Some(id);
        }
        // What was chosen is the beginning of this branch, which now has more than that.
        if keeping.chosen.is_some_and(|chosen| generation > chosen.above) {
            keeping.chosen = None;
        }
        keeping.failure = None;
    }

    /// One that was kept apart counts. It is the head, unless something newer has been published since.
    pub(super) fn release(&mut self, sequence: u64, now: Millis) {
        let head = self.head().map_or(0, |head| head.sequence);
        let Some(entry) = self.snapshots.iter_mut().find(|one| one.sequence == sequence) else {
            return;
        };
        entry.standing = Standing::Published;
        entry.why = None;
        entry.published_at = now;
        let generation = entry.generation;
        if sequence > head {
            self.moved(generation, sequence);
        }
        self.count();
    }
}
