//! Requests byte by byte, for what no ordinary client would send.

use crate::stack::Stack;
use crate::wait;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(60);

/// The head of an answer, and whatever followed it on the connection.
pub struct RawReply {
    /// HTTP status; 0 when the connection was closed without an answer.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Everything after the head.
    pub rest: Vec<u8>,
}

impl RawReply {
    /// First value of a header; empty when it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// What followed the head, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.rest).into_owned()
    }
}

/// A connection to the first router.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn connect(stack: &Stack) -> Self {
        let stream = TcpStream::connect(stack.authority()).await.expect("the router listens");
        Self { stream }
    }

    /// Sends bytes. A peer that has closed already is no fault: its answer says why.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads one head, interim ones (1xx) included.
    ///
    /// # Panics
    /// When none comes, or it is no HTTP.
    pub async fn head(&mut self) -> RawReply {
        self.head_within(LIMIT).await.expect("the head of an answer")
    }

    /// Reads one head if it comes in time.
    ///
    /// # Panics
    /// When what comes is no HTTP.
    pub async fn head_within(&mut self, limit: Duration) -> Option<RawReply> {
        let read = async {
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\n") {
                match self.stream.read_u8().await {
                    Ok(byte) => bytes.push(byte),
                    Err(_) => break,
                }
            }
            parse(bytes)
        };
        tokio::time::timeout(limit, read).await.ok()
    }

    /// Says that nothing more will be sent, and still listens.
    pub async fn close_writing(&mut self) {
        // A peer that has closed already is no fault.
        let _ = self.stream.shutdown().await;
    }

    /// Whether the peer closes or resets within this time; what it sends until then does not matter.
    pub async fn ends_within(mut self, limit: Duration) -> bool {
        let mut bytes = Vec::new();
        tokio::time::timeout(limit, self.stream.read_to_end(&mut bytes))
            .await
            .is_ok()
    }

    /// Whether these bytes arrive within this time, whatever comes before them.
    pub async fn brings(&mut self, expected: &[u8], limit: Duration) -> bool {
        let read = async {
            let mut bytes = Vec::new();
            while let Ok(byte) = self.stream.read_u8().await {
                bytes.push(byte);
                if bytes.ends_with(expected) {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(limit, read).await.unwrap_or(false)
    }

    /// Reads everything until the peer closes.
    ///
    /// # Panics
    /// When it does not close.
    pub async fn finish(mut self) -> RawReply {
        let read = async {
            let mut bytes = Vec::new();
            // A reset after the answer does not take the answer back.
            let _ = self.stream.read_to_end(&mut bytes).await;
            parse(bytes)
        };
        wait::within("the connection is closed", LIMIT, read).await
    }
}

/// Sends one request on a connection of its own. `head` has lines ending in `\r\n`, without the empty one; `Host` and
/// `Connection: close` are added.
///
/// # Panics
/// See [`Raw`].
pub async fn exchange(stack: &Stack, head: &str, body: &[u8]) -> RawReply {
    let mut raw = Raw::connect(stack).await;
    let host = if head.to_ascii_lowercase().contains("\r\nhost:") {
        String::new()
    } else {
        format!("Host: {}\r\n", stack.authority())
    };
    raw.write(format!("{head}{host}Connection: close\r\n\r\n").as_bytes())
        .await;
    raw.write(body).await;
    raw.finish().await
}

fn parse(bytes: Vec<u8>) -> RawReply {
    if bytes.is_empty() {
        return RawReply {
            status: 0,
            headers: Vec::new(),
            rest: bytes,
        };
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(&bytes);
    let Ok(httparse::Status::Complete(length)) = parsed else {
        panic!("no HTTP answer ({parsed:?}): {:?}", String::from_utf8_lossy(&bytes));
    };
    let pair = |header: &httparse::Header<'_>| {
        (
            header.name.to_ascii_lowercase(),
            String::from_utf8_lossy(header.value).into_owned(),
        )
    };
    RawReply {
        status: response.code.unwrap_or_default(),
        headers: response.headers.iter().map(pair).collect(),
        rest: bytes[length..].to_vec(),
    }
}
