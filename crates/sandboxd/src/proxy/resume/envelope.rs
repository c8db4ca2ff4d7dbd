//! Envelopes of resuming connections (`molt_common::resume`) around the messages of agent and page. Pure.

use molt_common::resume::{BINARY_DATA, CONTROL, DATA, FromClient, FromServer};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

/// What a message of the client holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Opened {
    /// A message for the agent.
    Data(Message),
    /// A word to us.
    Control(FromClient),
    /// A frame of the WebSocket itself.
    Frame,
}

/// Not an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEnvelope;

/// Opens the envelope of a message from the client.
pub fn open(message: Message) -> Result<Opened, NoEnvelope> {
    match message {
        Message::Text(text) => {
            let mut characters = text.chars();
            match characters.next() {
                Some(DATA) => {
                    let rest = Bytes::from(text).slice(DATA.len_utf8()..);
                    Ok(Opened::Data(Message::Text(
                        Utf8Bytes::try_from(rest).map_err(|_| NoEnvelope)?,
                    )))
                }
                Some(CONTROL) => serde_json::from_str(characters.as_str())
                    .map(Opened::Control)
                    .map_err(|_| NoEnvelope),
                _ => Err(NoEnvelope),
            }
        }
        Message::Binary(bytes) if bytes.first() == Some(&BINARY_DATA) => {
            Ok(Opened::Data(Message::Binary(bytes.slice(1..))))
        }
        Message::Binary(_) => Err(NoEnvelope),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Ok(Opened::Frame),
    }
}

/// The envelope around a message of the agent, and the bytes of that; `None` for what is no data.
pub fn enclose(message: &Message) -> Option<(Message, u64)> {
    match message {
        Message::Text(text) => {
            let mut enclosed = String::with_capacity(text.len() + DATA.len_utf8());
            enclosed.push(DATA);
            enclosed.push_str(text);
            Some((Message::text(enclosed), text.len() as u64))
        }
        Message::Binary(bytes) => {
            let mut enclosed = Vec::with_capacity(bytes.len() + 1);
            enclosed.push(BINARY_DATA);
            enclosed.extend_from_slice(bytes);
            Some((Message::binary(enclosed), bytes.len() as u64))
        }
        _ => None,
    }
}

/// A word of ours.
pub fn control(word: &FromServer) -> Message {
    // Numbers and text always serialise.
    let json = serde_json::to_string(word).unwrap_or_default();
    Message::text(format!("{CONTROL}{json}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_out_as_it_went_in() {
        for message in [
            Message::text("hello"),
            Message::text(""),
            Message::text("cä{}"),
            Message::binary(vec![]),
            Message::binary(vec![0, 1]),
        ] {
            let (enclosed, bytes) = enclose(&message).unwrap();
            assert_eq!(bytes, message.len() as u64);
            assert_eq!(enclosed.len() as u64, bytes + 1);
            assert_eq!(open(enclosed), Ok(Opened::Data(message)));
        }
        assert_eq!(enclose(&Message::Ping(Bytes::new())), None);
    }

    #[test]
    fn words_are_read_and_everything_else_is_refused() {
        let ack = Message::text(r#"c{"type":"ack","received":7}"#);
        assert_eq!(open(ack), Ok(Opened::Control(FromClient::Ack { received: 7 })));
        assert_eq!(open(Message::Ping(Bytes::new())), Ok(Opened::Frame));
        for bad in [
            Message::text(""),
            Message::text("x"),
            Message::text("c"),
            Message::text("c{\"type\":\"welcome\"}"),
            Message::text("ä"),
            Message::binary(vec![]),
            Message::binary(vec![1, 0]),
        ] {
            assert_eq!(open(bad.clone()), Err(NoEnvelope), "{bad:?}");
        }
    }
}
