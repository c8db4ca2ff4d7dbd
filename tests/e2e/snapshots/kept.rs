//! What was on a disk is there again, whatever became of its container.

use crate::{IDLE_SECONDS, INTERVAL_SECONDS};
use e2e_tests::changes::ended;
use e2e_tests::parts::Part;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// From a change on the disk until it is in a published snapshot, on a busy machine.
const SAVED_WITHIN: Duration = Duration::from_secs(INTERVAL_SECONDS + 60);

/// Bytes, a link, modes and odd names; its digest.
pub async fn written(stack: &Stack, user: &User) -> String {
    let script = "mkdir -p ~/work/.git && cd ~/work && head -c 300000 /dev/urandom > bytes && echo x > '.git/odd name' \
                  && chmod 640 bytes && ln -sf bytes link && sha256sum bytes";
    stack.sh(user, script).await;
    digest(stack, user).await
}

/// What `written` made, as it is now.
pub async fn digest(stack: &Stack, user: &User) -> String {
    let script = "cd ~/work 2>/dev/null && { sha256sum bytes; cat '.git/odd name'; readlink link; stat -c %a bytes; } || echo nothing";
    stack.sh(user, script).await
}

/// The state once everything until now is in a snapshot.
pub async fn saved(stack: &Stack, user: &User) -> Value {
    let before = stack.state(user).await["timestamp"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    until("what was written is saved", SAVED_WITHIN, async || {
        let state = stack.state(user).await;
        let safe = state["disk"]["safeUntil"].as_str().is_some_and(|safe| *safe > *before);
        (safe && state["disk"]["head"].is_string()).then_some(state)
    })
    .await
}

pub async fn what_is_destroyed_is_restored_by_the_next_start(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let written = written(&stack, &user).await;
    let path = user.path("/destroy");
    let asked = stack.post(&path).admin().json(&json!({})).send().await;
    let problem = asked.problem(409, "confirmation_required");
    let body = json!({"confirm": problem["confirm"]});
    let job = stack.changed(&user, "POST", "destroy", &body).await;
    ended(&job, "succeeded");
    stack.engine.none(&user).await;
    let state = stack.state(&user).await;
    assert!(
        state["snapshotAgeMs"].is_u64() && state["lastSnapshotAt"].is_string(),
        "{state}"
    );
    assert_eq!(
        (&state["disk"]["loss"], &state["disk"]["alerts"]),
        (&Value::Null, &json!([])),
        "{state}"
    );
    assert_eq!(digest(&stack, &user).await, written);
    assert_eq!(stack.generation(&user).await, 2);
}

pub async fn a_killed_container_comes_back_with_what_was_saved(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let written = written(&stack, &user).await;
    saved(&stack, &user).await;
    assert!(stack.signal_part(&user, Part::Container, Signal::SIGKILL).await > 0);
    assert_eq!(digest(&stack, &user).await, written);
    let state = stack.state(&user).await;
    assert_eq!(state["generation"], 2, "{state}");
    assert!(
        state["disk"]["loss"]
            .as_str()
            .is_some_and(|loss| loss.contains("At most")),
        "{state}"
    );
}

pub async fn a_restart_and_another_tier_and_image_keep_the_disk(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let written = written(&stack, &user).await;
    for (method, verb, body) in [
        ("POST", "restart-async", json!({"scope": "sandbox"})),
        ("PUT", "tier", json!({"tier": 2})),
        ("PUT", "image", json!({"channel": "canary"})),
        ("PUT", "image", json!({"rollback": true})),
    ] {
        let job = stack.changed(&user, method, verb, &body).await;
        ended(&job, "succeeded");
        assert_eq!(digest(&stack, &user).await, written, "{verb} {body}");
    }
    assert_eq!(stack.generation(&user).await, 5);
}

pub async fn sleep_keeps_the_disk(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let written = written(&stack, &user).await;
    stack
        .lifecycle(&user, "sleeping", Duration::from_secs(IDLE_SECONDS + 60))
        .await;
    stack.engine.none(&user).await;
    assert_eq!(digest(&stack, &user).await, written);
    assert_eq!(stack.generation(&user).await, 2);
}

pub async fn a_reset_says_what_it_would_cost(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let written = written(&stack, &user).await;
    saved(&stack, &user).await;
    let job = stack
        .changed(&user, "POST", "emergency-reset", &json!({"discardDisk": true}))
        .await;
    ended(&job, "succeeded");
    assert_eq!(digest(&stack, &user).await, written, "what was published stays");
}
