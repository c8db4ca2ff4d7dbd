//! Providers and the model in the layers of the configuration.

use crate::world::{config, disk, restart, set, value};
use e2e_tests::changes::ended;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;

const TOKEN: &str = "${MOLT_PROVIDER_TOKEN}";
const PRIMARY: &str = "/agents/defaults/model/primary";

fn ids(providers: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> = providers
        .as_object()
        .into_iter()
        .flatten()
        .map(|(id, _)| id.as_str())
        .collect();
    ids.sort_unstable();
    ids
}

async fn patch(stack: &Stack, user: &User, patch: Value) -> e2e_tests::reply::Reply {
    stack
        .call("PATCH", &user.path("/config"))
        .admin()
        .json(&patch)
        .send()
        .await
}

pub async fn what_has_a_key_is_offered_and_locked(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let rests = config(&stack, &user).await;
    stack.awake(&user).await;
    let runs = config(&stack, &user).await;
    assert_eq!(
        rests["layers"]["platform"], runs["layers"]["platform"],
        "the edge knows what a start will have"
    );
    let found = disk(&stack, &user).await;
    assert_eq!(found["models"], runs["layers"]["platform"]["models"]);
    assert_eq!(found.pointer(PRIMARY), runs["layers"]["defaults"].pointer(PRIMARY));
    assert_eq!(runs["effective"].pointer(PRIMARY), found.pointer(PRIMARY));
    assert_eq!(runs["layers"]["user"], json!({}), "nothing of it is the user's");
    let providers = &found["models"]["providers"];
    assert_eq!(
        ids(providers),
        ["anthropic", "openai", "silent"],
        "one without a key is not offered"
    );
    for id in ids(providers) {
        let base = providers[id]["baseUrl"].as_str().expect("a text");
        assert!(
            base.starts_with(&format!("http://providers.molt.internal/_molt/providers/{id}")),
            "{base}"
        );
        assert_eq!(providers[id]["apiKey"], TOKEN);
    }
    assert_eq!(
        (&providers["openai"]["api"], &providers["anthropic"]["api"]),
        (&json!("openai-completions"), &json!("anthropic-messages"))
    );
    let reply = patch(
        &stack,
        &user,
        json!({"models": {"providers": {"openai": {"baseUrl": "https://mine.example"}}}}),
    )
    .await;
    assert_eq!(reply.problem(400, "config_locked")["field"], "models.providers.openai");
    let mine = json!({"models": {"providers": {"mine": {"baseUrl": "https://mine.example/v1", "apiKey": "${MINE}", "models": []}}}});
    patch(&stack, &user, mine.clone()).await.expect(200);
    restart(&stack, &user).await;
    assert_eq!(config(&stack, &user).await["layers"]["user"], mine);
    assert_eq!(
        ids(&disk(&stack, &user).await["models"]["providers"]),
        ["anthropic", "mine", "openai", "silent"]
    );
}

pub async fn a_key_of_the_users_own_offers_a_provider(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    set(&stack, &user, "KEYLESS_API_KEY", &value()).await;
    assert!(
        disk(&stack, &user).await["models"]["providers"]
            .get("keyless")
            .is_none()
    );
    restart(&stack, &user).await;
    assert_eq!(
        disk(&stack, &user).await["models"]["providers"]["keyless"]["apiKey"],
        TOKEN
    );
    let path = user.path("/secrets/KEYLESS_API_KEY");
    stack.call("DELETE", &path).admin().send().await.expect(200);
    restart(&stack, &user).await;
    assert!(
        disk(&stack, &user).await["models"]["providers"]
            .get("keyless")
            .is_none(),
        "what is no longer offered leaves"
    );
    assert_eq!(config(&stack, &user).await["layers"]["user"], json!({}));
}

pub async fn a_model_that_was_chosen_stays_chosen_over_restart_and_destroy(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let before = disk(&stack, &user).await;
    let default = before
        .pointer(PRIMARY)
        .and_then(Value::as_str)
        .expect("a default")
        .to_owned();
    // His own doing: another model, in his agent's file.
    let edit = format!(
        "sed -i 's|{default}|mine/other|' .openclaw/openclaw.json && grep -c mine/other .openclaw/openclaw.json"
    );
    assert_eq!(stack.sh(&user, &edit).await.trim(), "1");
    let chosen = json!({"agents": {"defaults": {"model": {"primary": "mine/other"}}}});
    restart(&stack, &user).await;
    assert_eq!(config(&stack, &user).await["layers"]["user"], chosen);
    ended(&stack.job_ends(&stack.destroy(&user).await).await, "succeeded");
    stack.awake(&user).await;
    assert_eq!(disk(&stack, &user).await.pointer(PRIMARY), Some(&json!("mine/other")));
    assert_eq!(config(&stack, &user).await["layers"]["user"], chosen);
    // Given back, the default counts at once.
    patch(&stack, &user, json!({"agents": null})).await.expect(200);
    assert_eq!(disk(&stack, &user).await.pointer(PRIMARY), Some(&json!(default)));
    assert_eq!(config(&stack, &user).await["layers"]["user"], json!({}));
}
