//! One change at a time, each once, and all of them written down.

use e2e_tests::changes::ended;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub async fn one_change_at_a_time_unless_it_ends_the_other(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let first = stack.begin_change(&user, "POST", "wake", &json!({})).await;
    let state = stack.state(&user).await;
    assert_eq!(state["change"], first.as_str(), "{state}");
    let refused = stack.post(&user.path("/restart")).admin().json(&json!({})).send().await;
    let problem = refused.problem(409, "change_in_progress");
    assert!(problem.to_string().contains(&first), "{problem}");
    let reset = stack
        .changed(&user, "POST", "emergency-reset", &json!({"discardDisk": true}))
        .await;
    ended(&reset, "succeeded");
    let first = stack.job(&first).await;
    ended(&first, "cancelled");
    let by = reset["jobId"].as_str().expect("an id");
    assert!(
        first["error"].as_str().is_some_and(|error| error.contains(by)),
        "{first}"
    );
    stack.engine.only(&user).await;
}

pub async fn an_id_is_one_change(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let path = user.path("/restart-async");
    let call = |body| stack.post(&path).admin().header("idempotency-key", "once").json(&body);
    let accepted = call(json!({})).send().await.json(202);
    let id = accepted["jobId"].as_str().expect("an id");
    for _ in 0..3 {
        assert_eq!(call(json!({})).send().await.json(202)["jobId"], id);
    }
    ended(&stack.job_ends(id).await, "succeeded");
    let again = call(json!({})).send().await.json(202);
    assert_eq!((&again["jobId"], &again["state"]), (&json!(id), &json!("succeeded")));
    assert_eq!(
        call(json!({"scope": "sandbox", "discardDisk": true}))
            .send()
            .await
            .status,
        422
    );
    assert_eq!(stack.generation(&user).await, 1);
}

pub async fn what_is_cancelled_ends_where_it_stands(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let id = stack.begin_change(&user, "POST", "wake", &json!({})).await;
    let path = e2e_tests::jobs::path(&id);
    stack.call("DELETE", &path).admin().send().await.expect(202);
    ended(&stack.job(&id).await, "cancelled");
    // What was begun goes on, and the next change is not in its way.
    let job = stack.changed(&user, "POST", "wake", &json!({})).await;
    ended(&job, "succeeded");
    assert_eq!(stack.generation(&user).await, 1);
    ended(&stack.job(&id).await, "cancelled");
}

pub async fn a_change_is_listed_and_audited(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let id = stack.begin_change(&user, "POST", "wake", &json!({})).await;
    stack.job_ends(&id).await;
    stack.indexed(&id, &format!("kind=lifecycle&userId={}", user.id)).await;
    let query = format!(
        "SELECT action FROM audit WHERE chain = 'sandbox:{}' AND target = '{id}' ORDER BY seq",
        user.id
    );
    until("the trail has both entries", Duration::from_secs(60), async || {
        let rows = stack.sql(&query).await;
        let actions: Vec<_> = rows.iter().filter_map(|row| row["action"].as_str()).collect();
        (actions == ["sandbox.change_accepted", "sandbox.change_ended"]).then_some(())
    })
    .await;
    let verified = format!("/api/super/audit/verify?chain=sandbox:{}", user.id);
    assert_eq!(stack.get(&verified).admin().send().await.json(200)["verified"], true);
}
