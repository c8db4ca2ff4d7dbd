//! A client's connection that speaks in envelopes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use molt_common::close_code::{cut_reason, legal_or};
use molt_common::resume::FromServer;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

use super::envelope;
use super::fragments::Fragments;
use super::noticed::Noticed;
use crate::proxy::activity::OpenSocket;
use crate::proxy::sessions::Admitted;
use crate::proxy::user_activity;

/// How long a side may take to answer a close frame.
const REPLY_PATIENCE: Duration = Duration::from_secs(1);

/// One end of a WebSocket in this process.
pub type Socket = WebSocketStream<Noticed<TokioIo<Upgraded>>>;

/// See the module.
pub struct Link {
    socket: Socket,
    /// Counts it while it is open.
    open: OpenSocket,
    /// Ends it with the user's session.
    pub admitted: Admitted,
    words: VecDeque<Message>,
    /// Whether something was written that may still lie in a buffer.
    unflushed: bool,
    fragments: Fragments,
}

impl Link {
    /// A connection that was just accepted.
    pub fn new(socket: Socket, open: OpenSocket, admitted: Admitted) -> Self {
        Self {
            socket,
            open,
            admitted,
            words: VecDeque::new(),
            unflushed: false,
            fragments: Fragments::default(),
        }
    }

    /// The next message; an end is an error.
    pub fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        let message = ready!(Pin::new(&mut self.socket).poll_next(context)).unwrap_or(Err(Error::ConnectionClosed));
        Poll::Ready(message)
    }

    /// How long nothing was seen of the client.
    pub fn silence(&self) -> Duration {
        self.socket.get_ref().at().elapsed()
    }

    /// A message of the user has come.
    pub fn saw_data(&self, message: &Message) {
        let activity = self.open.activity();
        activity.client_frame_seen();
        let (text, bytes) = match message {
            Message::Text(text) => (true, text.as_bytes()),
            // All of these are, whatever is in them.
            _ => (false, [].as_slice()),
        };
        if user_activity::of_message(text, bytes.get(..user_activity::LOOKED_AT).unwrap_or(bytes)) {
            activity.person_seen();
        }
    }

    /// The next message.
    pub async fn read(&mut self) -> Result<Message, Error> {
        std::future::poll_fn(|context| self.poll_read(context)).await
    }

    /// Has `word` said before any further data.
    pub fn say(&mut self, word: &FromServer) {
        self.words.push_back(envelope::control(word));
    }

    /// Has a frame of the WebSocket itself sent.
    pub fn frame(&mut self, frame: Message) {
        self.words.push_back(frame);
    }

    /// Writes words, then what `more` gives, as far as the client takes it. Pending once nothing is left, or it is slow.
    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        mut more: impl FnMut() -> Option<Message>,
    ) -> Poll<Result<(), Error>> {
        loop {
            let mut socket = Pin::new(&mut self.socket);
            ready!(socket.as_mut().poll_ready(context))?;
            let next = match self.fragments.next() {
                Some(fragment) => Some(fragment),
                None => {
                    let message = self.words.pop_front().or_else(&mut more);
                    message.map(|message| self.fragments.begin(message))
                }
            };
            match next {
                Some(message) => {
                    socket.start_send(message)?;
                    self.unflushed = true;
                }
                None if self.unflushed => {
                    ready!(socket.poll_flush(context))?;
                    self.unflushed = false;
                }
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Sends what is left to say and closes in order, beside whatever goes on. `admitted` is given up with it.
    pub fn close(mut self, code: u16, reason: &str) {
        let frame = close_frame(code, reason);
        tokio::spawn(async move {
            let rest = std::iter::from_fn(|| self.fragments.next());
            let words = rest.chain(self.words.drain(..)).chain([Message::Close(Some(frame))]);
            let farewell = async {
                for word in words {
                    if self.socket.send(word).await.is_err() {
                        break;
                    }
                }
                // Also what answers the client's own close frame is written by reading on.
                drain(&mut self.socket).await
            };
            // A client that does not answer is cut.
            let _ = timeout(REPLY_PATIENCE, farewell).await;
        });
    }
}

/// Closes the agent's side in order, beside whatever goes on.
pub fn close_agent(mut socket: Socket, code: u16, reason: &str) {
    let frame = close_frame(code, reason);
    tokio::spawn(timeout(REPLY_PATIENCE, async move {
        let _ = socket.send(Message::Close(Some(frame))).await;
        let _ = drain(&mut socket).await;
    }));
}

/// Reads on until the end: closing with unread bytes would reset the connection, and take our close frame along.
async fn drain(socket: &mut Socket) -> std::io::Result<()> {
    while let Some(Ok(_)) = socket.next().await {}
    // Of a message that is too long the rest is still to come.
    let connection = socket.get_mut();
    connection.shutdown().await?;
    tokio::io::copy(connection, &mut tokio::io::sink()).await.map(drop)
}

/// A close frame that may be sent.
pub fn close_frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame {
        code: legal_or(code, molt_common::close_code::INTERNAL_ERROR).into(),
        reason: cut_reason(reason).into(),
    }
}
