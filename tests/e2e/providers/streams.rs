//! Answers that come bit by bit, and long ones.

use crate::world::{CHAT, MESSAGES, asking, somebody, stub};
use e2e_tests::provider_calls::provider_url;
use e2e_tests::provider_streams::{delays, many, spread};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// A token arrives within 20 ms of its being sent.
pub async fn tokens_arrive_as_they_are_sent(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (body, _) = asking("paced-40-25");
    // What a first stream brings about once is no delay, nor is what a busy machine does to one of five.
    delays(&stack, &user, &token, 1, &body).await;
    let mut best = u64::MAX;
    for _ in 0..5 {
        let seen = delays(&stack, &user, &token, 1, &body).await;
        assert_eq!(seen.len(), 40, "every token arrives");
        let (median, _, longest) = spread(seen);
        println!("delays of 40 tokens: median {median} us, longest {longest} us");
        best = best.min(median);
        if best < 20_000 {
            return;
        }
    }
    panic!("no stream had its tokens in 20 ms: {best} us");
}

pub async fn both_protocols_are_streamed(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    for (path, last) in [
        (CHAT, "data: [DONE]\n\n"),
        (MESSAGES, "data: {\"type\":\"message_stop\"}\n\n"),
    ] {
        let (body, _) = asking("paced-5-1");
        let answer = stack.ask_provider(&user, &token, path, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
        assert!(answer.body.ends_with(last), "{answer:?}");
        assert_eq!(answer.body.matches("data: ").count(), 8);
    }
}

pub async fn a_client_that_goes_away_ends_the_providers_stream(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    // Half an hour of tokens.
    let (body, mark) = asking("paced-18000-100");
    let arguments = format!(
        "-m 2 -H \"Authorization: Bearer $TOKEN\" -H 'content-type: application/json' --data-binary \"$BODY\" '{}'",
        provider_url(CHAT)
    );
    let answer = stack.curl_inside(&user, &token, &body.to_string(), &arguments).await;
    assert_eq!((answer.status, answer.exit), (200, 28), "{answer:?}");
    assert_eq!(stub().seen(&mark).len(), 1);
    until("the provider's stream has ended", Duration::from_secs(20), async || {
        (!stub().is_read(&mark)).then_some(())
    })
    .await;
}

pub async fn twenty_streams_pass_in_flat_memory(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    many(&stack, &user, &token, 20, 2 * MIB).await;
}

pub async fn long_requests_pass_untouched(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (mut body, mark) = asking("plain");
    body["messages"][0]["content"] = json!("@FILLING@");
    let (head, tail) = body
        .to_string()
        .split_once("@FILLING@")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("both parts");
    let command = format!(
        "(printf %s \"$HEAD\"; head -c 8388608 /dev/zero | tr '\\0' x; printf %s \"$TAIL\") > /tmp/long.json; \
         curl -sS -m 60 -H \"Authorization: Bearer $TOKEN\" -H 'content-type: application/json' --data-binary @/tmp/long.json '{}'",
        provider_url(CHAT)
    );
    let done = stack
        .exec(
            &user,
            &json!({"command": command, "env": {"TOKEN": token, "HEAD": head, "TAIL": tail}}),
        )
        .await;
    assert!(
        done["stdout"].as_str().expect("text").contains("hello from the stub"),
        "{done}"
    );
    let seen = stub().seen(&mark);
    assert_eq!(seen[0].length, 8_388_608 + (head.len() + tail.len()) as u64);
    let content = seen[0].body["messages"][0]["content"].as_str().expect("text");
    assert!(content.len() == 8_388_608 && content.bytes().all(|byte| byte == b'x'));
}
