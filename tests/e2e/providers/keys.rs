//! What a provider gets and what comes back.

use crate::world::{CHAT, MESSAGES, asking, somebody, stub};
use e2e_tests::provider_calls::provider_url;
use e2e_tests::stack::Stack;
use std::sync::Arc;

pub async fn the_key_is_added_and_the_token_stays_here(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (body, mark) = asking("plain");
    let answer = stack.ask_provider(&user, &token, CHAT, &body).await;
    assert_eq!(
        answer.json(200)["choices"][0]["message"]["content"],
        "hello from the stub"
    );
    assert_eq!(answer.header("x-request-id"), "stub-request", "the provider's own");
    assert!(answer.header("x-molt-request-id").starts_with("req_"), "{answer:?}");
    assert_eq!(answer.header("set-cookie"), "", "{answer:?}");
    let seen = stub().seen(&mark);
    assert_eq!(seen.len(), 1, "{seen:?}");
    let bearer = format!("Bearer {}", stub().key);
    assert_eq!(seen[0].header("authorization"), Some(bearer.as_str()));
    assert_eq!(
        (&seen[0].body, seen[0].target.as_str()),
        (&body, "/v1/chat/completions")
    );

    // The other protocol's clients show what they have as `x-api-key`, and name a version.
    let (body, mark) = asking("plain");
    let arguments = format!(
        "-H \"x-api-key: $TOKEN\" -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' --data-binary \"$BODY\" '{}?beta=true'",
        provider_url(MESSAGES)
    );
    let answer = stack.curl_inside(&user, &token, &body.to_string(), &arguments).await;
    assert_eq!(answer.json(200)["content"][0]["text"], "hello from the stub");
    let seen = stub().seen(&mark);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].header("x-api-key"), Some(stub().key.as_str()));
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(seen[0].header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(seen[0].target, "/v1/messages?beta=true");
    assert!(!format!("{seen:?}").contains(&token), "{seen:?}");
}

pub async fn a_key_that_a_provider_echoes_does_not_come_back(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (body, mark) = asking("echo");
    let answer = stack.ask_provider(&user, &token, CHAT, &body).await;
    assert_eq!(stub().seen(&mark).len(), 1);
    let text = answer.json(401)["error"]["message"].as_str().expect("text").to_owned();
    assert!(text.starts_with("Incorrect API key provided: Bearer ****"), "{text}");
    assert!(!format!("{answer:?}").contains(&stub().key), "the key came back");
}

pub async fn a_provider_without_a_key_is_none(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (body, mark) = asking("plain");
    for provider in ["keyless", "nobody"] {
        let path = format!("/{provider}/v1/chat/completions");
        let answer = stack.ask_provider(&user, &token, &path, &body).await;
        answer.refused(404, "unknown_provider");
    }
    assert!(stub().seen(&mark).is_empty());
}
