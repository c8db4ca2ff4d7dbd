//! The history.

use crate::world::{change, config, history};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub async fn versions_are_listed_compared_and_gone_back_to(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    assert!(history(&stack, &user).await.is_empty());
    for level in ["info", "warn", "error"] {
        let path = user.path(&format!("/config?reason=level%20{level}"));
        let body = json!({"logging": {"level": level}});
        let call = stack.call("PUT", &path).admin();
        call.json(&body).send().await.expect(200);
    }
    let path = user.path("/config/history?limit=2");
    let page = stack.get(&path).admin().send().await.json(200);
    let numbers: Vec<&Value> = page["history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|version| &version["version"])
        .collect();
    assert_eq!(numbers, [&json!(3), &json!(2)]);
    assert_eq!(
        (
            &page["history"][0]["reason"],
            &page["history"][0]["source"],
            &page["history"][0]["author"]
        ),
        (&json!("level error"), &json!("api"), &json!("bootstrap")),
        "{page}"
    );
    let cursor = page["nextCursor"].as_str().expect("a cursor");
    let path = user.path(&format!("/config/history?limit=2&cursor={cursor}"));
    let rest = stack.get(&path).admin().send().await.json(200);
    assert_eq!(
        (&rest["history"][0]["version"], &rest["nextCursor"]),
        (&json!(1), &Value::Null)
    );
    let path = user.path("/config/diff?from=1&to=2");
    let diff = stack.get(&path).admin().send().await.json(200);
    assert_eq!(
        diff["diff"],
        json!([{"op": "replace", "path": "/logging/level", "value": "warn"}])
    );
    for (query, status) in [("", 400), ("?from=x", 400), ("?from=1&to=99", 404)] {
        let path = user.path(&format!("/config/diff{query}"));
        stack.get(&path).admin().send().await.expect(status);
    }
    let path = user.path("/config/rollback");
    let unknown = stack.post(&path).admin().json(&json!({"version": 99})).send().await;
    assert_eq!(unknown.problem(404, "not_found")["field"], "version");
    let body = json!({"version": 1, "reason": "too quiet"});
    let back = stack.post(&path).admin().json(&body).send().await.json(200);
    assert_eq!(
        (&back["version"], &back["layers"]["user"]["logging"]["level"]),
        (&json!(4), &json!("info")),
        "{back}"
    );
    let newest = &history(&stack, &user).await[0];
    assert_eq!(
        (&newest["source"], &newest["reason"]),
        (&json!("rollback"), &json!("too quiet"))
    );
    assert_eq!(config(&stack, &user).await["version"], 4);
}

pub async fn every_change_is_in_the_audit_trail(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    change(&stack, &user, "PATCH", &json!({"ui": {"a": "some-value"}}))
        .await
        .expect(200);
    let query = format!(
        "SELECT detail FROM audit WHERE chain = 'sandbox:{}' AND action = 'sandbox.config_changed'",
        user.id
    );
    let rows = until("it is copied", Duration::from_secs(30), async || {
        let rows = stack.sql(&query).await;
        (!rows.is_empty()).then_some(rows)
    })
    .await;
    let detail = rows[0]["detail"].as_str().expect("a text");
    assert!(detail.contains("/ui") && !detail.contains("some-value"), "{detail}");
}

pub async fn scopes_divide_reading_from_writing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for (scope, reads, writes) in [
        ("config:read", 200, 403),
        ("config:write", 200, 200),
        ("fleet:write", 403, 403),
    ] {
        let body = json!({"name": format!("config test {scope}"), "scopes": [scope]});
        let made = stack.post("/api/super/keys").admin().json(&body).send().await;
        let made = made.json(201);
        let key = made["key"].as_str().expect("a key");
        let read = stack.get(&user.path("/config")).bearer(key).send().await;
        read.expect(reads);
        let write = stack.call("PATCH", &user.path("/config")).bearer(key);
        write.json(&json!({"ui": {"a": 1}})).send().await.expect(writes);
    }
}
