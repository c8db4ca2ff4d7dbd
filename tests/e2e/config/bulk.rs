//! Patches for many.

use crate::world::{change, config, disk};
use e2e_tests::parts::Part;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const BULK: &str = "/api/super/bulk/config-patch";

async fn submit(stack: &Stack, ids: &[&str], patch: &Value) -> String {
    let body = json!({"patch": patch, "userIds": ids, "reason": "for all"});
    let accepted = stack.post(BULK).admin().json(&body).send().await.json(202);
    let id = accepted["jobId"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("bulk-config.fleet."), "{accepted}");
    id
}

async fn patch_all(stack: &Stack, ids: &[&str], patch: &Value) -> (Value, Vec<Value>) {
    let id = submit(stack, ids, patch).await;
    let ended = stack.job_ends(&id).await;
    (ended, stack.children(&id, 100).await)
}

pub async fn a_patch_reaches_everybody_and_says_who_did_not_take_it(stack: Arc<Stack>) {
    let (up, down) = (stack.new_user().await, stack.new_user().await);
    stack.awake(&up).await;
    let ids = [up.id.as_str(), down.id.as_str()];
    let patch = json!({"logging": {"level": "error"}});
    let (ended, children) = patch_all(&stack, &ids, &patch).await;
    assert_eq!(
        (&ended["state"], &ended["kind"], &ended["title"]),
        (
            &json!("succeeded"),
            &json!("bulk-config"),
            &json!("patch configuration")
        ),
        "{ended}"
    );
    assert!(
        children.iter().all(|child| child["state"] == "succeeded"),
        "{children:?}"
    );
    assert_eq!(disk(&stack, &up).await["logging"]["level"], "error");
    assert_eq!(config(&stack, &down).await["state"], "staged");
    assert_eq!(stack.generation(&down).await, 0, "nobody was woken for it");
    // The one that runs refuses it; nobody can ask the other.
    let (ended, children) = patch_all(&stack, &ids, &json!({"bogus": {}})).await;
    assert_eq!(ended["state"], "failed", "{ended}");
    let error = children[0]["error"].as_str().expect("a text");
    assert!(error.contains("bogus"), "{children:?}");
    assert_eq!(children[1]["state"], "succeeded", "{children:?}");
    for (body, field) in [
        (json!({"userIds": ids}), "patch"),
        (json!({"patch": {}, "userIds": ids}), "patch"),
        (json!({"patch": [], "userIds": ids}), "patch"),
        (json!({"patch": patch, "userIds": []}), "userIds"),
        (json!({"patch": patch, "userIds": ids, "reason": ""}), "reason"),
    ] {
        let refused = stack.post(BULK).admin().json(&body).send().await;
        assert_eq!(refused.problem(400, "invalid_request")["field"], field, "{body}");
    }
    // Nobody takes these, so no job keeps them.
    let token = "12345:abcdefghijklmnopqrst";
    for (patch, code, field) in [
        (
            json!({"channels": {"x": {"botToken": token}}}),
            "config_has_secret",
            "channels.x.botToken",
        ),
        (json!({"gateway": {"port": 1}}), "config_locked", "gateway.port"),
    ] {
        let body = json!({"patch": patch, "userIds": ids});
        let refused = stack.post(BULK).admin().json(&body).send().await;
        assert_eq!(refused.problem(400, code)["field"], field, "{patch}");
        assert!(!refused.text().contains(token), "{patch}");
    }
}

pub async fn a_document_that_cannot_be_read_is_an_error_and_stays(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "echo '{broken' > .openclaw/openclaw.json").await;
    let (ended, children) = patch_all(&stack, &[&user.id], &json!({"ui": {"a": 1}})).await;
    assert_eq!(ended["state"], "failed", "{ended}");
    let error = children[0]["error"].as_str().expect("a text");
    assert!(error.contains("cannot be understood"), "{error}");
    assert_eq!(stack.sh(&user, "cat .openclaw/openclaw.json").await.trim(), "{broken");
    let read = stack.get(&user.path("/config")).admin().send().await;
    read.problem(409, "config_unreadable");
}

pub async fn a_cancelled_patch_does_not_reach_an_agent_that_hung(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    assert!(stack.signal_part(&user, Part::Agent, Signal::SIGSTOP).await > 0);
    let id = submit(&stack, &[&user.id], &json!({"logging": {"level": "error"}})).await;
    let path = format!("/api/super/jobs/{id}");
    until("the agent is being asked", Duration::from_secs(30), async || {
        let job = stack.get(&path).admin().send().await.json(200);
        (job["progress"]["underWay"] == 1).then_some(())
    })
    .await;
    stack.call("DELETE", &path).admin().send().await.expect(202);
    // Its supervisor waits longer for the agent than a step of the job lasts.
    let ended = stack.job_ends(&id).await;
    assert_ne!(ended["state"], "succeeded", "{ended}");
    let children = stack.children(&id, 100).await;
    assert!(
        children[0]["state"] == "cancelled" || children[0]["state"] == "lost",
        "{children:?}"
    );
    stack.signal_part(&user, Part::Agent, Signal::SIGCONT).await;
    // Changes are done one after the other: with this one the agent has answered whatever was asked before.
    until("the agent takes changes", Duration::from_secs(60), async || {
        let changed = change(&stack, &user, "PATCH", &json!({"ui": {"a": 1}})).await;
        (changed.status == 200).then_some(())
    })
    .await;
    let found = disk(&stack, &user).await;
    assert_eq!(
        (&found["ui"]["a"], &found["logging"]["level"]),
        (&json!(1), &Value::Null),
        "{found}"
    );
}
