//! Content codings, negotiated for the client that asked.

use e2e_tests::people::User;
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn ada(stack: &Stack) -> User {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    ada
}

async fn get(stack: &Stack, user: &User, path: &str, coding: &str) -> Reply {
    let call = stack.get(path).user(user);
    let call = if coding.is_empty() {
        call
    } else {
        call.header("accept-encoding", coding)
    };
    call.send().await
}

/// Compressible or not, coded by the agent or not.
const PATHS: [&str; 4] = [
    "/text?bytes=100000",
    "/text?bytes=100000&type=application/x-ndjson",
    "/text?bytes=5000&coding=gzip",
    "/text?bytes=5000&coding=gzip&type=application/x-thing",
];

pub async fn who_asked_for_nothing_gets_nothing_coded(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for path in PATHS {
        for coding in ["", "identity", "gzip;q=0", "x-unknown"] {
            let reply = get(&stack, &ada, path, coding).await;
            assert_eq!(
                reply.expect(200).header("content-encoding"),
                "",
                "{path} for {coding:?}"
            );
            assert!(reply.text().starts_with("An agent says much"), "{path} for {coding:?}");
        }
    }
}

pub async fn who_asked_gets_what_he_asked_for(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for (asked, expected) in [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip;q=0.5, br", "br"),
        ("zstd, gzip;q=0.5", "zstd"),
    ] {
        // Not of a type that the development server in front of the router codes by itself.
        let reply = get(&stack, &ada, "/text?bytes=100000&type=application/x-ndjson", asked).await;
        assert_eq!(reply.expect(200).header("content-encoding"), expected, "{asked}");
        assert!(reply.body.len() < 2000, "{asked}: {} bytes", reply.body.len());
        assert_eq!(
            (reply.header("vary"), reply.header("etag")),
            ("Accept-Encoding", "W/\"text\""),
            "{asked}"
        );
    }
    let short = get(&stack, &ada, "/text?bytes=500&type=application/x-ndjson", "br, gzip").await;
    assert_eq!(
        (short.header("content-encoding"), short.header("etag")),
        ("", "\"text\"")
    );
}

pub async fn nothing_is_coded_twice(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let reply = get(
        &stack,
        &ada,
        "/text?bytes=5000&coding=gzip&type=application/x-thing",
        "gzip",
    )
    .await;
    assert_eq!(reply.header("content-encoding"), "gzip");
    // The agent's gzip is longer than the text; whoever had coded it anew would have made it short.
    assert!(
        reply.body.len() > 5000 && reply.body.starts_with(&[0x1F, 0x8B]),
        "{} bytes",
        reply.body.len()
    );
    assert_eq!(reply.header("etag"), "\"text\"");
}

pub async fn events_are_not_held_back(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let call = stack
        .get("/events?n=3&ms=500")
        .user(&ada)
        .header("accept-encoding", "br, gzip, zstd");
    let response = call.open().await;
    assert_eq!(response.headers().get("content-encoding"), None);
    let mut stream = response.bytes_stream();
    let (mut text, mut first) = (String::new(), None);
    while let Some(piece) = stream.next().await {
        text.push_str(&String::from_utf8_lossy(&piece.expect("a piece")));
        first.get_or_insert_with(Instant::now);
    }
    assert_eq!(text.matches("data: event").count(), 3);
    let spread = first.expect("a first event").elapsed();
    assert!(
        spread >= Duration::from_millis(700),
        "the first event came only {spread:?} before the end"
    );
}
