//! Changes that something goes wrong under: their end is the truth.

use crate::FAULTS;
use e2e_tests::changes::ended;
use e2e_tests::launch::Launch;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub async fn a_killed_supervisor_does_not_stop_the_restart_of_its_agent(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "echo kept > ~/kept").await;
    let before = stack.agent_pid(&user).await;
    let serve = stack.supervisor(&user).await;
    // It holds still, so that it is certainly killed before the agent was restarted.
    Launch::signal(serve.pid, Signal::SIGSTOP);
    let id = stack.begin_change(&user, "POST", "restart-async", &json!({})).await;
    until("it is under way", Duration::from_secs(10), async || {
        (stack.job(&id).await["state"] == "running").then_some(())
    })
    .await;
    Launch::signal(serve.pid, Signal::SIGKILL);
    ended(&stack.job_ends(&id).await, "succeeded");
    assert_ne!(stack.agent_pid(&user).await, before);
    assert_eq!(stack.sh(&user, "cat ~/kept").await, "kept\n");
    assert_eq!(stack.generation(&user).await, 1);
}

pub async fn a_container_that_dies_under_a_restart_is_told(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let serve = stack.supervisor(&user).await;
    Launch::signal(serve.pid, Signal::SIGSTOP);
    let id = stack.begin_change(&user, "POST", "restart-async", &json!({})).await;
    until("it is under way", Duration::from_secs(10), async || {
        (stack.job(&id).await["state"] == "running").then_some(())
    })
    .await;
    Launch::signal(stack.engine.only(&user).await, Signal::SIGKILL);
    let job = stack.job_ends(&id).await;
    // Either it was asked for before, and that disk is gone with its agent, or it was started instead.
    if job["state"] == "succeeded" {
        assert_eq!(job["change"]["generation"], 2, "{job}");
    } else {
        ended(&job, "failed");
        assert_eq!(job["change"]["generation"], 1, "{job}");
    }
    stack.awake(&user).await;
    assert_eq!(stack.generation(&user).await, 2);
}

pub async fn a_sandbox_that_dies_while_it_restarts_is_started_all_the_same(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let body = json!({"scope": "sandbox", "discardDisk": true});
    let old = stack.engine.only(&user).await;
    let id = stack.begin_change(&user, "POST", "restart-async", &body).await;
    Launch::signal(old, Signal::SIGKILL);
    let job = stack.job_ends(&id).await;
    ended(&job, "succeeded");
    assert_eq!(job["change"]["generation"], 2, "{job}");
    stack.engine.only(&user).await;
}

pub async fn an_end_that_is_not_seen_in_time_is_told_as_that(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let serve = stack.supervisor(&user).await;
    Launch::signal(serve.pid, Signal::SIGSTOP);
    let job = stack
        .changed(&user, "POST", "restart-async", &json!({"timeoutMs": 1_500}))
        .await;
    Launch::signal(serve.pid, Signal::SIGCONT);
    ended(&job, "timed_out");
    stack.awake(&user).await;
    let again = stack.changed(&user, "POST", "restart-async", &json!({})).await;
    ended(&again, "succeeded");
}

pub async fn an_object_that_forgets_everything_goes_on(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let changes = [
        ("need", "wake", json!({})),
        ("restart-agent", "restart-async", json!({})),
        (
            "stop",
            "restart-async",
            json!({"scope": "sandbox", "discardDisk": true}),
        ),
        ("kill", "emergency-reset", json!({"discardDisk": true})),
        (
            "wait",
            "restart-async",
            json!({"scope": "sandbox", "discardDisk": true}),
        ),
    ];
    for (step, route, body) in changes {
        // Other sandboxes of this stack are left in peace.
        let fault = format!("change-evicted-{step}-{}", user.sandbox());
        FAULTS.set(&[&fault]);
        let id = stack.begin_change(&user, "POST", route, &body).await;
        until("the object was evicted", Duration::from_secs(20), async || {
            (FAULTS.had(&fault) > 0).then_some(())
        })
        .await;
        FAULTS.set(&[]);
        let job = stack.job_ends(&id).await;
        ended(&job, "succeeded");
        stack.engine.only(&user).await;
    }
    assert_eq!(stack.generation(&user).await, 4);
}
