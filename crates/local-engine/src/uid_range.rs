//! Which host user ids the ids inside a sandbox stand for.
//!
//! Every sandbox gets a range of its own, so that a process that escaped its namespaces would still be a stranger to the files and
//! processes of the others, and to every user of the host.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Ids in one range: inside, 0 to 65535.
pub const RANGE_SIZE: u32 = 65_536;
/// Host id of the first range; below it live the host's own users.
const FIRST_ID: u32 = 100_000;
/// Ranges one engine hands out at most at one time.
pub const SLOTS_PER_ENGINE: u32 = 1_000;
/// Engines whose ranges never overlap; more than that share, by chance of their run directory.
const ENGINES: u32 = 64;

/// Host id that stands for id 0 inside, for slot `slot` of the engine whose run directory hashes to `engine`.
/// Always such that the whole range fits below 2³².
pub fn first_host_id(engine: u32, slot: u32) -> u32 {
    FIRST_ID + ((engine % ENGINES) * SLOTS_PER_ENGINE + slot % SLOTS_PER_ENGINE) * RANGE_SIZE
}

/// The ranges of one engine that are free or taken.
#[derive(Debug, Clone)]
pub struct UidRanges {
    engine: u32,
    taken: Arc<Mutex<BTreeSet<u32>>>,
}

impl UidRanges {
    /// The ranges of the engine whose run directory hashes to `engine`, all free.
    pub fn new(engine: u32) -> Self {
        Self {
            engine,
            taken: Arc::default(),
        }
    }

    /// Takes the lowest free range until the returned guard is dropped; `None` when all are taken.
    pub fn take(&self) -> Option<UidRange> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = (0..SLOTS_PER_ENGINE).find(|slot| !taken.contains(slot))?;
        taken.insert(slot);
        Some(UidRange {
            first: first_host_id(self.engine, slot),
            slot,
            taken: Arc::clone(&self.taken),
        })
    }
}

/// A range that is taken for as long as this exists.
#[derive(Debug)]
pub struct UidRange {
    first: u32,
    slot: u32,
    taken: Arc<Mutex<BTreeSet<u32>>>,
}

impl UidRange {
    /// Host id that stands for id 0 inside.
    pub fn first(&self) -> u32 {
        self.first
    }
}

impl Drop for UidRange {
    fn drop(&mut self) {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.slot);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_sandboxes_never_share_an_id_and_a_freed_range_is_used_again() {
        let ranges = UidRanges::new(3);
        let (a, b) = (ranges.take().unwrap(), ranges.take().unwrap());
        assert_eq!(a.first() + RANGE_SIZE, b.first());
        let first = a.first();
        drop(a);
        assert_eq!(ranges.take().unwrap().first(), first);
    }

    #[test]
    fn the_ranges_end() {
        let ranges = UidRanges::new(0);
        let all: Vec<_> = (0..SLOTS_PER_ENGINE).map(|_| ranges.take().unwrap()).collect();
        assert!(ranges.take().is_none());
        drop(all);
        assert!(ranges.take().is_some());
    }

    proptest! {
        #[test]
        fn every_range_lies_above_the_host_and_fits(engine: u32, slot in 0..SLOTS_PER_ENGINE) {
            let first = first_host_id(engine, slot);
            prop_assert!(first >= FIRST_ID);
            // The last id 2^32 - 1 means "no id" to the kernel.
            prop_assert!(u64::from(first) + u64::from(RANGE_SIZE) < u64::from(u32::MAX));
            prop_assert_eq!((first - FIRST_ID) % RANGE_SIZE, 0);
        }
    }
}
