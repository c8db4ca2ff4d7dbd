//! WebSockets between a client and the agent.

use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::repeatedly;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::Message;

async fn ada(stack: &Stack) -> User {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    ada
}

pub async fn text_and_bytes_come_back(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let mut socket = stack.handshake("/any/path?x=1").user(&ada).open().await;
    assert!(socket.challenge["payload"]["nonce"].is_string(), "{}", socket.challenge);
    for text in ["hello", "", "Grüße, 🐙", "{\"a\":[1,2]}"] {
        socket.echoes(text).await;
    }
    socket.echoes_bytes(vec![0, 255, 10, 13].into()).await;
    let mut by_cookie = stack
        .handshake("/")
        .header("cookie", &format!("sb-access-token={}", ada.token))
        .open()
        .await;
    by_cookie.echoes("by cookie").await;
}

pub async fn a_mebibyte_passes_in_one_message(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let mut socket = stack.socket(&ada).await;
    // One byte less than the runtime's limit for a message.
    let bytes: Vec<u8> = (0_u32..(1 << 20) - 1).map(|index| (index % 251) as u8).collect();
    socket.echoes_bytes(bytes.into()).await;
    socket.echoes(&"ä".repeat(500_000)).await;
}

pub async fn the_agents_close_reaches_the_client(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for (code, reason) in [(1000, "done"), (4001, "go away: now"), (1012, ""), (4999, "Grüße")] {
        let mut socket = stack.socket(&ada).await;
        socket.send(Message::text(format!("close:{code}:{reason}"))).await;
        assert_eq!(socket.closed().await, (code, reason.to_owned()));
    }
}

pub async fn the_clients_close_is_answered(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for (code, reason) in [(1000, "bye"), (4002, "mine")] {
        let mut socket = stack.socket(&ada).await;
        assert_eq!(socket.close(code, reason).await.0, code);
    }
}

pub async fn foreign_pages_open_no_socket(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "https://127.0.0.1",
        "http://127.0.0.1.evil.example",
    ] {
        for handshake in [
            stack.handshake("/").user(&ada),
            stack
                .handshake("/")
                .header("cookie", &format!("sb-access-token={}", ada.token)),
        ] {
            let Err(refused) = handshake.header("origin", origin).attempt().await else {
                panic!("{origin} opened a socket")
            };
            assert_eq!(refused.status(), 403, "{origin}");
            assert_eq!(refused.headers()["content-type"], "application/problem+json");
        }
    }
}

pub async fn own_pages_open_one(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let mut socket = stack
        .handshake("/")
        .user(&ada)
        .header("origin", &stack.ready.url)
        .open()
        .await;
    socket.echoes("hello").await;
}

pub async fn without_a_token_there_is_no_socket(stack: Arc<Stack>) {
    for handshake in [
        stack.handshake("/"),
        stack.handshake("/").header("authorization", "Bearer a.b.c"),
    ] {
        let Err(refused) = handshake.header("accept", "text/html").attempt().await else {
            panic!("a socket opened")
        };
        assert_eq!(refused.status(), 401);
    }
    let ada = ada(&stack).await;
    let Err(refused) = stack.handshake("/health").user(&ada).attempt().await else {
        panic!("the router took a socket")
    };
    assert_eq!(refused.status(), 200);
}

pub async fn fifty_sockets_at_once(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let mut sockets = join_all((0..50).map(|_| stack.socket(&ada))).await;
    for round in 0..3 {
        let echoes = sockets.iter_mut().enumerate().map(async |(number, socket)| {
            socket.echoes(&format!("socket {number} round {round}")).await;
        });
        join_all(echoes).await;
    }
    stack.engine.only(&ada).await;
}

pub async fn a_socket_wakes_the_sandbox(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let mut socket = stack.socket(&user).await;
    socket.echoes("hello").await;
    assert_eq!(stack.generation(&user).await, 1);
}

/// The small form of the drill `socket-ten-minutes`: longer than two heartbeats of 20 s, and than the 10 s after which the runtime evicts
/// an object without requests.
pub async fn a_socket_outlives_heartbeats_and_eviction(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let mut socket = stack.socket(&user).await;
    repeatedly(9, Duration::from_secs(5), async |round| {
        socket.echoes(&format!("round {round}")).await
    })
    .await;
    socket.echoes("still here").await;
    assert_eq!(stack.generation(&user).await, 1);
    let state = stack.state(&user).await;
    assert_eq!(state["lifecycle"], "running", "{state}");
    assert!(
        state["ageMs"].as_u64().is_some_and(|age| age < 25_000),
        "it was asked with each heartbeat: {state}"
    );
}
