//! What cannot be restored is not started without it.

use crate::kept::{digest, written};
use e2e_tests::changes::ended;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use molt_common::snapshot::ObjectId;
use serde_json::json;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

/// Until a restore is given up: its supervisor tries again for a while.
const TOLD_WITHIN: Duration = Duration::from_secs(120);

pub async fn a_repository_that_lost_something_fails_the_start_and_says_why(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    written(&stack, &user).await;
    let asked = stack.post(&user.path("/destroy")).admin().json(&json!({})).send().await;
    let problem = asked.problem(409, "confirmation_required");
    let body = json!({"confirm": problem["confirm"]});
    ended(&stack.changed(&user, "POST", "destroy", &body).await, "succeeded");
    let repository = stack.repository(&user);
    let packs: Vec<_> = repository
        .names("data")
        .await
        .iter()
        .map(|name| repository.file(&ObjectId::parse(name).unwrap()))
        .collect();
    assert!(!packs.is_empty());
    let whole: Vec<_> = packs.iter().map(|file| fs::read(file).unwrap()).collect();
    // As long as before, so that only reading it tells.
    for (file, bytes) in packs.iter().zip(&whole) {
        fs::write(file, vec![0; bytes.len()]).unwrap();
    }
    stack.get("/").user(&user).send().await;
    let boot = until("the cause is told", TOLD_WITHIN, async || {
        let boot = stack.get("/_molt/boot").user(&user).send().await.json(200);
        (boot["lifecycle"] == "failed").then_some(boot)
    })
    .await;
    assert!(
        boot["cause"]
            .as_str()
            .is_some_and(|cause| cause.contains("could not be restored")),
        "{boot}"
    );
    stack.engine.none(&user).await;
    // Given back, it is there again.
    for (file, bytes) in packs.iter().zip(&whole) {
        fs::write(file, bytes).unwrap();
    }
    until("it is started again", TOLD_WITHIN, async || {
        let state = stack.get("/_molt/boot").user(&user).send().await.json(200);
        stack.get("/").user(&user).send().await;
        (state["lifecycle"] == "running").then_some(())
    })
    .await;
    assert_ne!(digest(&stack, &user).await, "nothing\n");
}
