//! Wake, restart, reset, destroy: each ends when what it promises was seen.

use e2e_tests::changes::ended;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn an_agent_is_restarted_on_its_disk(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "echo kept > ~/kept").await;
    let before = stack.agent_pid(&user).await;
    let job = stack.changed(&user, "POST", "restart-async", &json!({})).await;
    ended(&job, "succeeded");
    let change = &job["change"];
    assert_eq!(
        (&change["change"], &change["generationBefore"], &change["generation"]),
        (&json!("restart"), &json!(1), &json!(1)),
        "{job}"
    );
    // It was over when the new one was ready, so nobody has to wait now.
    stack.get("/echo").user(&user).send().await.expect(200);
    assert_ne!(stack.agent_pid(&user).await, before);
    assert_eq!(stack.sh(&user, "cat ~/kept").await, "kept\n");
}

pub async fn a_restarted_sandbox_keeps_what_could_be_saved(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "touch ~/mark").await;
    let body = json!({"scope": "sandbox", "discardDisk": true});
    let job = stack.changed(&user, "POST", "restart-async", &body).await;
    ended(&job, "succeeded");
    assert_eq!(
        (&job["change"]["generationBefore"], &job["change"]["generation"]),
        (&json!(1), &json!(2)),
        "{job}"
    );
    stack.get("/echo").user(&user).send().await.expect(200);
    // To give it up says what may happen where nothing can be saved; the supervisor saves at its stop all the same.
    assert_eq!(
        stack.sh(&user, "ls ~/mark 2>/dev/null || echo gone").await,
        "/home/agent/mark\n"
    );
    stack.engine.only(&user).await;
}

pub async fn what_is_stopped_is_started_by_a_restart(stack: Arc<Stack>) {
    for body in [json!({}), json!({"scope": "sandbox"})] {
        let user = stack.new_user().await;
        let job = stack.changed(&user, "POST", "restart-async", &body).await;
        ended(&job, "succeeded");
        assert_eq!(
            (&job["change"]["found"], &job["change"]["generation"]),
            (&json!("stopped"), &json!(1)),
            "{job}"
        );
        stack.get("/echo").user(&user).send().await.expect(200);
    }
}

pub async fn a_reset_kills_and_starts_from_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let body = json!({"command": "trap '' TERM; touch ~/mark; sleep 600", "timeoutMs": 900_000});
    let command = stack.submit(&user, &body).await;
    stack.exec_reaches(&command, "running").await;
    let refused = stack
        .post(&user.path("/emergency-reset"))
        .admin()
        .json(&json!({}))
        .send()
        .await;
    refused.problem(409, "would_discard_disk");
    let job = stack
        .changed(&user, "POST", "emergency-reset", &json!({"discardDisk": true}))
        .await;
    ended(&job, "succeeded");
    assert_eq!(job["change"]["generation"], 2, "{job}");
    let lost = stack.outcome(&command).await;
    assert_eq!(
        (&lost["state"], &lost["exitCode"]),
        (&json!("lost"), &Value::Null),
        "{lost}"
    );
    assert_eq!(stack.sh(&user, "ls ~/mark 2>/dev/null || echo gone").await, "gone\n");
    stack.engine.only(&user).await;
}

pub async fn a_destroyed_sandbox_stays_so_until_it_is_needed(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    // Also where it is to be kept alive: somebody wanted it gone.
    let keep = json!({"policy": "always"});
    stack
        .call("PUT", &user.path("/keep-alive"))
        .admin()
        .json(&keep)
        .send()
        .await
        .expect(200);
    stack.awake(&user).await;
    let id = stack.destroy(&user).await;
    let job = stack.job_ends(&id).await;
    ended(&job, "succeeded");
    assert!(stack.engine.running(&user).await.is_empty());
    // The alarm looks at it again for each of these; none of them needs the sandbox.
    for _ in 0..20 {
        stack
            .call("PUT", &user.path("/keep-alive"))
            .admin()
            .json(&keep)
            .send()
            .await
            .expect(200);
        let state = stack.state(&user).await;
        assert_eq!(
            (&state["lifecycle"], &state["generation"]),
            (&json!("stopped"), &json!(1)),
            "{state}"
        );
    }
    assert!(stack.engine.running(&user).await.is_empty());
    stack.awake(&user).await;
    assert_eq!(stack.generation(&user).await, 2);
}

pub async fn a_wake_is_over_when_the_agent_is_ready(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for found in ["stopped", "running"] {
        let job = stack.changed(&user, "POST", "wake", &json!({})).await;
        ended(&job, "succeeded");
        assert_eq!(
            (&job["change"]["found"], &job["change"]["generation"]),
            (&json!(found), &json!(1)),
            "{job}"
        );
        stack.get("/echo").user(&user).send().await.expect(200);
    }
}

/// Whoever asks meanwhile waits, and is answered by what is there afterwards.
pub async fn requests_that_come_meanwhile_are_answered(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    for (verb, body) in [
        ("restart-async", json!({})),
        ("restart-async", json!({"scope": "sandbox", "discardDisk": true})),
        ("emergency-reset", json!({"discardDisk": true})),
    ] {
        let id = stack.begin_change(&user, "POST", verb, &body).await;
        let ends = stack.job_ends(&id);
        tokio::pin!(ends);
        let job = loop {
            tokio::select! {
                job = &mut ends => break job,
                reply = stack.get("/echo").user(&user).send() => drop(reply.expect(200)),
            }
        };
        ended(&job, "succeeded");
        stack.get("/echo").user(&user).send().await.expect(200);
    }
    assert_eq!(stack.generation(&user).await, 3);
}
