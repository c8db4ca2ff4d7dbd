//! Sockets that outlive their connections.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use molt_common::control::{EndSessions, SessionEnd, header};
use molt_common::resume::{CLOSE_GONE, CLOSE_TAKEN_OVER, FromClient, FromServer, SUBPROTOCOL, WINDOW_BYTES, Welcome};
use reqwest::Method;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::support::{OWNER, PATIENCE, Sandbox, eventually};

pub const FIRST: &str = "s00000000000000000000000000000001";
const SECOND: &str = "s00000000000000000000000000000002";

/// A connection that speaks in envelopes, by hand.
pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

pub async fn sandbox() -> Sandbox {
    Sandbox::of_vars("echo", &[("MOLT_SOCKET_RESUME", "on")]).await
}

impl Client {
    pub async fn open(sandbox: &Sandbox, user_session: &str) -> Self {
        Self::offering(sandbox, user_session, SUBPROTOCOL).await
    }

    async fn offering(sandbox: &Sandbox, user_session: &str, protocols: &str) -> Self {
        let mut request = format!("ws://{}", sandbox.proxy_address("/any?x=1"))
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert(header::USER, OWNER.parse().unwrap());
        headers.insert(header::SESSION, user_session.parse().unwrap());
        headers.insert("sec-websocket-protocol", protocols.parse().unwrap());
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, answer) = connect_async_with_config(request, Some(config), false).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], SUBPROTOCOL);
        Self { socket }
    }

    pub async fn say(&mut self, word: &FromClient) {
        let text = format!("c{}", serde_json::to_string(word).unwrap());
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(format!("d{text}"))).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.socket.next())
            .await
            .expect("a message")
            .expect("no end")
            .unwrap()
    }

    pub async fn word(&mut self) -> FromServer {
        let text = self.next().await.into_text().unwrap();
        serde_json::from_str(text.strip_prefix('c').unwrap_or_else(|| panic!("no word: {text:.80}"))).unwrap()
    }

    /// The next data, past acknowledgements.
    pub async fn data(&mut self) -> String {
        loop {
            let text = self.next().await.into_text().unwrap();
            match text.strip_prefix('d') {
                Some(data) => return data.to_owned(),
                None => assert!(text.starts_with("c{\"type\":\"ack\""), "{text:.80}"),
            }
        }
    }

    /// The next word that is no acknowledgement.
    pub async fn told(&mut self) -> FromServer {
        loop {
            match self.word().await {
                FromServer::Ack { .. } => {}
                word => return word,
            }
        }
    }

    pub async fn closed(&mut self) -> (u16, String) {
        match self.next().await {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("no close: {other:?}"),
        }
    }

    pub async fn hello(&mut self, session: Option<&str>, received: u64) -> Welcome {
        let session = session.map(str::to_owned);
        self.say(&FromClient::Hello { session, received }).await;
        match self.word().await {
            FromServer::Welcome(welcome) => welcome,
            other => panic!("no welcome: {other:?}"),
        }
    }

    /// A new session, the agent's first message read.
    pub async fn begun(sandbox: &Sandbox, user_session: &str) -> (Self, Welcome) {
        let mut client = Self::open(sandbox, user_session).await;
        let welcome = client.hello(None, 0).await;
        assert!(!welcome.resumed && welcome.received == 0);
        assert!(client.data().await.contains("connect.challenge"));
        (client, welcome)
    }

    pub async fn resumed(sandbox: &Sandbox, welcome: &Welcome, received: u64) -> (Self, Welcome) {
        let mut client = Self::open(sandbox, FIRST).await;
        let again = client.hello(Some(&welcome.session), received).await;
        assert!(again.resumed && again.session == welcome.session);
        (client, again)
    }
}

#[tokio::test]
async fn what_was_said_meanwhile_is_said_again_and_nothing_twice() {
    let sandbox = sandbox().await;
    let (mut client, welcome) = Client::begun(&sandbox, FIRST).await;
    assert_eq!(welcome.protocol, "");
    for text in ["one", "two", "three"] {
        client.send(text).await;
    }
    for text in ["one", "two", "three"] {
        assert_eq!(client.data().await, text);
    }
    sandbox.status_where(|status| status.open_sockets == 1).await;
    drop(client);
    sandbox.status_where(|status| status.open_sockets == 0).await;

    // It says that it had the challenge and "one": the rest was sent, and counts as lost on the way.
    let (mut client, again) = Client::resumed(&sandbox, &welcome, 2).await;
    assert_eq!(again.received, 3);
    assert_eq!(
        (client.data().await, client.data().await),
        ("two".into(), "three".into())
    );
    client.send("four").await;
    assert_eq!(client.data().await, "four");
    drop(client);
    let (mut client, again) = Client::resumed(&sandbox, &welcome, 5).await;
    assert_eq!(again.received, 4);
    client.send("five").await;
    assert_eq!(client.data().await, "five");
    client
        .say(&FromClient::Close {
            code: 4001,
            reason: "done".into(),
        })
        .await;
    assert_eq!(client.closed().await, (4001, "done".into()));
    let told = |line: &String| line.contains("socket closed by its client with 4001");
    sandbox.status_where(|status| status.log_tail.iter().any(told)).await;
    is_gone(&sandbox, &welcome).await;
}

pub async fn is_gone(sandbox: &Sandbox, welcome: &Welcome) {
    let mut late = Client::open(sandbox, FIRST).await;
    let session = Some(welcome.session.clone());
    late.say(&FromClient::Hello { session, received: 0 }).await;
    assert!(matches!(late.word().await, FromServer::Gone { plain: false, .. }));
    assert_eq!(late.closed().await.0, CLOSE_GONE);
}

#[tokio::test]
async fn binary_and_long_messages_pass() {
    let sandbox = sandbox().await;
    let (mut client, _) = Client::begun(&sandbox, FIRST).await;
    client.socket.send(Message::binary(vec![0, 7, 0])).await.unwrap();
    assert_eq!(client.next().await, Message::binary(vec![0, 7, 0]));
    // A long message comes alone.
    client.say(&FromClient::Ack { received: 2 }).await;
    let mut long = vec![5; 32 << 20];
    long.insert(0, 0);
    client.socket.send(Message::binary(long.clone())).await.unwrap();
    let back = loop {
        match client.next().await {
            Message::Binary(back) => break back,
            other => assert!(other.is_text(), "{other:.200}"),
        }
    };
    assert!(back == long);
    client.say(&FromClient::Ack { received: 3 }).await;
    long.push(5);
    client.socket.send(Message::binary(long)).await.unwrap();
    assert!(matches!(client.told().await, FromServer::Close { code: 1009, .. }));
}

#[tokio::test]
async fn another_connection_takes_over() {
    let sandbox = sandbox().await;
    let (mut old, welcome) = Client::begun(&sandbox, FIRST).await;
    let (mut new, _) = Client::resumed(&sandbox, &welcome, 1).await;
    let (code, reason) = old.closed().await;
    assert_eq!(code, CLOSE_TAKEN_OVER);
    assert!(!reason.is_empty());
    new.send("mine").await;
    assert_eq!(new.data().await, "mine");
    sandbox.status_where(|status| status.open_sockets == 1).await;
}

#[tokio::test]
async fn a_client_that_does_not_acknowledge_holds_up_the_agent_and_nothing_else() {
    let sandbox = sandbox().await;
    let (mut client, welcome) = Client::begun(&sandbox, FIRST).await;
    let text = "x".repeat(100_000);
    // More than fits into all buffers of the system on the way.
    let sent = 12 * WINDOW_BYTES / 100_000;
    // It sends on only what the window allows, and acknowledges nothing.
    let (mut unacknowledged, mut received) = (0_u64, 1_u64);
    let mut next = 0;
    while next < sent {
        if unacknowledged < 35 {
            client.send(&format!("{next} {text}")).await;
            (next, unacknowledged) = (next + 1, unacknowledged + 1);
            continue;
        }
        let Ok(message) = tokio::time::timeout(Duration::from_millis(300), client.socket.next()).await else {
            break;
        };
        let message = message.unwrap().unwrap().into_text().unwrap();
        if let Some(ack) = message.strip_prefix('c') {
            let FromServer::Ack { received } = serde_json::from_str(ack).unwrap() else {
                panic!("{ack}")
            };
            unacknowledged = next - received;
        } else {
            received += 1;
        }
    }
    assert!(next < sent, "the agent was read on and on");
    assert!(received * 100_000 <= WINDOW_BYTES + 200_000, "{received}");
    // Acknowledged, it goes on; also over a cut.
    client.say(&FromClient::Ack { received }).await;
    drop(client);
    let (mut client, again) = Client::resumed(&sandbox, &welcome, received).await;
    for number in again.received..sent {
        client.send(&format!("{number} {text}")).await;
        while received < 2 + number {
            let data = client.data().await;
            assert!(
                data.starts_with(&format!("{} ", received - 1)),
                "{data:.20} is not number {}",
                received - 1
            );
            received += 1;
            client.say(&FromClient::Ack { received }).await;
        }
    }
    assert_eq!(received, sent + 1);
}

#[tokio::test]
async fn the_agents_close_comes_behind_its_messages_and_again_until_it_was_seen() {
    let sandbox = sandbox().await;
    let (mut client, welcome) = Client::begun(&sandbox, FIRST).await;
    client.send("last").await;
    client.send("close:4007:enough").await;
    drop(client);
    let (mut client, again) = Client::resumed(&sandbox, &welcome, 1).await;
    for text in ["last", "close:4007:enough"].iter().skip(again.received as usize) {
        client.send(text).await;
    }
    assert_eq!(client.data().await, "last");
    let FromServer::Close {
        code,
        reason,
        retry_after_ms,
    } = client.told().await
    else {
        panic!()
    };
    assert_eq!((code, reason.as_str(), retry_after_ms), (4007, "enough", None));
    assert_eq!(client.closed().await, (4007, "enough".into()));
    let _ = client.socket.next().await;
    drop(client);
    is_gone(&sandbox, &welcome).await;
}

#[tokio::test]
async fn an_agent_that_crashes_is_told_as_a_restart_and_a_new_socket_waits_for_it() {
    let sandbox = sandbox().await;
    let (mut client, welcome) = Client::begun(&sandbox, FIRST).await;
    let (lost, lost_welcome) = Client::begun(&sandbox, FIRST).await;
    drop(lost);
    let _ = sandbox.proxy(Method::POST, "/crash").send().await;
    let FromServer::Close {
        code, retry_after_ms, ..
    } = client.told().await
    else {
        panic!()
    };
    assert_eq!(code, 1012);
    assert!(retry_after_ms.is_some());
    assert_eq!(client.closed().await.0, 1012);
    let mut new = Client::open(&sandbox, FIRST).await;
    assert_ne!(new.hello(None, 0).await.session, welcome.session);
    assert!(new.data().await.contains("connect.challenge"));
    // Also whoever was away then.
    let (mut back, _) = Client::resumed(&sandbox, &lost_welcome, 1).await;
    assert!(matches!(back.told().await, FromServer::Close { code: 1012, .. }));
}

#[tokio::test]
async fn sign_out_ends_sessions_at_once_and_expiry_does_not() {
    let sandbox = sandbox().await;
    let end = async |session: Option<&str>, reason| {
        let session = session.map(str::to_owned);
        let ended = sandbox
            .control(Method::POST, "/v1/sessions/end")
            .json(&EndSessions { session, reason });
        ended.send().await.unwrap().error_for_status().unwrap();
    };
    let (mut client, welcome) = Client::begun(&sandbox, FIRST).await;
    end(Some(FIRST), SessionEnd::Expired).await;
    assert_eq!(client.closed().await.0, 4401);
    let (client, _) = Client::resumed(&sandbox, &welcome, 1).await;
    drop(client);
    sandbox.status_where(|status| status.open_sockets == 0).await;
    // By another session of the same user, which it is of from now on.
    let mut client = Client::open(&sandbox, SECOND).await;
    assert!(client.hello(Some(&welcome.session), 1).await.resumed);
    end(Some(FIRST), SessionEnd::SignedOut).await;
    client.send("still here").await;
    assert_eq!(client.data().await, "still here");
    drop(client);
    sandbox.status_where(|status| status.open_sockets == 0).await;
    end(Some(SECOND), SessionEnd::SignedOut).await;
    let told = |line: &String| line.contains("socket closed by its client with 4402");
    sandbox.status_where(|status| status.log_tail.iter().any(told)).await;
}

#[tokio::test]
async fn where_sockets_do_not_resume_it_is_said() {
    let sandbox = Sandbox::ready().await;
    let mut client = Client::open(&sandbox, FIRST).await;
    client
        .say(&FromClient::Hello {
            session: None,
            received: 0,
        })
        .await;
    assert!(matches!(client.word().await, FromServer::Gone { plain: true, .. }));
    assert_eq!(client.closed().await.0, CLOSE_GONE);
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection_and_not_the_session() {
    let sandbox = sandbox().await;
    let (_, welcome) = Client::begun(&sandbox, FIRST).await;
    for bad in [
        "x",
        "",
        "c{}",
        r#"c{"type":"ack","received":99}"#,
        r#"c{"type":"hello","received":0}"#,
    ] {
        let (mut client, _) = Client::resumed(&sandbox, &welcome, 1).await;
        client.socket.send(Message::text(bad)).await.unwrap();
        assert_eq!(client.closed().await.0, 1002, "{bad}");
    }
    for first in [
        "d",
        "c",
        r#"c{"type":"hello","received":7}"#,
        r#"c{"type":"hello","received":-1}"#,
    ] {
        let mut client = Client::open(&sandbox, FIRST).await;
        client.socket.send(Message::text(first)).await.unwrap();
        assert_eq!(client.closed().await.0, 1002, "{first}");
    }
    for received in [0, 2] {
        // Acknowledged before, and never sent.
        let mut client = Client::open(&sandbox, FIRST).await;
        let session = Some(welcome.session.clone());
        client.say(&FromClient::Hello { session, received }).await;
        assert!(matches!(client.word().await, FromServer::Gone { .. }), "{received}");
    }
    Client::resumed(&sandbox, &welcome, 1).await;
}

#[tokio::test]
async fn a_stop_of_the_sandbox_is_told() {
    let sandbox = sandbox().await;
    let (mut client, _) = Client::begun(&sandbox, FIRST).await;
    let stopping = tokio::spawn(sandbox.stop());
    assert!(matches!(client.told().await, FromServer::Close { code: 1012, .. }));
    assert_eq!(client.closed().await.0, 1012);
    eventually(|| async { stopping.is_finished().then_some(()) }).await;
}
