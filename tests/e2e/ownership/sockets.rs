//! Sockets of a user who moves.

use crate::world::{answered_by, cover, person};
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::within;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Message;

async fn opened(stack: &Stack, user: &User) -> (WebSocketStream<TcpStream>, String) {
    let (socket, response) = match stack.handshake("/socket").user(user).attempt().await {
        Ok(opened) => opened,
        Err(refused) => panic!(
            "refused: {} {}",
            refused.status(),
            String::from_utf8_lossy(refused.body())
        ),
    };
    let backend = response
        .headers()
        .get("x-molt-backend")
        .and_then(|name| name.to_str().ok());
    (socket, backend.unwrap_or_default().to_owned())
}

async fn closed_with(socket: &mut WebSocketStream<TcpStream>) -> Option<u16> {
    within("the socket is closed", Duration::from_secs(60), async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    })
    .await
}

pub async fn a_socket_is_opened_where_the_user_is(stack: Arc<Stack>) {
    let user = person(&stack);
    answered_by(&stack, &user, "legacy").await;
    let (mut old, backend) = opened(&stack, &user).await;
    assert_eq!(backend, "legacy");
    old.send(Message::text("still here")).await.expect("it is open");
    assert_eq!(
        old.next().await.expect("an echo").expect("an echo"),
        Message::text("still here")
    );

    cover(&stack, &[&user], false).await;
    answered_by(&stack, &user, "container-gateway").await;
    assert_eq!(closed_with(&mut old).await, Some(1012), "the old agent went with it");
    let mut new = stack.socket(&user).await;
    new.echoes("moved").await;

    cover(&stack, &[], true).await;
    answered_by(&stack, &user, "legacy").await;
    new.ends(Duration::from_secs(30)).await;
    // A handshake alone moves him too.
    cover(&stack, &[&user], false).await;
    within("a handshake moves him", Duration::from_secs(60), async {
        loop {
            let (_, backend) = opened(&stack, &user).await;
            if backend == "container-gateway" {
                return;
            }
        }
    })
    .await;
    cover(&stack, &[], true).await;
    within("and back", Duration::from_secs(60), async {
        loop {
            let (_, backend) = opened(&stack, &user).await;
            if backend == "legacy" {
                return;
            }
        }
    })
    .await;
}
