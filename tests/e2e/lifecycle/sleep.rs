//! A sandbox that nobody uses sleeps, and whatever needs it wakes it.

use crate::IDLE_SECONDS;
use e2e_tests::people::{self, User};
use e2e_tests::stack::Stack;
use e2e_tests::wait::repeatedly;
use molt_common::time::Millis;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// From the last use until it is asleep, on a busy machine.
pub const ASLEEP_LIMIT: Duration = Duration::from_secs(IDLE_SECONDS + 20);

/// A user whose sandbox has gone to sleep.
async fn sleeper(stack: &Stack) -> User {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.lifecycle(&user, "sleeping", ASLEEP_LIMIT).await;
    stack.engine.none(&user).await;
    user
}

pub async fn a_sleeping_sandbox_wakes_by_a_request(stack: Arc<Stack>) {
    let user = sleeper(&stack).await;
    stack.get("/echo").user(&user).send().await.expect(200);
    assert_eq!(stack.generation(&user).await, 2);
    stack.engine.only(&user).await;
}

pub async fn a_sleeping_sandbox_wakes_by_a_command(stack: Arc<Stack>) {
    let user = sleeper(&stack).await;
    assert_eq!(stack.sh(&user, "echo awake").await, "awake\n");
    assert_eq!(stack.generation(&user).await, 2);
    // And sleeps again.
    stack.lifecycle(&user, "sleeping", ASLEEP_LIMIT).await;
}

/// Nobody asks for it: what the agent has planned is enough.
pub async fn a_sleeping_sandbox_wakes_by_the_agents_own_schedule(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // One that has something to do within a minute does not go to sleep for that.
    let at = people::now() + IDLE_SECONDS + 75;
    let plan = json!({"at": at * 1_000});
    stack.post("/schedule").user(&user).json(&plan).send().await.expect(200);
    let asleep = stack.lifecycle(&user, "sleeping", ASLEEP_LIMIT).await;
    assert_eq!(asleep["wakesAt"], json!(Millis(at * 1_000).iso()), "{asleep}");
    let awake = stack.lifecycle(&user, "running", Duration::from_secs(75 + 30)).await;
    assert_eq!(awake["generation"], json!(2), "{awake}");
    assert!(people::now() >= at, "{awake}");
}

pub async fn an_open_tab_does_not_keep_it_awake(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let mut socket = stack.socket(&user).await;
    socket.echoes("used").await;
    let state = stack.lifecycle(&user, "sleeping", ASLEEP_LIMIT).await;
    assert_eq!(state["generation"], json!(1), "{state}");
    socket.ends(Duration::from_secs(10)).await;
}

pub async fn it_does_not_sleep_while_a_command_runs(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let seconds = 2 * IDLE_SECONDS;
    let command = stack
        .submit(
            &user,
            &json!({"command": format!("sleep {seconds}; echo done"), "timeoutMs": 120_000}),
        )
        .await;
    let status = stack.outcome(&command).await;
    assert_eq!(
        (&status["state"], &status["generation"]),
        (&json!("succeeded"), &json!(1)),
        "{status}"
    );
    stack.lifecycle(&user, "sleeping", ASLEEP_LIMIT).await;
}

/// Requests that come at intervals close to the time of sleep, so that some meet it on its way down.
pub async fn no_request_is_lost_when_it_goes_to_sleep(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    for round in 0..4_u64 {
        // The pause is what is tried out: from a little before until a little after its time.
        let pause = Duration::from_millis(IDLE_SECONDS * 1000 - 300 + round * 200);
        repeatedly(1, pause, async |_| {
            stack.get("/echo").user(&user).send().await.expect(200);
        })
        .await;
        stack.get("/echo").user(&user).send().await.expect(200);
    }
}
