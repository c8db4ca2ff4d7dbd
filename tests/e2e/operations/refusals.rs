//! Bad input, and reading.

use e2e_tests::stack::Stack;
use serde_json::json;
use std::sync::Arc;

pub async fn what_does_not_fit_is_named(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for (method, verb, body, field) in [
        ("POST", "wake", json!({"timeoutMs": 10}), "timeoutMs"),
        ("POST", "wake", json!({"wait": 3}), "wait"),
        ("POST", "wake?wait=26", json!({}), "wait"),
        ("POST", "wake?wait=soon", json!({}), "wait"),
        ("POST", "restart", json!({"scope": "disk"}), "scope"),
        ("POST", "restart", json!({"discardDisk": "yes"}), "discardDisk"),
        ("POST", "restart", json!({"timeoutMs": 3_600_001}), "timeoutMs"),
        ("POST", "restart", json!([]), "body"),
        ("POST", "emergency-reset", json!({"now": true}), "now"),
        ("POST", "destroy", json!({"discardDisk": true, "confirm": 7}), "confirm"),
        ("PUT", "tier", json!({}), "tier"),
        ("PUT", "tier", json!({"tier": 0}), "tier"),
        ("PUT", "tier", json!({"tier": 4}), "tier"),
        ("PUT", "image", json!({}), "channel"),
        ("PUT", "image", json!({"channel": "nightly"}), "channel"),
        ("PUT", "image", json!({"name": "../x"}), "name"),
        ("PUT", "image", json!({"rollback": true, "pin": true}), "pin"),
        ("PUT", "image", json!({"pin": true}), "pin"),
        ("PUT", "keep-alive", json!({}), "policy"),
        ("PUT", "keep-alive", json!({"policy": "idle"}), "seconds"),
        ("PUT", "keep-alive", json!({"policy": "idle", "seconds": 59}), "seconds"),
        (
            "PUT",
            "keep-alive",
            json!({"policy": "always", "seconds": 60}),
            "seconds",
        ),
    ] {
        let refused = stack.ask(&user, method, verb, &body).await;
        assert_eq!(refused.problem(400, "invalid_request")["field"], field, "{verb} {body}");
    }
    for verb in ["wake", "restart", "emergency-reset"] {
        let call = stack.post(&user.path(&format!("/{verb}"))).admin();
        let refused = call.header("idempotency-key", "a key").json(&json!({})).send().await;
        refused.names_field("Idempotency-Key");
    }
    assert_eq!(stack.generation(&user).await, 0, "nothing was started");
}

pub async fn nothing_is_changed_by_reading(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for verb in ["wake", "restart", "restart-async", "emergency-reset", "destroy", "tier"] {
        let read = stack.get(&user.path(&format!("/{verb}"))).admin().send().await;
        read.problem(405, "method_not_allowed");
    }
    stack
        .get("/api/super/bulk/restart")
        .admin()
        .send()
        .await
        .problem(405, "method_not_allowed");
    assert_eq!(stack.generation(&user).await, 0);
}
