//! Sandboxes that do not run.

use crate::world::{change, config, disk, history};
use e2e_tests::changes::ended;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub async fn what_is_set_at_rest_is_staged_and_there_after_the_start(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let document = json!({"logging": {"level": "warn"}});
    let staged = change(&stack, &user, "PUT", &document).await.json(200);
    assert_eq!(
        (&staged["state"], &staged["applied"], &staged["version"]),
        (&json!("staged"), &Value::Null, &json!(1)),
        "{staged}"
    );
    let more = change(&stack, &user, "PATCH", &json!({"ui": {"a": 1}})).await.json(200);
    assert_eq!(more["layers"]["user"]["logging"]["level"], "warn");
    assert_eq!(stack.generation(&user).await, 0, "nothing was started for it");
    stack.awake(&user).await;
    let found = disk(&stack, &user).await;
    assert_eq!(
        (&found["logging"]["level"], &found["ui"]["a"]),
        (&json!("warn"), &json!(1))
    );
    let now = config(&stack, &user).await;
    assert_eq!(
        (&now["state"], &now["version"]),
        (&json!("applied"), &json!(2)),
        "{now}"
    );
    assert_eq!(history(&stack, &user).await.len(), 2, "the start made no version");
}

pub async fn what_the_agent_refuses_at_its_start_gives_way_and_is_said(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    change(&stack, &user, "PUT", &json!({"ui": {"good": 1}}))
        .await
        .expect(200);
    stack.awake(&user).await;
    let job = stack.destroy(&user).await;
    ended(&stack.job_ends(&job).await, "succeeded");
    // Nobody can check it now.
    let staged = change(&stack, &user, "PATCH", &json!({"bogus": {}})).await.json(200);
    assert_eq!(staged["state"], "staged");
    stack.awake(&user).await;
    let now = until("it is said", Duration::from_secs(30), async || {
        let now = config(&stack, &user).await;
        now["refused"].is_object().then_some(now)
    })
    .await;
    assert_eq!(
        (&now["refused"]["version"], &now["layers"]["user"]),
        (&staged["version"], &json!({"ui": {"good": 1}})),
        "{now}"
    );
    let why = now["refused"]["error"].as_str().expect("a text");
    assert!(why.contains("bogus"), "{why}");
    assert_eq!(disk(&stack, &user).await["ui"]["good"], 1);
    // The next change is made of what is there.
    let mended = change(&stack, &user, "PATCH", &json!({"ui": {"more": 1}}))
        .await
        .json(200);
    assert_eq!(
        (&mended["refused"], &mended["layers"]["user"]),
        (&Value::Null, &json!({"ui": {"good": 1, "more": 1}}))
    );
}

pub async fn a_fresh_disk_gets_what_was_there_before(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    change(&stack, &user, "PATCH", &json!({"ui": {"a": 1}}))
        .await
        .expect(200);
    let job = stack.destroy(&user).await;
    ended(&stack.job_ends(&job).await, "succeeded");
    let rest = config(&stack, &user).await;
    assert_eq!(
        (&rest["state"], &rest["layers"]["user"]),
        (&json!("stored"), &json!({"ui": {"a": 1}}))
    );
    stack.awake(&user).await;
    assert_eq!(disk(&stack, &user).await["ui"]["a"], 1);
    assert_eq!(history(&stack, &user).await.len(), 1);
}
