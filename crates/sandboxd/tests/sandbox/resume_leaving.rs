//! Sockets that outlive their connections, of pages that are closed: their last words are no less the agent's than those before.

use futures_util::SinkExt;
use molt_common::resume::FromClient;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::resume::{Client, FIRST, is_gone, sandbox};

/// Sends what is fed and the WebSocket's own close frame, in one piece.
async fn leave(client: &mut Client, code: u16, reason: &str) {
    let (code, reason) = (code.into(), reason.into());
    let close = Message::Close(Some(CloseFrame { code, reason }));
    client.socket.send(close).await.unwrap();
}

#[tokio::test]
async fn what_a_page_said_right_before_it_closed_reaches_the_agent_with_its_code() {
    let sandbox = sandbox().await;
    let agent = Pid::from_raw(sandbox.status().await.agent_pid.unwrap() as i32);
    // What an agent takes at once, and more than the system takes for one that stands still.
    for (messages, bytes, stands) in [(1, 1, false), (4, 1 << 20, true)] {
        let (mut client, welcome) = Client::begun(&sandbox, FIRST).await;
        if stands {
            kill(agent, Signal::SIGSTOP).unwrap();
        }
        for _ in 0..messages {
            let text = format!("d{}", "x".repeat(bytes));
            client.socket.feed(Message::text(text)).await.unwrap();
        }
        let bye = FromClient::Close {
            code: 4001,
            reason: "bye".into(),
        };
        let bye = format!("c{}", serde_json::to_string(&bye).unwrap());
        client.socket.feed(Message::text(bye)).await.unwrap();
        leave(&mut client, 4001, "bye").await;
        sandbox.status_where(|status| status.open_sockets == 0).await;
        if stands {
            kill(agent, Signal::SIGCONT).unwrap();
        }
        let told = format!("socket closed by its client with 4001 after {messages} messages");
        sandbox
            .status_where(|status| status.log_tail.iter().any(|line| line.contains(&told)))
            .await;
        is_gone(&sandbox, &welcome).await;
    }
}

#[tokio::test]
async fn what_a_page_said_right_before_it_was_left_reaches_the_agent_once() {
    let sandbox = sandbox().await;
    let (mut client, welcome) = Client::begun(&sandbox, FIRST).await;
    client.socket.feed(Message::text("dlast")).await.unwrap();
    client.socket.feed(Message::text("dwords")).await.unwrap();
    leave(&mut client, 1001, "").await;
    assert_eq!(client.closed().await.0, 1001);
    let (mut client, again) = Client::resumed(&sandbox, &welcome, 1).await;
    assert_eq!(again.received, 2);
    client.send("and on").await;
    for text in ["last", "words", "and on"] {
        assert_eq!(client.data().await, text);
    }
}
