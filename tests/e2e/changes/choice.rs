//! Tier, image and keep-alive.

use e2e_tests::changes::ended;
use e2e_tests::processes::variable;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn tier_of_container(stack: &Stack, user: &e2e_tests::people::User) -> Option<String> {
    variable(stack.engine.only(user).await, "MOLT_TIER")
}

pub async fn a_tier_takes_effect_and_reaches_the_users_row(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack
        .call("PUT", &user.path("/tier"))
        .admin()
        .json(&json!({"tier": 7}))
        .send()
        .await
        .problem(400, "invalid_request");
    // Without a disk there is nothing to give up and nothing to start.
    let job = stack.changed(&user, "PUT", "tier", &json!({"tier": 2})).await;
    ended(&job, "succeeded");
    assert_eq!(stack.generation(&user).await, 0);
    stack.awake(&user).await;
    assert_eq!(tier_of_container(&stack, &user).await.as_deref(), Some("2"));

    let body = json!({"tier": 3});
    let job = stack.changed(&user, "PUT", "tier", &body).await;
    ended(&job, "succeeded");
    assert_eq!(job["change"]["generation"], 2, "{job}");
    assert_eq!(tier_of_container(&stack, &user).await.as_deref(), Some("3"));
    let query = format!("SELECT tier FROM users WHERE id = '{}'", user.id);
    until("the row follows", Duration::from_secs(30), async || {
        (stack.sql(&query).await == [json!({"tier": 3})]).then_some(())
    })
    .await;
}

pub async fn an_image_is_chosen_and_gone_back_from(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let set = |body: Value| stack.call("PUT", &user.path("/image")).admin().json(&body).send();
    set(json!({"name": "absent"})).await.names_field("image");
    set(json!({"rollback": true})).await.names_field("image");
    stack.awake(&user).await;
    let body = json!({"channel": "canary"});
    let job = stack.changed(&user, "PUT", "image", &body).await;
    ended(&job, "succeeded");
    let image = async || stack.get(&user.path("/image")).admin().send().await.json(200);
    let now = image().await;
    assert_eq!(
        (&now["image"], &now["generation"]),
        (&json!("canary"), &json!(2)),
        "{now}"
    );
    let body = json!({"rollback": true});
    let job = stack.changed(&user, "PUT", "image", &body).await;
    ended(&job, "succeeded");
    let now = image().await;
    assert_eq!(
        (&now["image"], &now["generation"]),
        (&json!("stable"), &json!(3)),
        "{now}"
    );
    // A pin of what runs needs no other start.
    let job = stack
        .changed(&user, "PUT", "image", &json!({"channel": "stable", "pin": true}))
        .await;
    ended(&job, "succeeded");
    let now = image().await;
    assert_eq!(
        (&now["generation"], &now["nextImage"]["name"]),
        (&json!(3), &json!("stable")),
        "{now}"
    );
    assert!(
        now["nextImage"]["pinned"]
            .as_str()
            .is_some_and(|reference| !reference.is_empty()),
        "{now}"
    );
}

pub async fn nothing_is_done_where_nothing_is_to_be_done(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    for (route, body) in [("tier", json!({"tier": 1})), ("image", json!({"channel": "stable"}))] {
        let accepted = stack.ask(&user, "PUT", route, &body).await.json(202);
        assert_eq!(accepted["state"], "succeeded", "{accepted}");
    }
    assert_eq!(stack.generation(&user).await, 1);
}

pub async fn keeping_alive_starts_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let body = json!({"policy": "idle", "seconds": 3600});
    let put = stack.call("PUT", &user.path("/keep-alive")).admin().json(&body);
    put.send().await.expect(200);
    let state = stack.get(&user.path("/keep-alive")).admin().send().await.json(200);
    assert_eq!(
        state["keepAlive"],
        json!({"policy": "idle", "seconds": 3600}),
        "{state}"
    );
    assert_eq!((stack.generation(&user).await, &state["sleepsAt"]), (0, &Value::Null));
    stack.awake(&user).await;
    let state = stack.get(&user.path("/keep-alive")).admin().send().await.json(200);
    assert!(state["sleepsAt"].is_string(), "{state}");
}
