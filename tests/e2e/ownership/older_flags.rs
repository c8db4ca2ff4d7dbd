//! A router that has not seen the newest flags yet.

use crate::world::{answered_by, cover, legacy, person};
use e2e_tests::people::{User, now};
use e2e_tests::stack::Stack;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// A call to the gateway as a router makes it.
async fn call(
    stack: &Stack,
    kind: &str,
    sub: &str,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: String,
) -> Response {
    let keys = &stack.secrets.identity_keys;
    let id = keys["current"].as_str().expect("a key id");
    let key = keys["keys"][id].as_str().expect("a key");
    let claims = json!({
        "sub": sub, "kind": kind, "scopes": [], "rid": "req_older", "until": (now() + 20) * 1000, "method": method, "path": path,
    });
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(id.into());
    let identity = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key.as_bytes())).expect("a token");
    let url = stack.ready.address("container-gateway");
    let call = stack.call_at(&url, method, path).header("x-molt-identity", &identity);
    let call = headers
        .iter()
        .fold(call, |call, (name, value)| call.header(name, value));
    call.body(body).open().await
}

async fn released(stack: &Stack, user: &User, version: u64) -> Value {
    let release = json!({"user": user.id, "rank": {"epoch": 0, "version": version}, "discardDisk": true});
    let reply = call(
        stack,
        "service",
        "router",
        ("POST", "/internal/release"),
        &[("host", "gateway.service")],
        release.to_string(),
    )
    .await;
    assert_eq!(reply.status(), 200);
    reply.json().await.expect("a placement")
}

pub async fn a_router_with_older_flags_undoes_nothing(stack: Arc<Stack>) {
    let user = person(&stack);
    answered_by(&stack, &user, "legacy").await;
    cover(&stack, &[&user], false).await;
    answered_by(&stack, &user, "container-gateway").await;
    let placed = released(&stack, &user, 0).await;
    assert_eq!(
        (&placed["owner"], &placed["moving"]),
        (&json!("new"), &json!(false)),
        "{placed}"
    );
    let pid = stack.engine.only(&user).await;

    cover(&stack, &[], true).await;
    answered_by(&stack, &user, "legacy").await;
    let fence = legacy(&stack, &user).await.expect("it answers")["fence"].clone();
    let older = [("x-molt-flags-rank", "0.0")];
    let reply = call(&stack, "user", &user.id, ("GET", "/echo"), &older, String::new()).await;
    assert_eq!(reply.status(), 421);
    assert_eq!(reply.headers()["x-molt-owner"], "legacy");
    assert_eq!(
        legacy(&stack, &user).await.expect("it answers")["fence"],
        fence,
        "nothing was done"
    );
    assert!(!stack.engine.running(&user).await.contains(&pid));

    // Only a router releases anybody, and only in its own name.
    for (kind, sub) in [("user", user.id.as_str()), ("admin", "bootstrap")] {
        let target = ("POST", "/internal/release");
        let refused = call(&stack, kind, sub, target, &[("host", "gateway.service")], "{}".into()).await;
        assert_eq!(refused.status(), 401, "{kind}");
    }
}
