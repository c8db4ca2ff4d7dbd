//! Refusals of strict counters that an isolate remembers, so that whoever goes on asking does not load the object that counts.
//!
//! Exact all the same: what is refused is not counted, so nothing but time makes a full counter admit again, and it said when.

use super::{CounterKey, Standing};
use crate::time::Millis;
use lru::LruCache;
use std::num::NonZeroUsize;

/// Counters that are remembered; a hundred bytes each.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);

/// Until when which counters admit nobody. Plain data.
#[derive(Debug)]
pub struct Refusals(LruCache<CounterKey, Millis>);

impl Default for Refusals {
    fn default() -> Self {
        Self(LruCache::new(MOST))
    }
}

impl Refusals {
    /// Remembers what the object answered at `now`. It was right a moment earlier, so this errs by that moment, to the safe side.
    pub fn note(&mut self, key: &CounterKey, standing: &Standing, now: Millis) {
        if !standing.admitted {
            self.0.put(key.clone(), now.plus(standing.wait_ms));
        }
    }

    /// The refusal that the object would give; `None` when it has to be asked.
    pub fn known(&mut self, key: &CounterKey, now: Millis) -> Option<Standing> {
        let wait_ms = self.0.get(key)?.since(now);
        if wait_ms == 0 {
            self.0.pop(key);
            return None;
        }
        Some(Standing {
            admitted: false,
            remaining: 0,
            wait_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Refusals};
    use crate::limit::{Class, CounterKey, Policy, Subject, WindowLog};
    use crate::time::Millis;
    use proptest::prelude::*;

    fn key(number: u32) -> CounterKey {
        CounterKey::of(Class::Login, &Subject::V4(number.to_be_bytes()))
    }

    proptest! {
        /// Two isolates ask one object; one remembers refusals. Neither sees a difference to asking each time.
        #[test]
        fn remembering_changes_no_answer(limit in 1..5_u32, steps in prop::collection::vec((any::<bool>(), 0..900_u64), 1..200)) {
            let policy = Policy::new(limit, 2);
            let (mut object, mut refusals, mut now) = (WindowLog::default(), Refusals::default(), Millis(1_767_225_600_000));
            for (remembers, pause) in steps {
                now = now.plus(pause);
                let truth = object.clone().take(policy, now);
                let standing = match refusals.known(&key(1), now).filter(|_| remembers) {
                    Some(known) => known,
                    None => {
                        let standing = object.take(policy, now);
                        refusals.note(&key(1), &standing, now);
                        standing
                    }
                };
                prop_assert_eq!(standing, truth);
            }
        }
    }

    #[test]
    fn many_addresses_do_not_make_it_grow() {
        let mut refusals = Refusals::default();
        let mut full = WindowLog::default();
        let policy = Policy::new(1, 60);
        full.take(policy, Millis(1_000));
        let refused = full.take(policy, Millis(1_000));
        for number in 0..5_000 {
            refusals.note(&key(number), &refused, Millis(1_000));
        }
        assert_eq!(refusals.0.len(), MOST.get());
        assert_eq!(refusals.known(&key(0), Millis(1_001)), None);
        assert!(refusals.known(&key(4_999), Millis(1_001)).is_some());
        assert_eq!(refusals.known(&key(4_999), Millis(61_000)), None);
    }
}
