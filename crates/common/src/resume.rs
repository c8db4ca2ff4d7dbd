//! Sockets that outlive their connections: the protocol between the script in the agent's page and `sandboxd`.
//!
//! The client asks for the subprotocol [`SUBPROTOCOL`] after its own. `sandboxd` answers with it (and tells the agent's choice among the client's
//! own in [`Welcome`]); where the feature is off it says so by [`FromServer::Gone`] with `plain`, because a browser takes a handshake without an answer to
//! its offer for a failure. Who does not ask gets an ordinary socket. On a resuming connection each WebSocket message is an envelope: text messages begin
//! with `d` (data: the rest is the agent's or the page's text) or `c` (control: the rest is JSON of [`FromClient`] or [`FromServer`]); binary messages
//! begin with one byte 0 (data).
//!
//! Both sides count data messages in each direction from 0. The first message is the client's [`FromClient::Hello`], within [`HELLO_WITHIN_MS`]; the server
//! answers [`FromServer::Welcome`], perhaps only when the agent is ready, and then replays what the client has not received. The client sends no data before the
//! welcome, and then first what the server has not received. *Received* is what was handed on: to the page, or to the agent's own socket. What had
//! arrived when a connection broke is handed on as far as it can be until the client is back; what then is left is dropped by the receiver and sent again
//! by the sender, so acknowledging is also the back-pressure: a slow agent acknowledges late.
//!
//! Each side keeps what the other has not acknowledged. It sends a message when nothing is unacknowledged, or when all that is, with this one, costs at most
//! [`WINDOW_BYTES`] ([`cost`]); else it takes no more from its own side. So a receiver needs no more room than the window, and reads on at all times:
//! acknowledgements are never stuck behind data. A session without a connection is kept for [`KEEP_MS`]. A second connection with the same session takes over;
//! the older one is closed by [`CLOSE_TAKEN_OVER`].
//!
//! An end that is meant is told before the connection closes: by [`FromClient::Close`] or [`FromServer::Close`], behind the data before it, with a legal code
//! (`crate::close_code`); the WebSocket is closed by the same. What the client said before its own is handed on although it is gone. Any other end of a
//! connection leaves the session as it is. 4401 (the token expired): connect again with a renewed one. 4402 and 4403: the user was signed out or suspended,
//! and the session is gone.

use serde::{Deserialize, Serialize};

/// Name of the subprotocol (RFC 6455 1.9).
pub const SUBPROTOCOL: &str = "molt.resume.1";
/// First character of a text message with data.
pub const DATA: char = 'd';
/// First character of a text message with control.
pub const CONTROL: char = 'c';
/// First byte of a binary message, all of which are data.
pub const BINARY_DATA: u8 = 0;
/// Bytes of data that each side keeps until they are acknowledged.
pub const WINDOW_BYTES: u64 = 4 * 1024 * 1024;
/// Longest message, as with plain sockets.
pub const MESSAGE_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// How long a session waits for its client.
pub const KEEP_MS: u64 = 60_000;
/// What a message costs in the window beside its bytes, so that very many tiny ones are bounded as well.
pub const MESSAGE_OVERHEAD: u64 = 128;
/// How long the first message may take.
pub const HELLO_WITHIN_MS: u64 = 10_000;
/// An acknowledgement is due after so many messages, ...
pub const ACK_EVERY_MESSAGES: u64 = 64;
/// ... so many bytes, ...
pub const ACK_EVERY_BYTES: u64 = 256 * 1024;
/// ... or so long after the first that is not acknowledged.
pub const ACK_AFTER_MS: u64 = 1_000;

/// Control messages of the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum FromClient {
    /// First on every connection.
    Hello {
        /// The session to go on with; a new one when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// Data messages of the server that were received so far.
        received: u64,
    },
    /// Data messages of the server that were received so far.
    Ack {
        /// How many.
        received: u64,
    },
    /// The page closes the socket.
    Close {
        /// 1000 or 3000 to 4999.
        code: u16,
        /// At most 123 bytes.
        reason: String,
    },
}

/// Control messages of `sandboxd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum FromServer {
    /// First on every connection that goes on.
    Welcome(Welcome),
    /// The session is not there (any more), or what it would have to replay is not: nothing can be resumed. The connection is closed by 4408 after it.
    Gone {
        /// For people, at most 123 bytes.
        reason: String,
        /// Sockets do not resume here: connect without the subprotocol.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        plain: bool,
    },
    /// Data messages of the client that were received so far.
    Ack {
        /// How many.
        received: u64,
    },
    /// The agent, or the platform, closes the socket for good.
    Close {
        /// Legal to send (RFC 6455 7.4).
        code: u16,
        /// At most 123 bytes.
        reason: String,
        /// Whether connecting again at once makes sense, after so many milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

/// What the server says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// Name of the session, 32 random hexadecimal digits. It opens nothing by itself: every connection is authenticated.
    pub session: String,
    /// Whether it goes on; else it is new.
    pub resumed: bool,
    /// Data messages of the client that were received so far.
    pub received: u64,
    /// The subprotocol that the agent chose among the page's own; empty for none.
    pub protocol: String,
}

/// Close code of a connection whose session cannot be resumed.
pub const CLOSE_GONE: u16 = 4408;
/// Close code of a connection whose session another connection has taken over. Not to be answered by connecting again.
pub const CLOSE_TAKEN_OVER: u16 = 4409;
/// Longest pause before the first attempt to connect again.
pub const RECONNECT_FIRST_MS: u64 = 500;
/// So many failed attempts are followed by pauses that do not grow: together they take about as long as a runtime that is being replaced is away, and whoever
/// pauses longer each time comes back late by as much as it was away.
pub const RECONNECT_STEADY: u32 = 4;
/// Longest pause before any attempt.
pub const RECONNECT_MAX_MS: u64 = 10_000;

/// What a data message of so many bytes costs in the window. Bytes are those of the data, without the envelope; a page may count a text's
/// UTF-16 units instead, which are at most a third of its bytes too few.
#[must_use]
pub const fn cost(bytes: u64) -> u64 {
    bytes.saturating_add(MESSAGE_OVERHEAD)
}

/// Pause before connecting again: `failed` attempts since the last that was welcomed, and `random` out of 0..1. The first is anywhere in its range, because all
/// sockets of a worker that is replaced break at the same moment; later ones keep half of their range as jitter, and grow after [`RECONNECT_STEADY`].
#[must_use]
pub fn reconnect_after_ms(failed: u32, random: f64) -> u64 {
    let random = random.clamp(0.0, 1.0);
    if failed == 0 {
        return share(RECONNECT_FIRST_MS, random);
    }
    let doubled = failed.saturating_sub(RECONNECT_STEADY).min(10);
    let most = RECONNECT_FIRST_MS.saturating_mul(1 << doubled).min(RECONNECT_MAX_MS);
    most / 2 + share(most / 2, random)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "at most ten thousand, and never negative"
)]
fn share(of: u64, random: f64) -> u64 {
    (of as f64 * random) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_spread_and_grow_to_their_limit() {
        let range = |failed| (reconnect_after_ms(failed, 0.0), reconnect_after_ms(failed, 1.0));
        assert_eq!((range(0), range(1), range(4)), ((0, 500), (250, 500), (250, 500)));
        assert_eq!((range(5), range(6)), ((500, 1_000), (1_000, 2_000)));
        assert_eq!((range(9), range(u32::MAX)), ((5_000, 10_000), (5_000, 10_000)));
        assert_eq!(reconnect_after_ms(0, f64::NAN), 0);
    }

    #[test]
    fn control_messages_are_as_the_page_writes_and_reads_them() {
        let hello: FromClient = serde_json::from_str(r#"{"type":"hello","received":0}"#).unwrap();
        assert_eq!(
            hello,
            FromClient::Hello {
                session: None,
                received: 0
            }
        );
        let close = FromServer::Close {
            code: 1012,
            reason: "r".into(),
            retry_after_ms: Some(5),
        };
        assert_eq!(
            serde_json::to_string(&close).unwrap(),
            r#"{"type":"close","code":1012,"reason":"r","retryAfterMs":5}"#
        );
        let gone = FromServer::Gone {
            reason: "r".into(),
            plain: false,
        };
        assert_eq!(serde_json::to_string(&gone).unwrap(), r#"{"type":"gone","reason":"r"}"#);
        let welcome = FromServer::Welcome(Welcome {
            session: "s".into(),
            resumed: true,
            received: 3,
            protocol: String::new(),
        });
        assert_eq!(
            serde_json::to_string(&welcome).unwrap(),
            r#"{"type":"welcome","session":"s","resumed":true,"received":3,"protocol":""}"#
        );
    }
}
