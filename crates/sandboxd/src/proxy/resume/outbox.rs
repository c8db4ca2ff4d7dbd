//! What was sent to a client and is not acknowledged, so that it can be sent again. Pure.

use std::collections::VecDeque;

use molt_common::resume::{WINDOW_BYTES, cost};

/// Messages in order, of which the oldest has the number `first`.
#[derive(Debug)]
pub struct Outbox<M> {
    first: u64,
    kept: VecDeque<(M, u64)>,
    /// How many of `kept` were sent on the present connection.
    sent: usize,
    /// What those cost.
    sent_cost: u64,
    /// How many messages any connection was sent.
    reached: u64,
    /// Of all that is kept.
    cost: u64,
}

impl<M> Default for Outbox<M> {
    fn default() -> Self {
        Self {
            first: 0,
            kept: VecDeque::new(),
            sent: 0,
            sent_cost: 0,
            reached: 0,
            cost: 0,
        }
    }
}

/// Something was acknowledged that was never sent, or taken back that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

impl<M: Clone> Outbox<M> {
    /// What all that is kept costs.
    pub const fn cost(&self) -> u64 {
        self.cost
    }

    /// Whether one more message may be taken. Its length is not known before it is there, so the window may be exceeded by one.
    pub const fn has_room(&self) -> bool {
        self.cost < WINDOW_BYTES
    }

    /// Takes a message of so many bytes.
    pub fn push(&mut self, message: M, bytes: u64) {
        let cost = cost(bytes);
        self.cost = self.cost.saturating_add(cost);
        self.kept.push_back((message, cost));
    }

    /// The next message that the present connection has not seen, as far as the client has room for it.
    pub fn next(&mut self) -> Option<M> {
        let (message, cost) = self.kept.get(self.sent)?;
        let with_it = self.sent_cost.saturating_add(*cost);
        if self.sent > 0 && with_it > WINDOW_BYTES {
            return None;
        }
        self.sent += 1;
        self.sent_cost = with_it;
        self.reached = self.reached.max(self.first.saturating_add(self.sent as u64));
        Some(message.clone())
    }

    /// Whether the client was sent everything.
    pub fn is_sent(&self) -> bool {
        self.sent == self.kept.len()
    }

    /// The client has the first `received` messages.
    pub fn acknowledge(&mut self, received: u64) -> Result<(), OutOfRange> {
        let acknowledged = received.checked_sub(self.first).ok_or(OutOfRange)?;
        if received > self.reached {
            return Err(OutOfRange);
        }
        let acknowledged = usize::try_from(acknowledged).map_err(|_| OutOfRange)?;
        for (index, (_, cost)) in self.kept.drain(..acknowledged).enumerate() {
            self.cost -= cost;
            if index < self.sent {
                self.sent_cost -= cost;
            }
        }
        if self.kept.is_empty() {
            // A burst is over: its memory goes.
            self.kept.shrink_to_fit();
        }
        self.first = received;
        self.sent = self.sent.saturating_sub(acknowledged);
        Ok(())
    }

    /// A new connection: everything that is kept is to be sent again.
    pub const fn rewind(&mut self) {
        (self.sent, self.sent_cost) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(u64),
        Deliver(u8),
        Acknowledge,
        /// The connection breaks; so much of what was under way is lost.
        Break,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => prop_oneof![0_u64..10, 100_000_u64..300_000, Just(WINDOW_BYTES + 5)].prop_map(Step::Push),
            4 => (1_u8..20).prop_map(Step::Deliver),
            2 => Just(Step::Acknowledge),
            1 => Just(Step::Break),
        ];
        proptest::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_doubled_or_out_of_order(steps in steps()) {
            let mut outbox = Outbox::default();
            let (mut pushed, mut received, mut acknowledged, mut reached) = (0_u64, 0_u64, 0_u64, 0_u64);
            let check = |got: Option<u64>, received: &mut u64| {
                if let Some(number) = got {
                    assert_eq!(number, *received, "in order, once");
                    *received += 1;
                }
                got.is_some()
            };
            for step in steps {
                match step {
                    Step::Push(bytes) if outbox.has_room() => {
                        outbox.push(pushed, bytes);
                        pushed += 1;
                    }
                    Step::Push(_) => {}
                    Step::Deliver(count) => {
                        for _ in 0..count {
                            check(outbox.next(), &mut received);
                        }
                    }
                    Step::Acknowledge => {
                        prop_assert!(outbox.acknowledge(received).is_ok());
                        acknowledged = received;
                    }
                    Step::Break => {
                        // The client says what it has when it is back; what it had not acknowledged before counts as well.
                        outbox.rewind();
                        prop_assert!(outbox.acknowledge(received).is_ok());
                        acknowledged = received;
                    }
                }
                prop_assert!(outbox.cost() <= WINDOW_BYTES + cost(WINDOW_BYTES + 5));
                prop_assert!(acknowledged == 0 || outbox.acknowledge(acknowledged - 1) == Err(OutOfRange));
                prop_assert_eq!(outbox.acknowledge(pushed + 1), Err(OutOfRange));
                // What waits was never sent: taken for received, it would be lost.
                reached = reached.max(received);
                prop_assert_eq!(outbox.acknowledge(reached + 1), Err(OutOfRange));
            }
            while received < pushed {
                prop_assert!(check(outbox.next(), &mut received) || outbox.acknowledge(received).is_ok());
            }
            prop_assert!(outbox.acknowledge(pushed).is_ok());
            prop_assert_eq!(outbox.cost(), 0);
        }

        #[test]
        fn a_client_never_has_to_hold_more_than_the_window_or_one_message(sizes in proptest::collection::vec(0_u64..2_000_000, 1..30)) {
            let mut outbox = Outbox::default();
            for size in &sizes {
                outbox.push(*size, *size);
            }
            let mut sent = Vec::new();
            while let Some(size) = outbox.next() {
                sent.push(cost(size));
            }
            prop_assert!(sent.len() == 1 || sent.iter().sum::<u64>() <= WINDOW_BYTES);
        }
    }
}
