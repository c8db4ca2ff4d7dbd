//! Waking.

use e2e_tests::stack::Stack;
use serde_json::json;
use std::sync::Arc;

pub async fn a_sandbox_is_woken_and_waited_for(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let woken = stack.ask(&user, "POST", "wake?wait=25", &json!({})).await.json(200);
    assert_eq!(
        (&woken["action"], &woken["previousState"], &woken["currentState"]),
        (&json!("started"), &json!("stopped"), &json!("active")),
        "{woken}"
    );
    assert!(woken["waitedMs"].as_u64() > Some(0), "{woken}");
    let again = stack.post(&user.path("/wake?wait=5")).admin().send().await.json(200);
    assert_eq!(
        (&again["action"], &again["previousState"]),
        (&json!("none"), &json!("active")),
        "{again}"
    );
    assert_eq!(stack.generation(&user).await, 1);
    let job = stack.changed(&user, "POST", "wake", &json!({})).await;
    assert_eq!(
        (&job["state"], &job["title"], &job["kind"], &job["change"]["found"]),
        (
            &json!("succeeded"),
            &json!("wake"),
            &json!("lifecycle"),
            &json!("running")
        ),
        "{job}"
    );
    stack
        .indexed(
            job["jobId"].as_str().expect("an id"),
            &format!("kind=lifecycle&user={}", user.id),
        )
        .await;
}

pub async fn an_unknown_user_and_a_suspended_one_are_not_woken(stack: Arc<Stack>) {
    let nobody = uuid::Uuid::new_v4();
    for (method, verb, body) in [
        ("POST", "wake", json!({})),
        ("POST", "restart", json!({})),
        ("POST", "restart-async", json!({})),
        ("POST", "emergency-reset", json!({})),
        ("POST", "destroy", json!({"discardDisk": true})),
        ("PUT", "tier", json!({"tier": 2})),
        ("PUT", "image", json!({"channel": "canary"})),
        ("PUT", "keep-alive", json!({"policy": "always"})),
    ] {
        let call = stack.call(method, &format!("/api/super/users/{nobody}/{verb}")).admin();
        call.json(&body).send().await.problem(404, "unknown_user");
    }
    let user = stack.new_user().await;
    let reason = json!({"reason": "a test"});
    stack.ask(&user, "POST", "suspend", &reason).await.expect(200);
    for (method, verb, body) in [
        ("POST", "wake", json!({})),
        ("POST", "wake?wait=5", json!({})),
        ("POST", "restart", json!({})),
        ("POST", "restart-async", json!({})),
        ("POST", "emergency-reset", json!({})),
        ("PUT", "keep-alive", json!({"policy": "always"})),
    ] {
        stack
            .ask(&user, method, verb, &body)
            .await
            .problem(403, "user_suspended");
    }
    assert_eq!(stack.generation(&user).await, 0);
    // What starts nothing is allowed.
    stack.changed(&user, "PUT", "tier", &json!({"tier": 2})).await;
    stack.ask(&user, "POST", "reinstate", &reason).await.expect(200);
}
