//! The agent's side of a socket that outlives its connections.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use molt_common::close_code;
use molt_common::resume::SUBPROTOCOL;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::config;
use super::link::Socket;
use super::noticed::Noticed;
use crate::proxy::headers::{self, PublicAddress};
use crate::proxy::lost::Closing;

/// How long the agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no socket.
#[derive(Debug)]
pub enum NoSocket {
    /// The agent answered, and it was no.
    Refused(Closing),
    /// It did not answer.
    Lost(std::io::Error),
}

/// Subprotocols that a client offers, in its order.
pub fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

/// Opens the agent's socket as `parts`, the client's handshake, asked for it; also the subprotocol that it chose, empty for none.
pub async fn open(
    parts: &Parts,
    owner: &str,
    fallback: &PublicAddress,
    port: u16,
) -> Result<(Socket, String), NoSocket> {
    let lost = |error: hyper::Error| NoSocket::Lost(std::io::Error::other(error));
    let shaken = timeout(PATIENCE, async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(NoSocket::Lost)?;
        // Small frames are what an interactive session consists of.
        let _ = stream.set_nodelay(true);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(lost)?;
        tokio::spawn(connection.with_upgrades());
        let (request, accept) = request(parts, owner, fallback).ok_or_else(unusable)?;
        let mut answer = sender.send_request(request).await.map_err(lost)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(answer.status()));
        }
        if answer
            .headers()
            .get(header::SEC_WEBSOCKET_ACCEPT)
            .is_none_or(|value| value.as_bytes() != accept.as_bytes())
        {
            return Err(unusable());
        }
        let protocol = offered(answer.headers()).next().unwrap_or_default().to_owned();
        let upgraded = hyper::upgrade::on(&mut answer).await.map_err(lost)?;
        Ok((upgraded, protocol))
    });
    let (upgraded, protocol) = shaken
        .await
        .unwrap_or_else(|_| Err(NoSocket::Lost(std::io::ErrorKind::TimedOut.into())))?;
    let socket =
        WebSocketStream::from_raw_socket(Noticed::new(TokioIo::new(upgraded)), Role::Client, Some(config())).await;
    Ok((socket, protocol))
}

fn refused(status: StatusCode) -> NoSocket {
    const POLICY: u16 = 1008;
    let code = if status.is_client_error() {
        POLICY
    } else {
        close_code::INTERNAL_ERROR
    };
    NoSocket::Refused(Closing::new(
        code,
        format!("The agent refused this connection (HTTP {}).", status.as_u16()),
    ))
}

fn unusable() -> NoSocket {
    NoSocket::Refused(Closing::new(
        close_code::INTERNAL_ERROR,
        "The agent did not answer as a WebSocket does.".to_owned(),
    ))
}

/// The client's handshake as the agent is to see it, and the `Sec-WebSocket-Accept` that answers it.
fn request(parts: &Parts, owner: &str, fallback: &PublicAddress) -> Option<(Request<Empty<Bytes>>, String)> {
    let mut outgoing = headers::to_agent(&parts.headers, owner, fallback, true);
    let own: Vec<&str> = offered(&parts.headers).filter(|name| *name != SUBPROTOCOL).collect();
    // Ours are other connections than the client's: their keys, and what is agreed about frames, belong to each alone.
    outgoing.remove(header::SEC_WEBSOCKET_PROTOCOL);
    outgoing.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    if !own.is_empty() {
        outgoing.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_str(&own.join(", ")).ok()?,
        );
    }
    let key = generate_key();
    let accept = derive_accept_key(key.as_bytes());
    let mut set = |name: HeaderName, value: &str| Some(outgoing.insert(name, HeaderValue::from_str(value).ok()?));
    set(header::SEC_WEBSOCKET_KEY, &key)?;
    set(header::SEC_WEBSOCKET_VERSION, "13")?;
    // Only path and query count: a target that names another host must not lead there.
    let target: Uri = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .parse()
        .ok()?;
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = target;
    *request.headers_mut() = outgoing;
    Some((request, accept))
}
