//! The WebSocket side of the echo agent.

use std::borrow::Cow;

use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use super::document;
use crate::clock::now_ms;
use crate::http_server::{Body, whole};

/// Longest message that it takes, in bytes.
const LONGEST: usize = 32 * 1024 * 1024;

/// The answer to a request for a WebSocket; nothing for any other request.
pub fn upgrade(request: &mut Request<Incoming>) -> Option<Response<Body>> {
    let asks = request
        .headers()
        .get(UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !asks {
        return None;
    }
    let mut response = Response::new(whole(""));
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Some(response);
    };
    let accept = derive_accept_key(key.as_bytes());
    tokio::spawn(talk(hyper::upgrade::on(request)));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    Some(response)
}

async fn talk(upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else {
        return;
    };
    // As long as the platform passes, in one frame.
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST))
        .max_frame_size(Some(LONGEST));
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let challenge = json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": uuid::Uuid::new_v4(), "ts": now_ms() } });
    if socket.send(Message::text(challenge.to_string())).await.is_err() {
        return;
    }
    let (mut admitted, mut taken) = (false, 0_u64);
    while let Some(Ok(message)) = socket.next().await {
        taken += u64::from(message.is_text() || message.is_binary());
        let answered = message
            .to_text()
            .ok()
            .and_then(|text| document::answer(text, &mut admitted));
        if let Some(document::Answered(answer)) = answered {
            if socket.send(Message::text(answer.to_string())).await.is_err() {
                return;
            }
            continue;
        }
        let answer = match message {
            Message::Text(text) if text.starts_with(RAW_CLOSE) => match raw_close(&text) {
                Some(frame) => frame,
                None => Message::Text(text),
            },
            Message::Text(text) => match close_command(&text) {
                Some(close) => {
                    let _ = socket.close(Some(close)).await;
                    continue;
                }
                None => Message::Text(text),
            },
            Message::Binary(bytes) => Message::Binary(bytes),
            Message::Close(Some(close)) => {
                tracing::info!("socket closed by its client with {} after {taken} messages", close.code);
                continue;
            }
            // The library answers pings and closes by itself.
            _ => continue,
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
}

/// A close frame with a code that may not be sent, as a broken agent would.
const RAW_CLOSE: &str = "raw-close:";

/// `raw-close:<code>:<reason>`, whatever the code.
fn raw_close(text: &str) -> Option<Message> {
    let (code, reason) = text.strip_prefix(RAW_CLOSE)?.split_once(':')?;
    let code = CloseCode::from(code.parse::<u16>().ok()?);
    let reason = Cow::Borrowed(reason).into_owned().into();
    Some(Message::Frame(Frame::close(Some(CloseFrame { code, reason }))))
}

/// `close:<code>:<reason>`.
fn close_command(text: &str) -> Option<CloseFrame> {
    let (code, reason) = text.strip_prefix("close:")?.split_once(':')?;
    let code = CloseCode::from(code.parse::<u16>().ok()?);
    let reason = Cow::Borrowed(reason).into_owned().into();
    code.is_allowed().then_some(CloseFrame { code, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_may_be_sent_are_a_close_command() {
        let close = close_command("close:4001:go away: now").unwrap();
        assert_eq!((u16::from(close.code), close.reason.as_str()), (4001, "go away: now"));
        for text in [
            "close:1005:x",
            "close:1006:",
            "close:x:y",
            "close:1000",
            "closed:1000:x",
            "hello",
        ] {
            assert!(close_command(text).is_none(), "{text}");
        }
    }
}
