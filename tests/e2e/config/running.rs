//! Sandboxes that run.

use crate::world::{EMPTY, change, change_if, config, disk, history};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub async fn a_running_agent_takes_a_change_at_once(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let before = config(&stack, &user).await;
    assert_eq!(
        (
            &before["state"],
            &before["hash"],
            &before["version"],
            &before["layers"]["user"]
        ),
        (&json!("applied"), &json!(EMPTY), &Value::Null, &json!({})),
        "{before}"
    );
    assert_eq!(
        before["layers"]["platform"]["gateway"]["auth"]["trustedProxy"]["allowUsers"],
        json!([user.id])
    );
    let patch = json!({"logging": {"level": "debug"}});
    let after = change(&stack, &user, "PATCH", &patch).await.json(200);
    assert_eq!(
        (
            &after["applied"],
            &after["state"],
            &after["version"],
            &after["layers"]["user"],
            &after["success"]
        ),
        (&json!("hot"), &json!("applied"), &json!(1), &patch, &json!(true)),
        "{after}"
    );
    assert_eq!(after["effective"]["update"]["checkOnStart"], false);
    let found = disk(&stack, &user).await;
    assert_eq!(found["logging"]["level"], "debug");
    assert!(
        found["meta"]["lastTouchedAt"].is_u64(),
        "by the agent's own protocol: {found}"
    );
    assert_eq!(found["gateway"]["auth"]["mode"], "trusted-proxy");
    // The whole document; what is not in it goes.
    let put = change(&stack, &user, "PUT", &json!({"gateway": {"reload": {"mode": "hot"}}})).await;
    assert_eq!(put.json(200)["applied"], "restarting");
    assert_eq!(disk(&stack, &user).await["logging"], Value::Null);
    let same = change(&stack, &user, "PATCH", &json!({"logging": null}))
        .await
        .json(200);
    assert_eq!((&same["applied"], &same["version"]), (&json!("unchanged"), &json!(2)));
    let path = user.path("/config/reload");
    let reload = stack.post(&path).admin().send().await.json(200);
    assert_eq!(reload["state"], "applied", "{reload}");
    let state = stack.get(&user.path("/state?probe=1")).admin().send().await.json(200);
    assert_eq!(
        (&state["generation"], &state["probe"]["agentRestarts"]),
        (&json!(1), &json!(0)),
        "nothing was started again"
    );
}

pub async fn what_does_not_fit_is_named_and_changes_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for running in [false, true] {
        if running {
            stack.awake(&user).await;
        }
        change(&stack, &user, "PUT", &json!({"ui": {"running": running}}))
            .await
            .expect(200);
        let before = config(&stack, &user).await;
        let locked = json!({"gateway": {"auth": {"mode": "none"}}});
        let secret = json!({"channels": {"telegram": {"botToken": "12345:abcdefghijklmnopqrst"}}});
        for method in ["PUT", "PATCH"] {
            let refused = change(&stack, &user, method, &locked).await;
            assert_eq!(
                refused.problem(400, "config_locked")["field"],
                "gateway.auth.mode",
                "{method}"
            );
            let refused = change(&stack, &user, method, &secret).await;
            assert_eq!(
                refused.problem(400, "config_has_secret")["field"],
                "channels.telegram.botToken"
            );
            let refused = change(&stack, &user, method, &json!([1])).await;
            refused.names_field("body");
            let moved = change_if(&stack, &user, method, EMPTY, &json!({"ui": {}})).await;
            moved.problem(412, "config_moved");
            let kept = json!({"channels": {"x": {"botToken": "__MOLT_KEPT__"}}});
            let missing = change(&stack, &user, method, &kept).await;
            missing.problem(409, "config_secret_missing");
        }
        if running {
            let refused = change(&stack, &user, "PATCH", &json!({"bogus": {}})).await;
            let problem = refused.problem(422, "config_invalid");
            let detail = problem["detail"].as_str().expect("a text");
            assert!(detail.contains("Unrecognized key: \"bogus\""), "{detail}");
            assert_eq!(disk(&stack, &user).await["ui"], json!({"running": true}));
        }
        let after = config(&stack, &user).await;
        assert_eq!(
            (&after["hash"], &after["version"]),
            (&before["hash"], &before["version"])
        );
        let hash = after["hash"].as_str().expect("a hash");
        let done = change_if(&stack, &user, "PATCH", hash, &json!({"ui": {"b": 1}})).await;
        done.expect(200);
    }
    let nobody = format!("/api/super/users/{}/config", uuid::Uuid::new_v4());
    stack.get(&nobody).admin().send().await.problem(404, "unknown_user");
    let bad = stack.call("PATCH", &user.path("/config")).admin();
    let bad = bad.header("if-match", "\"3\"").json(&json!({})).send().await;
    bad.names_field("If-Match");
}

pub async fn patches_at_the_same_time_lose_nothing(stack: Arc<Stack>) {
    for running in [true, false] {
        let user = stack.new_user().await;
        if running {
            stack.awake(&user).await;
        }
        let names: Vec<String> = (0..10).map(|number| format!("key-{number}")).collect();
        let all = names.iter().map(|name| {
            let (stack, user) = (Arc::clone(&stack), &user);
            async move {
                change(&stack, user, "PATCH", &json!({"ui": {name.as_str(): 1}}))
                    .await
                    .expect(200);
            }
        });
        join_all(all).await;
        let found = config(&stack, &user).await;
        assert!(
            names.iter().all(|name| found["layers"]["user"]["ui"][name] == 1),
            "{found}"
        );
        let versions = history(&stack, &user).await;
        assert_eq!(versions.len(), names.len(), "one version each: {versions:?}");
        assert!(
            versions.iter().all(|version| version["source"] == "api"),
            "{versions:?}"
        );
    }
}

pub async fn what_the_user_changes_himself_is_a_version_of_its_own(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    change(&stack, &user, "PATCH", &json!({"ui": {"ours": 1}}))
        .await
        .expect(200);
    let script = r#"cd .openclaw && sed 's/"ours":1/"ours":1,"theirs":2/; s/"meta"/"channels":{"x":{"botToken":"12345:abcdefghijklmnopqrst"}},"meta"/' openclaw.json > t && mv t openclaw.json"#;
    stack.sh(&user, script).await;
    let versions = until("it is seen", Duration::from_secs(60), async || {
        let versions = history(&stack, &user).await;
        (versions.len() == 2).then_some(versions)
    })
    .await;
    assert_eq!(
        (&versions[0]["source"], &versions[0]["author"]),
        (&json!("agent"), &json!("agent"))
    );
    let now = config(&stack, &user).await;
    assert_eq!(now["layers"]["user"]["ui"], json!({"ours": 1, "theirs": 2}));
    assert_eq!(now["layers"]["user"]["channels"]["x"]["botToken"], "__MOLT_KEPT__");
    // What is shown may be put back, and the secret is not touched by it.
    let mut document = now["layers"]["user"].clone();
    document["ui"]["more"] = 3.into();
    change(&stack, &user, "PUT", &document).await.expect(200);
    let found = disk(&stack, &user).await;
    assert_eq!(found["channels"]["x"]["botToken"], "12345:abcdefghijklmnopqrst");
    assert_eq!(found["ui"], json!({"ours": 1, "theirs": 2, "more": 3}));
}
