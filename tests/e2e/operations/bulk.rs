//! Restarts of many.

use e2e_tests::stack::{Stack, state_dir};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const BULK: &str = "/api/super/bulk/restart";
/// The drill `bulk-restart` takes fifty.
const USERS: usize = 8;

pub async fn the_running_ones_are_restarted_and_each_is_reported(stack: Arc<Stack>) {
    let up = stack.many_awake(2).await;
    let down = stack.new_user().await;
    let ids = [&up[0], &up[1], &down].map(|user| user.id.clone());
    let body = json!({"users": ids, "delayMs": 1_000, "concurrency": 3});
    let accepted = stack.post(BULK).admin().json(&body).send().await.json(202);
    assert_eq!(
        (&accepted["total"], &accepted["delayMs"], &accepted["success"]),
        (&json!(3), &json!(1_000), &json!(true)),
        "{accepted}"
    );
    let id = accepted["jobId"].as_str().expect("an id").to_owned();
    let ended = stack.job_ends(&id).await;
    assert_eq!(
        (&ended["state"], &ended["title"], &ended["kind"]),
        (&json!("succeeded"), &json!("restart agent"), &json!("bulk-restart")),
        "{ended}"
    );
    let children = stack.children(&id, 2).await;
    let mut begun = Vec::new();
    for (child, user) in children.iter().zip(&ids) {
        assert_eq!(
            (&child["userId"], &child["execId"]),
            (&json!(user), &Value::Null),
            "{child}"
        );
        let job = stack.job(child["jobId"].as_str().expect("a job")).await;
        assert_eq!(
            (&job["parent"], &job["state"]),
            (&json!(id), &json!("succeeded")),
            "{job}"
        );
        let at = molt_common::time::Millis::parse_iso(job["createdAt"].as_str().expect("a time")).expect("a time");
        begun.push(at.0);
    }
    assert!(
        begun.windows(2).all(|pair| pair[1] >= pair[0] + 900),
        "a pause lies between: {begun:?}"
    );
    assert_eq!(stack.generation(&down).await, 1, "who is named is started");
    stack.indexed(&id, "kind=bulk-restart").await;
    // Nobody is named: those that run.
    let accepted = stack
        .post(BULK)
        .admin()
        .json(&json!({"concurrency": 50}))
        .send()
        .await
        .json(202);
    let id = accepted["jobId"].as_str().expect("an id").to_owned();
    stack.job_ends(&id).await;
    let whose: BTreeSet<String> = stack
        .children(&id, 200)
        .await
        .iter()
        .map(|child| child["userId"].as_str().expect("an id").to_owned())
        .collect();
    assert!(ids.iter().all(|id| whose.contains(id)), "{whose:?}");
}

pub async fn what_does_not_fit_a_bulk_restart_is_named(stack: Arc<Stack>) {
    let (ada, nobody) = (stack.seeded("Ada").id, uuid::Uuid::new_v4());
    for (body, field) in [
        (json!({"userIds": []}), "userIds"),
        (json!({"userIds": [nobody]}), "userIds[0]"),
        (json!({"users": [ada, ada]}), "users[1]"),
        (json!({"users": [ada], "userIds": [ada]}), "users"),
        (json!({"userIds": [ada], "concurrency": 51}), "concurrency"),
        (json!({"userIds": [ada], "delayMs": 600_001}), "delayMs"),
        (json!({"userIds": [ada], "scope": "all"}), "scope"),
        (json!({"userIds": [ada], "stopAfterFailures": 0}), "stopAfterFailures"),
        (json!({"userIds": [ada], "command": "true"}), "command"),
    ] {
        let refused = stack.post(BULK).admin().json(&body).send().await;
        assert_eq!(refused.problem(400, "invalid_request")["field"], field, "{body}");
    }
}

/// On a stack of separate processes: the admin worker dies in the middle, twice.
pub async fn a_killed_admin_worker_restarts_everybody_once() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&["--split"], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let users = stack.many_awake(USERS).await;
    let survived = stack.bulk_restart_survives(&users, 2).await;
    println!("{survived:?}");
    assert!(
        survived.ended_before < USERS as u64,
        "it was killed in the middle: {survived:?}"
    );
    stack.stop().await.assert_clean();
}
