//! Sockets that outlive their connections, of clients that mean harm or are broken: clear codes, and everything is given back.

use futures_util::SinkExt;
use futures_util::future::join_all;
use molt_common::resume::{CLOSE_GONE, FromClient, FromServer};
use tokio_tungstenite::tungstenite::Message;

use crate::resume::{Client, FIRST, sandbox};
use crate::support::Sandbox;

/// More than one sandbox has places for, by a good deal.
const MANY: usize = 600;
/// The places.
const PLACES: usize = 512;

#[tokio::test]
async fn names_that_no_session_has_lead_nowhere() {
    let sandbox = sandbox().await;
    let long = "x".repeat(1 << 20);
    for name in [
        "",
        "0",
        "../../etc/passwd",
        "\u{0}",
        "ffffffffffffffffffffffffffffffff",
        "ä\u{202e}",
        &long,
    ] {
        let mut client = Client::open(&sandbox, FIRST).await;
        let session = Some(name.to_owned());
        client.say(&FromClient::Hello { session, received: 0 }).await;
        assert!(
            matches!(client.word().await, FromServer::Gone { plain: false, .. }),
            "{name:.40}"
        );
        assert_eq!(client.closed().await.0, CLOSE_GONE, "{name:.40}");
    }
    all_is_given_back(&sandbox).await;
}

#[tokio::test]
async fn garbage_in_place_of_an_envelope_ends_the_connection_with_a_code() {
    let sandbox = sandbox().await;
    let (_, welcome) = Client::begun(&sandbox, FIRST).await;
    for bad in [
        Message::binary(vec![]),
        Message::binary(vec![1, 2, 3]),
        Message::binary(vec![0xFF; 70_000]),
        Message::text("\u{0}"),
        Message::text("c"),
        Message::text("cnull"),
        Message::text(r#"c{"type":"ack"}"#),
        Message::text(r#"c{"type":"ack","received":18446744073709551615}"#),
        Message::text(r#"c{"type":"ack","received":18446744073709551616}"#),
        Message::text(r#"c{"type":"ack","received":1e99}"#),
        Message::text(r#"c{"type":"welcome","session":"s"}"#),
        Message::text(r#"c{"type":"close","code":70000,"reason":""}"#),
        Message::text(format!("c{}", "[".repeat(100_000))),
    ] {
        let (mut client, _) = Client::resumed(&sandbox, &welcome, 1).await;
        client.socket.send(bad.clone()).await.unwrap();
        assert_eq!(client.closed().await.0, 1002, "{bad:.60}");
    }
    // It ends with what the page says, put right where it may not be sent.
    let (mut client, _) = Client::resumed(&sandbox, &welcome, 1).await;
    let reason = "é".repeat(5_000);
    client.say(&FromClient::Close { code: 1005, reason }).await;
    let (code, reason) = client.closed().await;
    assert_eq!((code, reason.len()), (1011, 122));
    all_is_given_back(&sandbox).await;
}

#[tokio::test]
async fn too_many_sockets_are_refused_and_the_others_and_the_supervisor_go_on() {
    let sandbox = sandbox().await;
    let mut opened = join_all((0..MANY).map(|_| Client::open(&sandbox, FIRST))).await;
    let first_words = join_all(opened.iter_mut().map(async |client| {
        client
            .say(&FromClient::Hello {
                session: None,
                received: 0,
            })
            .await;
        client.word().await
    }))
    .await;
    let refused = |word: &FromServer| {
        matches!(
            word,
            FromServer::Close {
                code: 1013,
                retry_after_ms: Some(_),
                ..
            }
        )
    };
    let welcome = |word: &FromServer| matches!(word, FromServer::Welcome(_));
    assert_eq!(first_words.iter().filter(|word| welcome(word)).count(), PLACES);
    assert_eq!(first_words.iter().filter(|word| refused(word)).count(), MANY - PLACES);
    assert_eq!(sandbox.status().await.open_sockets as usize, PLACES);
    let talk = opened.iter_mut().zip(&first_words).filter(|(_, word)| welcome(word));
    join_all(talk.map(async |(client, _)| {
        assert!(client.data().await.contains("connect.challenge"));
        client.send("still here").await;
        assert_eq!(client.data().await, "still here");
    }))
    .await;
    drop(opened);
    all_is_given_back(&sandbox).await;
    // Whoever waits for his client makes room.
    let (mut client, _) = Client::begun(&sandbox, FIRST).await;
    client.send("room").await;
    assert_eq!(client.data().await, "room");
}

/// No connection is counted any more.
async fn all_is_given_back(sandbox: &Sandbox) {
    sandbox.status_where(|status| status.open_sockets == 0).await;
}
