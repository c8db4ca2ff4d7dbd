//! Sandboxes that end otherwise than asked.

use e2e_tests::launch::Launch;
use e2e_tests::stack::Stack;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub async fn a_container_killed_behind_our_back_is_noticed(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let mut socket = stack.socket(&user).await;
    let command = stack
        .submit(&user, &json!({"command": "sleep 600", "timeoutMs": 900_000}))
        .await;
    stack.exec_reaches(&command, "running").await;

    Launch::signal(stack.engine.only(&user).await, Signal::SIGKILL);
    socket.ends(Duration::from_secs(30)).await;
    // Nobody asks for the sandbox, so it stays down.
    let state = stack.lifecycle(&user, "stopped", Duration::from_secs(45)).await;
    assert_eq!(
        (&state["state"], &state["generation"]),
        (&json!("stopped"), &json!(1)),
        "{state}"
    );
    assert!(state["error"].as_str().is_some_and(|text| !text.is_empty()), "{state}");
    let status = stack.outcome(&command).await;
    assert_eq!(
        (&status["state"], &status["status"]),
        (&json!("lost"), &json!("error")),
        "{status}"
    );
    assert_eq!(
        (&status["exitCode"], &status["generation"]),
        (&Value::Null, &json!(1)),
        "{status}"
    );

    stack.awake(&user).await;
    assert_eq!(stack.generation(&user).await, 2);
    stack.engine.only(&user).await;
}

pub async fn a_crashed_agent_comes_back_in_the_same_generation(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "echo kept > ~/kept").await;
    let reply = stack.post("/crash?code=3").user(&user).body("").send().await;
    assert!(
        (500..=504).contains(&reply.status),
        "the answer broke off: {}",
        reply.status
    );
    stack.awake(&user).await;
    assert_eq!(stack.generation(&user).await, 1);
    assert_eq!(stack.sh(&user, "cat ~/kept").await, "kept\n");
}
