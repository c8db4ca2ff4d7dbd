//! Long messages are sent in fragments (RFC 6455 5.4). The library moves the rest of a frame in memory after each piece of it that was written, which for
//! a message of 32 MiB is most of a minute; and between two fragments a ping can stand.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// Longest frame that is sent, in bytes.
const FRAGMENT: usize = 64 * 1024;

/// The rest of a message that is being sent; nothing by default.
#[derive(Debug, Default)]
pub struct Fragments {
    rest: Bytes,
}

impl Fragments {
    /// What to send of `message` now; the rest is to be asked for before any other message.
    pub fn begin(&mut self, message: Message) -> Message {
        let (opcode, payload) = match message {
            Message::Text(text) if text.len() > FRAGMENT => (Data::Text, Bytes::from(text)),
            Message::Binary(bytes) if bytes.len() > FRAGMENT => (Data::Binary, bytes),
            short => return short,
        };
        self.rest = payload;
        let first = self.rest.split_to(FRAGMENT);
        Message::Frame(Frame::message(first, OpCode::Data(opcode), false))
    }

    /// The next fragment of the message that was begun.
    pub fn next(&mut self) -> Option<Message> {
        if self.rest.is_empty() {
            return None;
        }
        let piece = self.rest.split_to(self.rest.len().min(FRAGMENT));
        let last = self.rest.is_empty();
        Some(Message::Frame(Frame::message(
            piece,
            OpCode::Data(Data::Continue),
            last,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_and_nothing_of_them_is_lost() {
        let mut fragments = Fragments::default();
        for length in [0, 1, FRAGMENT] {
            let message = Message::binary(vec![7; length]);
            assert_eq!(fragments.begin(message.clone()), message);
            assert_eq!(fragments.next(), None);
        }
        for length in [FRAGMENT + 1, 2 * FRAGMENT, 2 * FRAGMENT + 5] {
            let text = "x".repeat(length);
            let mut frames = vec![fragments.begin(Message::text(text.clone()))];
            frames.extend(std::iter::from_fn(|| fragments.next()));
            assert_eq!(frames.len(), length.div_ceil(FRAGMENT));
            let mut whole = Vec::new();
            for (index, frame) in frames.iter().enumerate() {
                let Message::Frame(frame) = frame else {
                    panic!("{frame:?}")
                };
                let header = frame.header();
                assert_eq!(header.is_final, index + 1 == frames.len());
                let opcode = if index == 0 { Data::Text } else { Data::Continue };
                assert_eq!(header.opcode, OpCode::Data(opcode));
                whole.extend_from_slice(frame.payload());
            }
            assert_eq!(whole, text.as_bytes());
        }
    }
}
