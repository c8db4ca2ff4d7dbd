//! The object that drives commands is dropped from memory in whatever it does: what it was told to do is done, once, and told as it was.

use e2e_tests::stack::Stack;
use e2e_tests::truth::{self, Act, Case};
use serde_json::json;
use std::sync::Arc;

pub async fn a_command_outlives_the_memory_of_its_store(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let case = truth::evicted();
    let told = stack.try_case(&user, &case).await;
    assert!(told.untruths.is_empty(), "{:#?}", told.untruths);
    // Stopped while nobody remembers it.
    let case = Case::new(
        "cancelled by an evicted store",
        "sleep 600",
        Act::Cancel,
        &["cancelled"],
    )
    .by(15);
    let (told, ()) = tokio::join!(stack.try_case(&user, &case), async {
        for _ in 0..5 {
            stack.evict_store(&user).await;
        }
    });
    assert!(told.untruths.is_empty(), "{:#?}", told.untruths);
    assert_eq!(stack.generation(&user).await, 1);
}

pub async fn a_command_that_wakes_its_sandbox_is_not_forgotten_nor_run_twice(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let accepted = stack
        .submit(&user, &json!({"command": "echo ran >> ~/runs; cat ~/runs"}))
        .await;
    while stack.exec_status(&accepted).await["completedAt"].is_null() {
        stack.evict_store(&user).await;
    }
    let status = stack.exec_status(&accepted).await;
    assert_eq!(
        (&status["state"], &status["stdout"]),
        (&json!("succeeded"), &json!("ran\n")),
        "{status}"
    );
    // Nothing of the requests that dropped it was carried out.
    assert_eq!(stack.sh(&user, "cat ~/runs").await, "ran\n");
}
