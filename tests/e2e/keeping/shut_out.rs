//! A user who is suspended while his sandbox runs, or while it is being started again.

use e2e_tests::changes::ended;
use e2e_tests::people::{self, User};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// From the suspension until nothing runs any more, on a busy machine.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
/// From now until the agent has something to do by itself: after it was stopped, and long enough that it is not left running for that.
const PLANNED_S: u64 = 45;

async fn set(stack: &Stack, user: &User, verb: &str) {
    let call = stack.post(&user.path(verb)).admin().json(&json!({"reason": "a test"}));
    call.send().await.expect(200);
}

pub async fn the_sandbox_of_a_suspended_user_is_saved_and_stopped_and_comes_back_with_him(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let sum = stack
        .sh(&user, "head -c 300000 /dev/urandom > kept.bin; sha256sum < kept.bin")
        .await;
    let at = people::now() + PLANNED_S;
    let plan = json!({"at": at * 1_000});
    stack.post("/schedule").user(&user).json(&plan).send().await.expect(200);
    let mut socket = stack.socket(&user).await;
    socket.echoes("used").await;
    set(&stack, &user, "/suspend").await;
    assert_eq!(socket.closed().await.0, 4403);
    let stopped = stack.lifecycle(&user, "stopped", STOPPED_WITHIN).await;
    stack.engine.none(&user).await;
    assert!(stopped["disk"]["head"].is_string(), "{stopped}");
    assert_eq!(
        (&stopped["disk"]["loss"], &stopped["wakesAt"]),
        (&Value::Null, &Value::Null),
        "{stopped}"
    );
    until(
        "its own plan has passed",
        Duration::from_secs(PLANNED_S + 30),
        async || {
            assert!(stack.engine.running(&user).await.is_empty(), "it came back by itself");
            (people::now() > at + 2).then_some(())
        },
    )
    .await;
    set(&stack, &user, "/reinstate").await;
    until("he is let in again", Duration::from_secs(30), async || {
        let status = stack.get("/echo").user(&user).send().await.status;
        (status == 200).then_some(())
    })
    .await;
    assert_eq!(stack.sh(&user, "sha256sum < kept.bin").await, sum);
    assert_eq!(stack.generation(&user).await, 2);
}

pub async fn a_restart_under_way_starts_no_sandbox_of_a_suspended_user(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let command = || {
        let call = stack.post(&user.path("/exec")).admin();
        // So much that he is suspended before it is saved.
        call.header("idempotency-key", "fill")
            .json(&json!({"command": "head -c 200000000 /dev/urandom > big.bin", "timeoutMs": 60_000}))
    };
    let filled = command().send().await.json(202);
    assert_eq!(stack.outcome(&filled).await["state"], "succeeded");
    let keep = json!({"policy": "always"});
    stack.ask(&user, "PUT", "keep-alive", &keep).await.expect(200);
    let restart = json!({"scope": "sandbox"});
    let job = stack.begin_change(&user, "POST", "restart", &restart).await;
    set(&stack, &user, "/suspend").await;
    let job = stack.job_ends(&job).await;
    ended(&job, "failed");
    let why = job["error"].as_str().unwrap_or_default();
    assert!(why.starts_with("user_suspended"), "{job}");
    let stopped = stack.lifecycle(&user, "stopped", STOPPED_WITHIN).await;
    assert_eq!(
        (&stopped["generation"], &stopped["wakesAt"]),
        (&json!(1), &Value::Null),
        "{stopped}"
    );
    stack.engine.none(&user).await;
    // Commands do not start it either; one that was accepted before is the same one still.
    let refused = stack.ask(&user, "POST", "exec", &json!({"command": "true"})).await;
    refused.problem(403, "user_suspended");
    assert_eq!(command().send().await.json(202)["execId"], filled["execId"]);
    assert_eq!(stack.generation(&user).await, 1);
    set(&stack, &user, "/reinstate").await;
    until("he is let in again", STOPPED_WITHIN, async || {
        let status = stack.get("/echo").user(&user).send().await.status;
        (status == 200).then_some(())
    })
    .await;
    assert_eq!(stack.sh(&user, "wc -c < big.bin").await.trim(), "200000000");
    assert_eq!(stack.generation(&user).await, 2);
}
