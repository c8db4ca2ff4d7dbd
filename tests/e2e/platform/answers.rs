//! What every answer has, and the two routes that need no sign-in.

use e2e_tests::stack::Stack;
use molt_common::time::Millis;
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;

/// A time as the API writes it: ISO-8601, UTC, milliseconds.
pub fn is_time(text: &str) -> bool {
    let pattern = Millis(0).iso();
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, example)| {
            if example.is_ascii_digit() {
                byte.is_ascii_digit()
            } else {
                byte == example
            }
        })
}

pub async fn health_says_that_the_router_is_well(stack: Arc<Stack>) {
    let reply = stack.get("/health").send().await;
    let body = reply.json(200);
    assert_eq!(
        (&body["status"], &body["service"]),
        (&json!("healthy"), &json!("edge-router"))
    );
    assert!(is_time(body["timestamp"].as_str().unwrap_or_default()), "{body}");
    assert_eq!(reply.backend(), "router");
    let head = stack.call("HEAD", "/health").send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

pub async fn status_names_the_flags(stack: Arc<Stack>) {
    let body = stack.get("/api/status").send().await.json(200);
    assert_eq!(body["status"], "ok");
    let flags = json!({"useNewAdminApi": true, "useNewContainerGateway": true});
    assert_eq!(body["featureFlags"], flags, "{body}");
    assert!(is_time(body["timestamp"].as_str().unwrap_or_default()), "{body}");
}

pub async fn every_answer_has_an_id_of_ours_and_its_backend(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    let foreign = "req_00000000000000000000000000000000";
    let mut seen = HashSet::from([foreign.to_owned()]);
    let calls = [
        (stack.get("/health"), "router", 200),
        (stack.get("/login"), "router", 200),
        (stack.get("/_molt/assets/page.css"), "router", 200),
        (stack.get("/nothing"), "router", 401),
        (stack.get("/api/super/users"), "router", 401),
        (stack.call("DELETE", "/health"), "router", 405),
        (stack.get("/api/super/users").admin(), "admin", 200),
        (stack.get("/api/super/nothing").admin(), "admin", 404),
        (stack.get("/echo").user(&ada), "container-gateway", 200),
        (stack.get("/nothing").user(&ada), "container-gateway", 404),
        (stack.get("/_molt/nothing").user(&ada), "container-gateway", 404),
    ];
    for (call, backend, status) in calls {
        let reply = call.header("x-request-id", foreign).send().await;
        assert_eq!((reply.backend(), reply.status), (backend, status), "{}", reply.text());
        assert!(
            seen.insert(reply.request_id().to_owned()),
            "{} is not new",
            reply.request_id()
        );
    }
}

pub async fn a_socket_answer_has_them_too(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    let handshake = stack.handshake("/").user(&ada).header("x-request-id", "mine");
    let Ok((_, response)) = handshake.attempt().await else {
        panic!("refused")
    };
    assert_eq!(response.headers()["x-molt-backend"], "container-gateway");
    assert!(
        response.headers()["x-request-id"]
            .to_str()
            .expect("text")
            .starts_with("req_")
    );
}
