//! Sockets that outlive their connections: the protocol between the script in the agent's page and `sandboxd`.
//!
//! The client asks for the subprotocol [`SUBPROTOCOL`] after its own. Where `sandboxd` has the feature on it answers with it (and tells the
//! agent's choice among the client's own in [`Welcome`]); otherwise the socket is an ordinary one. On a resuming connection each WebSocket
//! message is an envelope: text messages begin with `d` (data: the rest is the agent's or the page's text) or `c` (control: the rest is JSON of
//! [`FromClient`] or [`FromServer`]); binary messages begin with one byte 0 (data).
//!
//! Both sides count data messages in each direction from 0. The first message is the client's [`FromClient::Hello`]; the server answers
//! [`FromServer::Welcome`], with what it has received, and then replays what the client has not. Each side keeps what the other has not acknowledged,
//! up to [`WINDOW_BYTES`]; a message larger than that is kept alone. Past it the sender stops taking more from its own side, so that nothing is
//! lost while the session lives. A session without a connection is kept for [`KEEP_MS`].
//!
//! An end that is meant is told before the connection closes: by [`FromClient::Close`] or [`FromServer::Close`], with a legal code.

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
/// An acknowledgement is due after so many messages, ...
pub const ACK_EVERY_MESSAGES: u64 = 64;
/// ... so many bytes, ...
pub const ACK_EVERY_BYTES: u64 = 256 * 1024;
/// ... or so long after the first that is not acknowledged.
pub const ACK_AFTER_MS: u64 = 1_000;

/// Control messages of the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
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
#[serde(rename_all = "camelCase", tag = "type")]
pub enum FromServer {
    /// First on every connection that goes on.
    Welcome(Welcome),
    /// The session is not there (any more), or what it would have to replay is not: nothing can be resumed. The connection is closed by 4408 after it.
    Gone {
        /// For people, at most 123 bytes.
        reason: String,
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
    /// Name of the session, 128 random bits in hexadecimal. It opens nothing by itself: every connection is authenticated.
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
