//! A part of a job whose user was removed while it waited.

use e2e_tests::harness::Group;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use libtest_mimic::Trial;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![group.shared(
        "removed::a_part_of_a_removed_user_is_refused_and_starts_nothing",
        a_part_of_a_removed_user_is_refused_and_starts_nothing,
    )]
}

async fn a_part_of_a_removed_user_is_refused_and_starts_nothing(stack: Arc<Stack>) {
    let (first, gone) = (stack.new_user().await, stack.new_user().await);
    stack.awake(&first).await;
    // His part waits until the first one's has ended, and that ends when it is told to.
    let command = "until test -e ~/go; do sleep 0.2; done";
    let body = json!({"command": command, "timeoutMs": 900_000, "concurrency": 1});
    let id = stack.bulk(&[first.clone(), gone.clone()], body).await;
    until("the first part runs", Duration::from_secs(30), async || {
        (stack.children(&id, 100).await[0]["state"] == "running").then_some(())
    })
    .await;
    stack.molt(&["users", "remove", &gone.id, "--yes"]).await.done();
    stack
        .get(&gone.path(""))
        .admin()
        .send()
        .await
        .problem(404, "unknown_user");
    stack.sh(&first, "touch ~/go").await;
    let ended = stack.job_ends(&id).await;
    assert_eq!(ended["state"], "failed", "{ended}");
    let children = stack.children(&id, 100).await;
    assert_eq!(children[0]["state"], "succeeded", "{children:?}");
    assert_eq!(children[1]["state"], "rejected", "{children:?}");
    let error = children[1]["error"].as_str().expect("a text");
    assert!(error.contains(&format!("no user {}", gone.id)), "{error}");
    let left = format!("SELECT * FROM sandbox_states WHERE user_id = '{}'", gone.id);
    assert!(stack.sql(&left).await.is_empty(), "nothing of him came back");
    stack.engine.none(&gone).await;
}
