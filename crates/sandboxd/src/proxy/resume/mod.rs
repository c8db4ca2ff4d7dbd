//! Sockets that outlive their connections, the sandbox's side of `molt_common::resume`: the agent's socket is kept here, and clients come and go.
//!
//! A [`Session`](session::Session) is one task with the agent's socket and at most one client's. What the agent said and the client did not acknowledge is
//! kept in an [`Outbox`](outbox::Outbox); past the window, or past what all sessions may hold together, the agent is not read. What the client
//! said is acknowledged once it was written to the agent.

mod agent_socket;
mod envelope;
mod fragments;
mod greeting;
mod inbox;
mod link;
mod noticed;
mod outbox;
mod session;
mod table;

pub use greeting::Resuming;

use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use molt_common::resume::MESSAGE_MAX_BYTES;

/// Sockets of both sides. Buffers are small because there may be hundreds, and most are silent.
fn config() -> WebSocketConfig {
    // One more for the envelope.
    let most = usize::try_from(MESSAGE_MAX_BYTES)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    WebSocketConfig::default()
        .read_buffer_size(32 * 1024)
        .write_buffer_size(16 * 1024)
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
}
