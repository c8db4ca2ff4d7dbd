//! WebSockets through the proxy.

use futures_util::{SinkExt, StreamExt};
use molt_common::control::header;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, connect_async_with_config};

use crate::support::{OWNER, Sandbox, eventually};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(sandbox: &Sandbox, user: &str) -> Result<Socket, Error> {
    let mut request = format!("ws://{}", sandbox.proxy_address("/any/path"))
        .into_client_request()
        .unwrap();
    request.headers_mut().insert(header::USER, user.parse().unwrap());
    Ok(connect_async(request).await?.0)
}

async fn text(socket: &mut Socket) -> String {
    socket.next().await.unwrap().unwrap().into_text().unwrap().to_string()
}

#[tokio::test]
async fn frames_come_back_as_they_were_sent() {
    let sandbox = Sandbox::ready().await;
    let mut socket = connect(&sandbox, OWNER).await.unwrap();
    assert!(text(&mut socket).await.contains("connect.challenge"));
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::text("ä".repeat(40_000)),
        Message::binary(vec![0, 255, 1]),
        Message::binary((0..3_000_000_u32).map(|index| index as u8).collect::<Vec<u8>>()),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap() == message);
    }
    assert_eq!(sandbox.status().await.open_sockets, 1);
    socket.close(None).await.unwrap();
    eventually(|| async { (sandbox.status().await.open_sockets == 0).then_some(()) }).await;
}

#[tokio::test]
async fn close_codes_and_reasons_pass() {
    let sandbox = Sandbox::ready().await;
    for (code, reason) in [(1000, "done"), (1012, "restart"), (4001, "a reason: with a colon")] {
        let mut socket = connect(&sandbox, OWNER).await.unwrap();
        text(&mut socket).await;
        socket
            .send(Message::text(format!("close:{code}:{reason}")))
            .await
            .unwrap();
        let Message::Close(Some(close)) = socket.next().await.unwrap().unwrap() else {
            panic!("no close")
        };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (code, reason));
    }
}

#[tokio::test]
async fn a_socket_of_somebody_else_is_refused() {
    let sandbox = Sandbox::ready().await;
    let Err(Error::Http(answer)) = connect(&sandbox, "somebody-else").await else {
        panic!("it opened")
    };
    assert_eq!(answer.status(), 403);
    assert_eq!(sandbox.status().await.open_sockets, 0);
}

#[tokio::test]
async fn data_counts_as_activity_and_a_ping_does_not() {
    let sandbox = Sandbox::ready().await;
    let mut socket = connect(&sandbox, OWNER).await.unwrap();
    text(&mut socket).await;
    socket.send(Message::Ping(vec![1].into())).await.unwrap();
    assert!(matches!(socket.next().await.unwrap().unwrap(), Message::Pong(_)));
    assert_eq!(sandbox.status().await.last_client_frame_at, None);
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(text(&mut socket).await, "hello");
    let seen = sandbox.status().await;
    assert!(seen.last_client_frame_at.is_some_and(|at| at <= seen.now));
}

#[tokio::test]
async fn a_client_that_vanishes_is_not_counted_for_ever() {
    let sandbox = Sandbox::ready().await;
    let socket = connect(&sandbox, OWNER).await.unwrap();
    eventually(|| async { (sandbox.status().await.open_sockets == 1).then_some(()) }).await;
    drop(socket);
    eventually(|| async { (sandbox.status().await.open_sockets == 0).then_some(()) }).await;
}

/// What the agent's close frame must become.
async fn close_after(socket: &mut Socket) -> (u16, String) {
    loop {
        match socket.next().await.expect("a close frame before the end").unwrap() {
            Message::Close(Some(close)) => return (close.code.into(), close.reason.to_string()),
            Message::Close(None) => panic!("a close without a code"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_agent_that_crashes_is_told_with_a_code_and_a_reason() {
    let sandbox = Sandbox::ready().await;
    let mut socket = connect(&sandbox, OWNER).await.unwrap();
    text(&mut socket).await;
    let _ = sandbox.proxy(reqwest::Method::POST, "/crash").send().await;
    let (code, reason) = close_after(&mut socket).await;
    assert_eq!(code, 1012);
    assert!(
        reason.contains("started again") && reason.contains("Connect again"),
        "{reason}"
    );
    assert!(socket.next().await.is_none_or(|end| end.is_err()));
    sandbox.status_where(|status| status.open_sockets == 0).await;
}

#[tokio::test]
async fn codes_that_may_not_be_sent_reach_neither_side() {
    let sandbox = Sandbox::ready().await;
    for code in [1005_u16, 1006, 1015, 999, 2000] {
        let mut socket = connect(&sandbox, OWNER).await.unwrap();
        text(&mut socket).await;
        // The agent's, as bytes.
        socket
            .send(Message::text(format!("raw-close:{code}:why")))
            .await
            .unwrap();
        assert_eq!(close_after(&mut socket).await, (1011, "why".to_owned()), "{code}");

        let mut socket = connect(&sandbox, OWNER).await.unwrap();
        text(&mut socket).await;
        let code = CloseCode::from(code);
        let reason = "why".into();
        let frame = Frame::close(Some(CloseFrame { code, reason }));
        socket.send(Message::Frame(frame)).await.unwrap();
        let told = |line: &String| line.contains("socket closed by its client with 1002");
        sandbox.status_where(|status| status.log_tail.iter().any(told)).await;
    }
}

#[tokio::test]
async fn the_agent_is_told_of_a_client_that_vanishes() {
    let sandbox = Sandbox::ready().await;
    let mut socket = connect(&sandbox, OWNER).await.unwrap();
    text(&mut socket).await;
    drop(socket);
    let told = |line: &String| line.contains("socket closed by its client with 1001");
    sandbox.status_where(|status| status.log_tail.iter().any(told)).await;
}

#[tokio::test]
async fn thirty_two_mebibytes_pass_in_one_message() {
    let sandbox = Sandbox::ready().await;
    let mut request = format!("ws://{}", sandbox.proxy_address("/"))
        .into_client_request()
        .unwrap();
    request.headers_mut().insert(header::USER, OWNER.parse().unwrap());
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let mut socket = connect_async_with_config(request, Some(config), false).await.unwrap().0;
    text(&mut socket).await;
    let long = Message::binary(vec![5; 32 << 20]);
    socket.send(long.clone()).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap() == long);
}
