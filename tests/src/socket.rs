//! WebSocket connections to a sandbox.

use crate::people::User;
use crate::reply;
use crate::stack::Stack;
use crate::wait;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::http::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::tungstenite::{Bytes, Error};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A frame must come back within this time. Starting a sandbox may be part of the first.
const LIMIT: Duration = Duration::from_secs(60);

/// An open connection. Answers to pings are sent as it is read.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The first frame of the agent.
    pub challenge: Value,
}

/// A handshake to be made.
#[must_use]
pub struct Handshake {
    authority: String,
    request: Request<()>,
}

impl Stack {
    /// A handshake with the sandbox of whoever signs in.
    ///
    /// # Panics
    /// When the path is none.
    pub fn handshake(&self, path: &str) -> Handshake {
        self.handshake_at(&self.ready.url, path)
    }

    /// The same at one of several routers.
    ///
    /// # Panics
    /// When the path is none.
    pub fn handshake_at(&self, url: &str, path: &str) -> Handshake {
        let authority = url.trim_start_matches("http://").to_owned();
        let request = format!("ws://{authority}{path}").into_client_request().expect("a URL");
        Handshake { authority, request }
    }

    /// An open connection to a user's sandbox, its first frame read.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn socket(&self, user: &User) -> Socket {
        self.handshake("/socket").user(user).open().await
    }
}

impl Handshake {
    /// Adds a header.
    ///
    /// # Panics
    /// When it is none.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.request
            .headers_mut()
            .append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// Sends the user's token.
    pub fn user(self, user: &User) -> Self {
        self.header("authorization", &format!("Bearer {}", user.token))
    }

    /// Makes it; the socket, or the answer that refused.
    ///
    /// # Errors
    /// The answer, its body read as far as it came.
    ///
    /// # Panics
    /// When the connection fails.
    pub async fn attempt(self) -> Result<(WebSocketStream<TcpStream>, Response<()>), Response<Vec<u8>>> {
        let connection = TcpStream::connect(&self.authority).await.expect("the router listens");
        let shaken = wait::within(
            "the handshake is answered",
            LIMIT,
            client_async(self.request, connection),
        )
        .await;
        match shaken {
            Ok((stream, response)) => {
                let (parts, _) = response.into_parts();
                Ok((stream, Response::from_parts(parts, ())))
            }
            Err(Error::Http(response)) => Err((*response).map(Option::unwrap_or_default)),
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    /// Makes it and reads the agent's first frame.
    ///
    /// # Panics
    /// When it is refused, or the first frame is not the agent's.
    pub async fn open(self) -> Socket {
        let (stream, response) = match self.attempt().await {
            Ok(open) => open,
            Err(refused) => panic!(
                "refused: {} {}",
                refused.status(),
                String::from_utf8_lossy(refused.body())
            ),
        };
        reply::assert_signed(response.headers(), response.status().as_u16());
        let mut socket = Socket {
            stream,
            challenge: Value::Null,
        };
        let first = socket.next().await;
        socket.challenge = serde_json::from_str(first.to_text().expect("text")).expect("JSON");
        assert_eq!(socket.challenge["event"], "connect.challenge", "{}", socket.challenge);
        socket
    }
}

impl Socket {
    /// Sends a message.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send(&mut self, message: Message) {
        self.stream.send(message).await.expect("the socket is open");
    }

    /// The next message that is text, binary or close.
    ///
    /// # Panics
    /// When none comes.
    pub async fn next(&mut self) -> Message {
        let next = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(message)) => return message,
                    Some(Err(error)) => panic!("the socket broke: {error}"),
                    None => panic!("the socket ended without a close frame"),
                }
            }
        };
        wait::within("a message has come", LIMIT, next).await
    }

    /// Sends text and asserts that it comes back.
    ///
    /// # Panics
    /// When it does not.
    pub async fn echoes(&mut self, text: &str) {
        self.send(Message::text(text)).await;
        assert_eq!(self.next().await, Message::text(text));
    }

    /// Sends bytes and asserts that they come back.
    ///
    /// # Panics
    /// When they do not.
    pub async fn echoes_bytes(&mut self, bytes: Bytes) {
        self.send(Message::Binary(bytes.clone())).await;
        let back = self.next().await;
        let Message::Binary(back) = back else {
            panic!("not binary: {back:?}")
        };
        assert!(back == bytes, "{} bytes came back of {}", back.len(), bytes.len());
    }

    /// Waits for the end: code and reason of the close frame.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("not a close frame with a code: {other:?}"),
        }
    }

    /// Closes from this side and waits for the answer.
    ///
    /// # Panics
    /// When none comes.
    pub async fn close(&mut self, code: u16, reason: &str) -> (u16, String) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: reason.to_owned().into(),
        };
        self.stream.close(Some(frame)).await.expect("the socket is open");
        self.closed().await
    }

    /// Waits until the connection is gone, however it goes.
    ///
    /// # Panics
    /// When it stays.
    pub async fn ends(&mut self, limit: Duration) {
        let end = async { while let Some(Ok(_)) = self.stream.next().await {} };
        wait::within("the socket has ended", limit, end).await;
    }
}
