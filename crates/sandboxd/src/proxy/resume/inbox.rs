//! What a client has sent and the agent has not taken. Pure.

use std::collections::VecDeque;

use molt_common::resume::{ACK_EVERY_BYTES, ACK_EVERY_MESSAGES, WINDOW_BYTES, cost};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

/// A client that counts UTF-16 units may be off by so much; more than this only a client sends that keeps to no window.
const MOST: u64 = 3 * WINDOW_BYTES;

/// What waits for the agent.
#[derive(Clone, Debug, PartialEq)]
pub enum ForAgent {
    /// A message.
    Data(Message),
    /// The page has closed its socket.
    Close(Option<CloseFrame>),
}

/// What waits, and how much was handed on since the start of the session.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: VecDeque<(ForAgent, u64)>,
    cost: u64,
    /// Messages that were handed on to the agent.
    received: u64,
    /// Of those, how many the client was told of, and the bytes of the others.
    acknowledged: u64,
    unacknowledged_bytes: u64,
}

impl Inbox {
    /// Whether more may be read from the client. Always, when it keeps to the window.
    pub fn has_room(&self) -> bool {
        self.cost < MOST || self.waiting.len() <= 1
    }

    /// Whether the page has closed its socket: what it sends after that is for nobody.
    fn ends(&self) -> bool {
        matches!(self.waiting.back(), Some((ForAgent::Close(_), _)))
    }

    /// Takes what the client sent.
    pub fn push(&mut self, item: ForAgent) {
        if self.ends() {
            return;
        }
        let cost = match &item {
            ForAgent::Data(message) => cost(message.len() as u64),
            ForAgent::Close(_) => 0,
        };
        self.cost = self.cost.saturating_add(cost);
        self.waiting.push_back((item, cost));
    }

    /// The next for the agent, which counts as handed on with this.
    pub fn pop(&mut self) -> Option<ForAgent> {
        let (item, cost) = self.waiting.pop_front()?;
        self.cost = self.cost.saturating_sub(cost);
        if matches!(item, ForAgent::Data(_)) {
            self.received += 1;
            self.unacknowledged_bytes = self.unacknowledged_bytes.saturating_add(cost);
        }
        Some(item)
    }

    /// The client is back: what was not handed on it sends again. A page that has closed sends nothing again, so what it said last stays.
    pub fn forget(&mut self) {
        if self.ends() {
            return;
        }
        self.waiting = VecDeque::new();
        self.cost = 0;
    }

    /// Whether the client is to be told at once, or only in a while.
    pub const fn acknowledgement(&self) -> Due {
        let messages = self.received.saturating_sub(self.acknowledged);
        if messages == 0 {
            Due::Not
        } else if messages >= ACK_EVERY_MESSAGES || self.unacknowledged_bytes >= ACK_EVERY_BYTES {
            Due::Now
        } else {
            Due::Soon
        }
    }

    /// What the client is told, which it knows with this.
    pub const fn acknowledge(&mut self) -> u64 {
        (self.acknowledged, self.unacknowledged_bytes) = (self.received, 0);
        self.received
    }
}

/// When to acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing is new.
    Not,
    /// After `ACK_AFTER_MS`.
    Soon,
    /// At once.
    Now,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(bytes: usize) -> ForAgent {
        ForAgent::Data(Message::binary(vec![0; bytes]))
    }

    #[test]
    fn what_was_handed_on_counts_and_what_waited_does_not() {
        let mut inbox = Inbox::default();
        inbox.push(data(1));
        inbox.push(data(2));
        assert_eq!(inbox.acknowledgement(), Due::Not);
        assert_eq!(inbox.pop(), Some(data(1)));
        assert_eq!(inbox.acknowledgement(), Due::Soon);
        inbox.forget();
        assert!(inbox.waiting.is_empty() && inbox.cost == 0);
        assert_eq!(inbox.acknowledge(), 1);
        assert_eq!(inbox.acknowledgement(), Due::Not);
    }

    #[test]
    fn what_a_page_said_before_it_closed_stays_and_nothing_comes_behind() {
        let mut inbox = Inbox::default();
        inbox.push(data(1));
        assert!(!inbox.ends());
        inbox.push(ForAgent::Close(None));
        inbox.push(data(2));
        inbox.forget();
        assert!(inbox.ends());
        assert_eq!((inbox.pop(), inbox.pop()), (Some(data(1)), Some(ForAgent::Close(None))));
        assert_eq!((inbox.pop(), inbox.acknowledge()), (None, 1));
    }

    #[test]
    fn many_messages_or_bytes_are_acknowledged_at_once() {
        let mut inbox = Inbox::default();
        for _ in 0..ACK_EVERY_MESSAGES {
            assert_ne!(inbox.acknowledgement(), Due::Now);
            inbox.push(data(0));
            inbox.pop();
        }
        assert_eq!(inbox.acknowledgement(), Due::Now);
        inbox.acknowledge();
        inbox.push(data(ACK_EVERY_BYTES as usize));
        inbox.pop();
        assert_eq!(inbox.acknowledgement(), Due::Now);
    }

    #[test]
    fn a_client_that_keeps_to_the_window_is_always_read() {
        let mut inbox = Inbox::default();
        inbox.push(data(32 << 20));
        assert!(inbox.has_room(), "one message, however long");
        inbox.push(data(1));
        assert!(!inbox.has_room());
        inbox.forget();
        while inbox.cost < WINDOW_BYTES {
            inbox.push(data(1000));
            assert!(inbox.has_room());
        }
        while inbox.has_room() {
            inbox.push(data(0));
        }
        assert!(inbox.waiting.len() < 100_000);
    }
}
