//! Who may begin now, who waits, and who is told to come back.

/// How many jobs of one owner may be under way and how many more may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Begun and not ended.
    pub under_way: u32,
    /// Accepted and not begun.
    pub queued: u32,
}

/// What happens to a job that is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is accepted and may begin at once.
    Begin,
    /// It is accepted and waits for its turn.
    Wait,
    /// It is not accepted.
    Full {
        /// Seconds after which trying again is reasonable.
        retry_after_s: u32,
    },
}

impl Limits {
    /// Of the commands of one sandbox.
    pub const EXEC: Self = Self {
        under_way: 64,
        queued: 256,
    };

    /// Whether one more is accepted while so many are under way and so many wait.
    #[must_use]
    pub const fn admit(&self, under_way: u32, queued: u32) -> Admission {
        if queued == 0 && under_way < self.under_way {
            Admission::Begin
        } else if queued < self.queued {
            Admission::Wait
        } else {
            // Nobody knows how long the commands before it take; a place is freed by the first of them that ends.
            Admission::Full { retry_after_s: 5 }
        }
    }

    /// How many of those that wait may begin now.
    #[must_use]
    pub const fn free(&self, under_way: u32) -> u32 {
        self.under_way.saturating_sub(under_way)
    }

    /// Which of those that wait may begin now. `waiting` is in order of submission and holds nothing that has ended: one that was cancelled has
    /// left it, so its place is the next one's.
    pub fn turn_of<T>(&self, under_way: u32, waiting: impl IntoIterator<Item = T>) -> Vec<T> {
        let free = usize::try_from(self.free(under_way)).unwrap_or(usize::MAX);
        waiting.into_iter().take(free).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Limits};
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[test]
    fn nobody_overtakes() {
        let limits = Limits::EXEC;
        assert_eq!(limits.admit(63, 0), Admission::Begin);
        assert_eq!(limits.admit(64, 0), Admission::Wait);
        assert_eq!(
            limits.admit(10, 1),
            Admission::Wait,
            "one that came before has not begun"
        );
        assert_eq!(limits.admit(64, 255), Admission::Wait);
        assert!(matches!(limits.admit(64, 256), Admission::Full { .. }));
        assert_eq!(limits.turn_of(62, ["a", "b", "c"]), ["a", "b"]);
        assert!(
            limits.turn_of(65, ["a"]).is_empty(),
            "a smaller limit stops nothing that runs"
        );
    }

    proptest! {
        /// Submissions, ends and cancels in any order, against a queue written down plainly.
        #[test]
        fn order_and_limits_hold(ops in prop::collection::vec(0_u8..4, 0..400), under_way in 1_u32..5, queued in 0_u32..5) {
            let limits = Limits { under_way, queued };
            let (mut next, mut waiting, mut running, mut last) = (0_u32, VecDeque::new(), Vec::new(), None);
            for op in ops {
                let counts = (u32::try_from(running.len()).unwrap(), u32::try_from(waiting.len()).unwrap());
                match op {
                    0 | 1 => match limits.admit(counts.0, counts.1) {
                        Admission::Full { .. } => prop_assert_eq!(counts.1, queued),
                        _ => { waiting.push_back(next); next += 1; }
                    },
                    2 => drop(running.pop()),
                    _ => drop(waiting.pop_front()),
                }
                for id in limits.turn_of(u32::try_from(running.len()).unwrap(), waiting.clone()) {
                    prop_assert_eq!(waiting.pop_front(), Some(id));
                    prop_assert!(last < Some(id), "in order of submission");
                    last = Some(id);
                    running.push(id);
                }
                prop_assert!(running.len() <= usize::try_from(under_way).unwrap());
                prop_assert!(waiting.len() <= usize::try_from(queued).unwrap());
                prop_assert!(waiting.is_empty() || running.len() == usize::try_from(under_way).unwrap(), "nobody waits for nothing");
            }
        }
    }
}
