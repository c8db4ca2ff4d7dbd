//! Hostile bytes on open WebSockets, from `tests/corpus/frames.txt` and by their timing: each ends the connection it came on, and nothing else.

use crate::hostile::{assert_untouched, begin};
use e2e_tests::corpus::entries;
use e2e_tests::people::User;
use e2e_tests::raw::Raw;
use e2e_tests::stack::Stack;
use std::sync::Arc;
use std::time::Duration;

/// A peer that broke the protocol is not waited for.
const END_LIMIT: Duration = Duration::from_secs(20);
/// `text "hi"`, masked with zeroes.
const HI: &[u8] = b"\x81\x82\x00\x00\x00\x00hi";

/// A WebSocket without a library that would correct what is sent on it; the agent's first frame may or may not have come.
async fn open(stack: &Stack, user: &User) -> Raw {
    let mut raw = Raw::connect(stack).await;
    let request = format!(
        "GET /socket HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        stack.authority(),
        user.token
    );
    raw.write(request.as_bytes()).await;
    let reply = raw.head().await;
    assert_eq!(reply.status, 101, "{}", reply.text());
    raw
}

pub async fn no_frame_breaks_anything(stack: Arc<Stack>) {
    let (ada, before) = begin(&stack).await;
    let mut bystander = stack.socket(&ada).await;
    for frame in entries("frames.txt") {
        let mut raw = open(&stack, &ada).await;
        raw.write(&frame).await;
        let ended = raw.ends_within(END_LIMIT).await;
        assert!(
            ended,
            "still open after {}",
            frame.escape_ascii().to_string().chars().take(200).collect::<String>()
        );
        bystander.echoes("still here").await;
    }
    bystander.close(1000, "done").await;
    assert_untouched(&stack, &ada, before).await;
}

pub async fn slow_and_half_open_peers_hold_up_nobody(stack: Arc<Stack>) {
    let (ada, before) = begin(&stack).await;
    let mut bystander = stack.socket(&ada).await;
    // Half a header, half a payload, and nothing more: they stay open, because that is no fault, while others are served.
    let mut halves = Vec::new();
    for part in [
        b"\x81".as_slice(),
        b"\x81\xfe\x10",
        b"\x82\xff\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00abc",
    ] {
        let mut raw = open(&stack, &ada).await;
        raw.write(part).await;
        halves.push(raw);
        bystander.echoes("beside half a frame").await;
    }
    // Byte by byte, the message still arrives.
    let mut slow = open(&stack, &ada).await;
    for byte in HI {
        slow.write(&[*byte]).await;
        bystander.echoes("between two bytes").await;
    }
    assert!(slow.brings(b"hi", END_LIMIT).await, "the slow message came back");
    // They go away without a word: one side closed, or all of it.
    for raw in &mut halves {
        raw.close_writing().await;
        bystander.echoes("beside a half-closed connection").await;
    }
    drop(halves);
    let mut gone = open(&stack, &ada).await;
    gone.write(HI).await;
    drop(gone);
    bystander.echoes("after all of them").await;
    bystander.close(1000, "done").await;
    assert_untouched(&stack, &ada, before).await;
}
