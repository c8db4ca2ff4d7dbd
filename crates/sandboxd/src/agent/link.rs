//! The supervisor's own connection to the agent: its protocol over a loopback WebSocket, as its internal back-end client.
//!
//! The agent admits that client by a password, from loopback and without forwarded headers only (`gateway.auth.password` beside
//! `mode: "trusted-proxy"`). It is random for each start of the agent and stands in a file that only the supervisor reads.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::settings::Layout;

/// Variable in which the agent finds that password.
pub const PASSWORD_VARIABLE: &str = "OPENCLAW_GATEWAY_PASSWORD";
/// How long one answer may take; an agent that is busy answers late.
const PATIENCE: Duration = Duration::from_secs(10);
/// Oldest protocol that has what is asked here, and more than any release speaks: the agent picks.
const PROTOCOLS: (u8, u8) = (3, 99);

/// Why the agent did not answer a question.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It refused this one; others it may answer.
    #[error("{code}: {message}")]
    Refused {
        /// `error.code` of its answer.
        code: String,
        /// `error.message` of its answer.
        message: String,
    },
    /// The connection is not there (any more).
    #[error("{0}")]
    Gone(String),
}

impl LinkError {
    fn gone(reason: impl ToString) -> Self {
        Self::Gone(reason.to_string())
    }
}

/// An admitted connection.
#[derive(Debug)]
pub struct Link {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    asked: u64,
}

impl Link {
    /// Connects to the agent of this sandbox.
    pub async fn open(layout: &Layout) -> Result<Self, LinkError> {
        let password = fs::read_to_string(password_file(&layout.state_dir)).map_err(LinkError::gone)?;
        let url = format!("ws://127.0.0.1:{}/", layout.agent_port);
        let connecting = timeout(PATIENCE, connect_async(url)).await.map_err(LinkError::gone)?;
        let (socket, _) = connecting.map_err(LinkError::gone)?;
        let mut link = Self { socket, asked: 0 };
        while link.frame().await?["event"] != "connect.challenge" {}
        let (oldest, newest) = PROTOCOLS;
        let client = json!({ "id": "gateway-client", "version": env!("CARGO_PKG_VERSION"), "platform": "linux", "mode": "backend" });
        link.call(
            "connect",
            json!({
                "minProtocol": oldest, "maxProtocol": newest, "client": client, "caps": [],
                "role": "operator", "scopes": ["operator.admin"], "auth": { "password": password },
            }),
        )
        .await?;
        Ok(link)
    }

    /// Asks one question.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, LinkError> {
        self.call_within(method, params, PATIENCE).await
    }

    /// Asks one whose answer may take this long.
    pub async fn call_within(&mut self, method: &str, params: Value, patience: Duration) -> Result<Value, LinkError> {
        self.asked += 1;
        let id = format!("molt-{}", self.asked);
        let request = json!({ "type": "req", "id": id, "method": method, "params": params });
        let exchange = async {
            self.socket
                .send(Message::text(request.to_string()))
                .await
                .map_err(LinkError::gone)?;
            loop {
                let mut frame = self.frame().await?;
                if frame["type"] == "res" && frame["id"] == id.as_str() {
                    return match frame["ok"] == true {
                        true => Ok(frame["payload"].take()),
                        false => Err(LinkError::Refused {
                            code: text(&frame["error"]["code"]),
                            message: text(&frame["error"]["message"]),
                        }),
                    };
                }
            }
        };
        timeout(patience, exchange).await.map_err(LinkError::gone)?
    }

    /// Takes what the agent tells unasked for a while, so that it never waits for us. An error when the connection ends.
    pub async fn rest(&mut self, duration: Duration) -> Result<(), LinkError> {
        let listen = async {
            loop {
                self.frame().await?;
            }
        };
        match timeout(duration, listen).await {
            Err(_) => Ok(()),
            Ok(ended) => ended,
        }
    }

    async fn frame(&mut self) -> Result<Value, LinkError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).map_err(LinkError::gone),
                Some(Ok(Message::Close(close))) => {
                    let reason = close.map_or_else(String::new, |close| format!("{}: {}", close.code, close.reason));
                    return Err(LinkError::Gone(format!("closed by the agent {reason}")));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(LinkError::gone(error)),
                None => return Err(LinkError::gone("ended")),
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn password_file(state_dir: &Path) -> PathBuf {
    state_dir.join("agent").join("gateway-password")
}

/// A new password for the next start of the agent.
pub fn new_password() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// Keeps the password of the agent that is started now; a later `serve` of this boot finds it.
pub fn keep_password(state_dir: &Path, password: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(password_file(state_dir))?;
    io::Write::write_all(&mut file, password.as_bytes())
}
