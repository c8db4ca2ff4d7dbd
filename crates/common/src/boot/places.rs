//! A bounded number of places, each held for a bounded time: a holder that is never heard of again keeps its place no longer than that.

use crate::time::Millis;

/// Places that are taken.
#[derive(Debug)]
pub struct Places {
    most: usize,
    taken: Vec<(u64, Millis)>,
    next: u64,
}

/// One place, to be given back.
#[derive(Debug, PartialEq, Eq)]
pub struct Place(u64);

impl Places {
    /// So many of them, all free.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            most,
            taken: Vec::new(),
            next: 0,
        }
    }

    /// Takes one until then at the latest; `None` when all are taken.
    pub fn take(&mut self, now: Millis, until: Millis) -> Option<Place> {
        self.taken.retain(|(_, until)| *until > now);
        if self.taken.len() >= self.most {
            return None;
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.taken.push((number, until));
        Some(Place(number))
    }

    /// Gives one back.
    pub fn free(&mut self, place: &Place) {
        self.taken.retain(|(number, _)| *number != place.0);
    }

    /// How many were taken when one was last asked for, without those that were given back.
    #[must_use]
    pub const fn taken(&self) -> usize {
        self.taken.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Places;
    use crate::time::Millis;

    #[test]
    fn never_more_than_there_are_and_none_is_lost() {
        let mut places = Places::new(2);
        let (now, until) = (Millis(1_000), Millis(2_000));
        let first = places.take(now, until).unwrap();
        let second = places.take(now, Millis(9_000)).unwrap();
        assert_eq!(places.take(now, until), None);
        places.free(&first);
        // Twice is once.
        places.free(&first);
        let third = places.take(now, until).unwrap();
        assert_ne!(first, third);
        assert_eq!(places.take(Millis(1_999), until), None);
        // The holder of the third was never heard of again.
        assert!(places.take(Millis(2_000), Millis(3_000)).is_some());
        places.free(&second);
        assert_eq!(places.taken(), 1);
    }
}
