//! The admin API.

use crate::world::{answer, list, masked, names, put, remove, set, value};
use e2e_tests::people::User;
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const PROVIDER: &str = "OPENAI_API_KEY";
const CHANNEL: &str = "TELEGRAM_BOT_TOKEN";

pub async fn a_secret_is_set_told_masked_replaced_and_removed(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let empty = answer(&stack, &user).await;
    assert_eq!(
        (&empty["secrets"], &empty["nextCursor"]),
        (&json!([]), &Value::Null),
        "{empty}"
    );
    for (name, used_for) in [
        (PROVIDER, "provider"),
        ("ANTHROPIC_API_KEY", "provider"),
        (CHANNEL, "channel"),
    ] {
        let known = json!({"name": name, "use": used_for});
        assert!(empty["names"].as_array().expect("a list").contains(&known), "{empty}");
    }
    let (first, second, token) = (value(), value(), value());
    let made = set(&stack, &user, PROVIDER, &first).await;
    assert!(!made.text().contains(&first));
    let made = made.json(201);
    let secret = &made["secret"];
    assert_eq!(
        (&secret["name"], &secret["use"], &secret["masked"], &secret["readable"]),
        (
            &json!(PROVIDER),
            &json!("provider"),
            &json!(masked(&first)),
            &json!(true)
        ),
        "{made}"
    );
    assert_eq!(
        (&made["replaced"], &made["countsFrom"], &secret["keyId"]),
        (&json!(false), &json!("now"), &empty["currentKeyId"]),
        "{made}"
    );
    let replaced = set(&stack, &user, PROVIDER, &second).await.json(200);
    assert_eq!(replaced["replaced"], true, "{replaced}");
    let made = set(&stack, &user, CHANNEL, &token).await.json(201);
    assert_eq!(made["countsFrom"], "next_start", "the sandbox does not run: {made}");
    let listed = list(&stack, &user).await;
    let shown: Vec<(&Value, &Value)> = listed
        .iter()
        .map(|secret| (&secret["name"], &secret["masked"]))
        .collect();
    assert_eq!(
        shown,
        [
            (&json!(PROVIDER), &json!(masked(&second))),
            (&json!(CHANNEL), &json!(masked(&token)))
        ]
    );
    let gone = remove(&stack, &user, PROVIDER).await.json(200);
    assert_eq!((&gone["name"], &gone["countsFrom"]), (&json!(PROVIDER), &json!("now")));
    remove(&stack, &user, PROVIDER).await.problem(404, "not_found");
    assert_eq!(names(&stack, &user).await, [CHANNEL]);
    // Setting a short value shows nothing of it.
    let short = set(&stack, &user, CHANNEL, "123456789012345").await.json(200);
    assert_eq!(short["secret"]["masked"], "••••");
    let state = stack.state(&user).await;
    assert_eq!(state["generation"], 0, "nothing was started for it: {state}");
}

pub async fn odd_names_and_values_are_named_and_change_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let kept = value();
    set(&stack, &user, PROVIDER, &kept).await.expect(201);
    for name in [
        "NODE_OPTIONS",
        "LD_PRELOAD",
        "PATH",
        "MOLT_PROVIDER_TOKEN",
        "MOLT_SECRET_KEYS",
    ] {
        let problem = set(&stack, &user, name, "some-value")
            .await
            .problem(400, "secret_unknown");
        assert_eq!(problem["field"], "name");
        let text = problem["detail"].as_str().expect("a text");
        assert!(text.contains(PROVIDER) && text.contains(CHANNEL), "{text}");
    }
    let long = "A".repeat(65);
    for name in [
        "openai_api_key",
        "_A",
        "A-B",
        "A%2FB",
        "A%00",
        "A%0AB",
        "%C3%84",
        long.as_str(),
    ] {
        set(&stack, &user, name, "some-value").await.names_field("name");
        remove(&stack, &user, name).await.names_field("name");
    }
    remove(&stack, &user, "NODE_OPTIONS").await.problem(404, "not_found");
    let too_long = "hunter2-".repeat(1024) + "x";
    for odd in [
        "",
        " hunter2",
        "hunter2 ",
        "hun\nter2",
        "hunter2\r\n",
        "hun\tter2",
        "hun\u{0}ter2",
        "hunter2\u{2028}x",
        "hünter2",
        too_long.as_str(),
    ] {
        let refused = set(&stack, &user, PROVIDER, odd).await;
        refused.names_field("value");
        assert!(!refused.text().contains("ter2"), "{}", refused.text());
    }
    for (body, field) in [
        (json!({}), "value"),
        (json!({"value": 7}), "value"),
        (json!({"value": null}), "value"),
        (json!({"value": ["hunter2"]}), "value"),
        (json!("hunter2"), "body"),
        (json!(["hunter2"]), "body"),
        (json!({"value": "hunter2", "hunter2": 1}), "body"),
    ] {
        let refused = put(&stack, &user, PROVIDER, &body).await;
        refused.names_field(field);
        assert!(!refused.text().contains("hunter2"), "{}", refused.text());
    }
    let path = user.path(&format!("/secrets/{PROVIDER}"));
    let call = stack
        .call("PUT", &path)
        .admin()
        .header("content-type", "application/json");
    let refused = call.body("{\"value\": \"hunter2").send().await;
    refused.problem(400, "invalid_json");
    assert!(!refused.text().contains("hunter2"), "{}", refused.text());
    stack.get(&path).admin().send().await.problem(405, "method_not_allowed");
    let longest = "k".repeat(8 * 1024);
    set(&stack, &user, "ANTHROPIC_API_KEY", &longest).await.expect(201);
    let listed = list(&stack, &user).await;
    let openai = listed
        .iter()
        .find(|secret| secret["name"] == PROVIDER)
        .expect("it is there");
    assert_eq!(openai["masked"], masked(&kept));
}

pub async fn nobody_reads_or_writes_without_the_scope(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for (scopes, reads, writes) in [
        (vec!["secrets:read"], 200, 403),
        (vec!["secrets:write"], 200, 201),
        (
            vec!["fleet:write", "users:write", "keys:write", "config:write", "exec:write"],
            403,
            403,
        ),
    ] {
        let body = json!({"name": format!("secrets test {}", scopes[0]), "scopes": scopes});
        let made = stack.post("/api/super/keys").admin().json(&body).send().await.json(201);
        let key = made["key"].as_str().expect("a key");
        let path = user.path("/secrets");
        known(&stack, &path, key).await.expect(reads);
        let path = user.path(&format!("/secrets/{PROVIDER}"));
        let body = json!({"value": value()});
        let put = stack.call("PUT", &path).bearer(key).json(&body).send().await;
        put.expect(writes);
        let removed = stack.call("DELETE", &path).bearer(key).send().await;
        removed.expect(if writes == 201 { 200 } else { 403 });
    }
    // Whose they are does not matter: the admin API takes no user's token.
    let path = user.path("/secrets");
    for call in [
        stack.get(&path),
        stack.get(&path).user(&user),
        stack.get(&path).session(&user),
    ] {
        assert!(matches!(call.send().await.status, 401 | 403));
    }
}

/// What a new key is answered once the router can tell about it: on a busy machine that may take longer than it waits.
async fn known(stack: &Stack, path: &str, key: &str) -> Reply {
    until("the router knows the key", Duration::from_secs(30), async || {
        let reply = stack.get(path).bearer(key).send().await;
        (reply.status != 503).then_some(reply)
    })
    .await
}

pub async fn unknown_users_have_none_and_suspended_ones_keep_theirs(stack: Arc<Stack>) {
    let nobody = stack.new_legacy_user();
    stack
        .get(&nobody.path("/secrets"))
        .admin()
        .send()
        .await
        .problem(404, "unknown_user");
    set(&stack, &nobody, PROVIDER, &value())
        .await
        .problem(404, "unknown_user");
    remove(&stack, &nobody, PROVIDER).await.problem(404, "unknown_user");
    let odd = User {
        id: "x".into(),
        ..nobody
    };
    set(&stack, &odd, PROVIDER, &value()).await.names_field("id");
    let user = stack.new_user().await;
    let kept = value();
    set(&stack, &user, PROVIDER, &kept).await.expect(201);
    let suspend = stack.post(&user.path("/suspend")).admin();
    suspend.json(&json!({"reason": "test"})).send().await.expect(200);
    assert_eq!(list(&stack, &user).await[0]["masked"], masked(&kept));
    set(&stack, &user, PROVIDER, &value()).await.expect(200);
    remove(&stack, &user, PROVIDER).await.expect(200);
    assert!(list(&stack, &user).await.is_empty());
}

pub async fn what_a_running_agent_holds_counts_from_its_restart(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    for (name, counts_from) in [(PROVIDER, "now"), (CHANNEL, "agent_restart")] {
        let made = set(&stack, &user, name, &value()).await.json(201);
        assert_eq!(made["countsFrom"], counts_from, "{made}");
        let gone = remove(&stack, &user, name).await.json(200);
        assert_eq!(gone["countsFrom"], counts_from, "{gone}");
        let told = gone["message"].as_str().expect("a text");
        assert_eq!(told.contains("molt restart"), counts_from == "agent_restart", "{told}");
    }
}

pub async fn each_users_secrets_are_his_own(stack: Arc<Stack>) {
    let (ada, ben) = (stack.new_user().await, stack.new_user().await);
    let (adas, bens) = (value(), value());
    set(&stack, &ada, PROVIDER, &adas).await.expect(201);
    assert!(list(&stack, &ben).await.is_empty());
    set(&stack, &ben, PROVIDER, &bens).await.expect(201);
    remove(&stack, &ben, PROVIDER).await.expect(200);
    assert_eq!(list(&stack, &ada).await[0]["masked"], masked(&adas));
}

pub async fn the_description_tells_of_each_answer(stack: Arc<Stack>) {
    let document = stack.get("/api/super/openapi.json").admin().send().await.json(200);
    for (path, method, statuses) in [
        ("/api/super/users/{id}/secrets", "get", ["200", "400", "404"].as_slice()),
        (
            "/api/super/users/{id}/secrets/{name}",
            "put",
            ["200", "201", "400", "404", "409", "413", "503"].as_slice(),
        ),
        (
            "/api/super/users/{id}/secrets/{name}",
            "delete",
            ["200", "400", "404"].as_slice(),
        ),
    ] {
        let operation = &document["paths"][path][method];
        let told = operation["responses"]
            .as_object()
            .unwrap_or_else(|| panic!("{method} {path}"));
        let told: Vec<&str> = told.keys().map(String::as_str).collect();
        assert_eq!(told, statuses, "{method} {path}");
    }
}
