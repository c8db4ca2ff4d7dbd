//! The lists themselves.

use crate::inside::set;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub async fn what_is_no_host_is_named(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let put = |body: Value| stack.call("PUT", &user.path("/outbound")).admin().json(&body).send();
    for (entry, word) in [
        ("example.com:80", "port"),
        ("[::1]", "address"),
        ("127.0.0.1", "address"),
        ("10.0.0.0/8", "address"),
        ("https://example.com/", "scheme"),
        ("user@example.com", "scheme"),
        ("*", "star"),
        ("a.*.example.com", "star"),
        ("localhost", "public"),
        ("gateway.internal", "public"),
        ("com", "dot"),
        ("", "empty"),
        ("exa mple.com", "not a host name"),
    ] {
        let refused = put(json!({"allow": ["a.example", "b.example", entry]})).await;
        refused.names_field("allow[2]");
        let problem = refused.problem(400, "invalid_request");
        let detail = problem["detail"].as_str().expect("words");
        assert!(detail.contains(word), "{entry:?}: {detail}");
    }
    put(json!({"deny": ["127.1"]})).await.names_field("deny[0]");
    let many: Vec<String> = (0..201).map(|number| format!("h{number}.example")).collect();
    put(json!({"deny": many})).await.names_field("deny");
    for body in [json!({"allows": []}), json!({"allow": "a.example"}), json!([])] {
        let refused = put(body.clone()).await;
        assert!([400, 422].contains(&refused.status), "{body}: {}", refused.status);
    }
    let stranger = format!("/api/super/users/{}/outbound", uuid::Uuid::new_v4());
    stack.get(&stranger).admin().send().await.problem(404, "unknown_user");
    let kept = stack.get(&user.path("/outbound")).admin().send().await.json(200);
    assert_eq!(kept["version"], 0, "nothing of it was kept");
}

pub async fn each_change_is_audited_once_and_exported(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let lists = json!({"allow": ["*.Example.com", "*.example.com."], "deny": ["a.example.com"]});
    let first = set(&stack, &user, &lists).await;
    assert_eq!(
        (&first["allow"], &first["version"]),
        (&json!(["*.example.com"]), &json!(1))
    );
    assert_eq!(
        set(&stack, &user, &lists).await["version"],
        1,
        "saying it again changes nothing"
    );
    let export = stack.get(&user.path("/export")).admin();
    until("the trail is copied", Duration::from_secs(20), async || {
        let text = String::from_utf8_lossy(&stack.get(&user.path("/export")).admin().send().await.body).into_owned();
        (text.matches("sandbox.outbound_set").count() == 1).then_some(())
    })
    .await;
    let text = String::from_utf8_lossy(&export.send().await.body).into_owned();
    assert!(
        text.contains(r#""outbound":{"#) && text.contains(r#""allow":["*.example.com"]"#),
        "{text}"
    );
}

pub async fn the_command_line_does_the_same(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let id = user.id.as_str();
    let shown = stack.molt(&["outbound", "get", id]).await;
    assert!(shown.done().contains("everything"), "{shown:?}");
    let set = [
        "outbound",
        "set",
        id,
        "--allow",
        "*.example.com",
        "--deny",
        "a.example.com",
        "--json",
    ];
    let set = stack.molt(&set).await.json();
    assert_eq!(
        (&set["allow"], &set["deny"]),
        (&json!(["*.example.com"]), &json!(["a.example.com"]))
    );
    let nothing = stack
        .molt(&["outbound", "set", id, "--allow-none", "--json"])
        .await
        .json();
    assert_eq!((&nothing["allow"], &nothing["deny"]), (&json!([]), &json!([])));
    stack
        .molt(&["outbound", "set", id, "--deny", "10.0.0.1"])
        .await
        .refused("deny[0]");
    let cleared = stack.molt(&["outbound", "clear", id, "--json"]).await.json();
    assert_eq!((&cleared["allow"], &cleared["version"]), (&json!(null), &json!(3)));
}

pub async fn scopes_are_those_of_the_fleet(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let path = user.path("/outbound");
    let body = json!({"name": "reader", "scopes": ["fleet:read"]});
    let made = stack.post("/api/super/keys").admin().json(&body).send().await.json(201);
    let reader = made["key"].as_str().expect("a key").to_owned();
    e2e_tests::secrets::used("an admin key", &reader);
    stack
        .get(&path)
        .header("x-admin-secret", &reader)
        .send()
        .await
        .expect(200);
    for method in ["PUT", "DELETE"] {
        let call = stack.call(method, &path).header("x-admin-secret", &reader);
        call.json(&json!({})).send().await.problem(403, "scope_missing");
    }
    stack.get(&path).user(&user).send().await.expect(401);
}
