//! Admin keys: made with scopes, shown once, used in either header, revoked, never more than their maker.

use e2e_tests::people::now;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const KEYS: &str = "/api/super/keys";
const REVOCATION: Duration = Duration::from_secs(30);

async fn view(stack: &Stack, id: &str) -> Value {
    stack.get(&format!("{KEYS}/{id}")).admin().send().await.json(200)
}

pub async fn a_key_is_shown_once_and_opens_by_either_header(stack: Arc<Stack>) {
    let body = json!({"name": "  nightly script ", "scopes": ["fleet:read", "fleet:read"], "expiresInMs": 60_000});
    let made = stack.post(KEYS).admin().json(&body).send().await.json(201);
    let (id, key) = (
        made["id"].as_str().expect("an id"),
        made["key"].as_str().expect("a key"),
    );
    assert_eq!(key.len(), 86, "{made}");
    assert!(key.starts_with(&format!("molt_{id}_")));
    assert_eq!(
        (&made["name"], &made["scopes"]),
        (&json!("nightly script"), &json!(["fleet:read"]))
    );
    assert_eq!(
        (&made["enabled"], &made["createdBy"]),
        (&json!(true), &json!("bootstrap"))
    );
    let listed = view(&stack, id).await;
    assert!(
        listed.get("key").is_none() && !listed.to_string().contains(&key[22..]),
        "{listed}"
    );
    assert_eq!(listed["lastUsedAt"], Value::Null, "never used");
    for call in [
        stack.get("/api/super/users").bearer(key),
        stack.get("/api/super/users").header("x-admin-secret", key),
    ] {
        call.send().await.expect(200);
    }
    until("the use is noted", Duration::from_secs(20), async || {
        (view(&stack, id).await["lastUsedAt"].is_string()).then_some(())
    })
    .await;
}

pub async fn a_key_opens_what_its_scopes_say(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let (_, runs) = stack.admin_key("runs commands", &["exec:write"]).await;
    let (_, reads) = stack.admin_key("reads commands", &["exec:read"]).await;
    let accepted = stack
        .post(&ada.path("/exec"))
        .bearer(&runs)
        .json(&json!({"command": "true"}))
        .send()
        .await
        .json(202);
    let path = accepted["pollUrl"].as_str().expect("pollUrl");
    for key in [&runs, &reads] {
        stack.get(path).bearer(key).send().await.expect(200);
    }
    let refused = [
        (
            "exec:write",
            stack
                .post(&ada.path("/exec"))
                .bearer(&reads)
                .json(&json!({"command": "true"})),
        ),
        (
            "exec:write",
            stack.call("DELETE", path.trim_end_matches("/status")).bearer(&reads),
        ),
        ("fleet:read", stack.get("/api/super/users").bearer(&runs)),
        ("fleet:read", stack.get("/api/super/openapi.json").bearer(&runs)),
        ("keys:write", stack.get(KEYS).bearer(&runs)),
        ("audit:read", stack.get("/api/super/audit/verify").bearer(&runs)),
    ];
    for (scope, call) in refused {
        let problem = call.send().await.problem(403, "scope_missing");
        assert!(
            problem["detail"].as_str().is_some_and(|text| text.contains(scope)),
            "{problem}"
        );
    }
    // A route that is not there is no question of scopes.
    stack.get("/api/super/nothing").bearer(&reads).send().await.expect(404);
    stack.call("PATCH", KEYS).bearer(&reads).send().await.expect(405);
}

pub async fn a_revoked_key_is_refused_soon_and_for_good(stack: Arc<Stack>) {
    let (id, key) = stack.admin_key("to be revoked", &["fleet:read"]).await;
    let call = || stack.get("/api/super/users").bearer(&key);
    call().send().await.expect(200);
    let path = format!("{KEYS}/{id}");
    let revoked = stack.call("DELETE", &path).admin().send().await.json(200);
    assert!(
        revoked["revokedAt"].is_string() && revoked["enabled"] == false,
        "{revoked}"
    );
    until("the key is refused", REVOCATION, async || {
        (call().send().await.status == 403).then_some(())
    })
    .await;
    let again = stack.call("DELETE", &path).admin().send().await.json(200);
    assert_eq!(again["revokedAt"], revoked["revokedAt"], "twice is as good as once");
}

pub async fn an_expired_key_is_refused(stack: Arc<Stack>) {
    let body = json!({"name": "short", "scopes": ["fleet:read"], "expiresInMs": 3_000});
    let made = stack.post(KEYS).admin().json(&body).send().await.json(201);
    let key = made["key"].as_str().expect("a key");
    stack.get("/api/super/users").bearer(key).send().await.expect(200);
    until("it has expired", Duration::from_secs(15), async || {
        (stack.get("/api/super/users").bearer(key).send().await.status == 403).then_some(())
    })
    .await;
    assert_eq!(
        view(&stack, made["id"].as_str().expect("an id")).await["enabled"],
        false
    );
}

pub async fn a_key_makes_no_key_that_may_more(stack: Arc<Stack>) {
    let (_, maker) = stack.admin_key("makes keys", &["keys:write", "fleet:read"]).await;
    let make = |scopes: Value| {
        stack
            .post(KEYS)
            .bearer(&maker)
            .json(&json!({"name": "made", "scopes": scopes}))
    };
    let made = make(json!(["fleet:read"])).send().await.json(201);
    assert!(
        made["createdBy"].as_str().is_some_and(|by| by.starts_with("key:")),
        "{made}"
    );
    for more in [
        json!(["*"]),
        json!(["fleet:read", "exec:read"]),
        json!(["keys:write", "audit:read"]),
    ] {
        make(more).send().await.problem(403, "scope_missing");
    }
    // What may do everything is switched by whoever may do everything.
    stack
        .call("DELETE", "/api/super/keys/bootstrap")
        .bearer(&maker)
        .send()
        .await
        .problem(403, "scope_missing");
    let listed = stack
        .get(&format!("{KEYS}?limit=200"))
        .bearer(&maker)
        .send()
        .await
        .json(200);
    assert_eq!(listed["keys"][0]["id"], "bootstrap", "{listed}");
    assert!(!listed.to_string().contains("hash"));
}

pub async fn bad_keys_are_named_by_field(stack: Arc<Stack>) {
    let make = |body: Value| stack.post(KEYS).admin().json(&body);
    let far = (now() + 20 * 366 * 86_400) * 1000;
    for (field, body) in [
        ("name", json!({"name": "", "scopes": ["*"]})),
        ("name", json!({"name": "x".repeat(101), "scopes": ["*"]})),
        ("name", json!({"name": "a\u{7}b", "scopes": ["*"]})),
        ("scopes", json!({"name": "x", "scopes": []})),
        ("scopes[1]", json!({"name": "x", "scopes": ["*", "fleet:*"]})),
        ("scopes", json!({"name": "x", "scopes": "fleet:read"})),
        (
            "expiresAt",
            json!({"name": "x", "scopes": ["*"], "expiresAt": "tomorrow"}),
        ),
        (
            "expiresAt",
            json!({"name": "x", "scopes": ["*"], "expiresAt": "2001-01-01T00:00:00Z"}),
        ),
        ("expiresInMs", json!({"name": "x", "scopes": ["*"], "expiresInMs": 0})),
        ("expiresInMs", json!({"name": "x", "scopes": ["*"], "expiresInMs": far})),
        (
            "expiresInMs",
            json!({"name": "x", "scopes": ["*"], "expiresInMs": 5, "expiresAt": "2030-01-01T00:00:00Z"}),
        ),
    ] {
        let problem = make(body.clone()).send().await.problem(400, "invalid_request");
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    make(json!({"name": "x", "scopes": ["*"], "role": "root"}))
        .send()
        .await
        .problem(400, "invalid_request");
    stack.get("/api/super/keys/x").admin().send().await.names_field("id");
    stack
        .get(&format!("{KEYS}/{}", "0".repeat(16)))
        .admin()
        .send()
        .await
        .problem(404, "unknown_key");
    stack
        .get("/api/super/keys?cursor=x")
        .admin()
        .send()
        .await
        .names_field("cursor");
    stack
        .get("/api/super/keys?limit=0")
        .admin()
        .send()
        .await
        .names_field("limit");
}
