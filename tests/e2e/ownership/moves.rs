//! A user's way to the platform and back.

use crate::world::{Watch, answered_by, assert_apart, cover, legacy, person, placed};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DOCUMENT: &[u8] = b"what he wrote before \x00\xff";

pub async fn a_user_moves_and_goes_back_and_never_has_two_agents(stack: Arc<Stack>) {
    let user = person(&stack);
    let document = || stack.get("/documents/letter").user(&user);
    answered_by(&stack, &user, "legacy").await;
    let put = stack.call("PUT", "/documents/letter").user(&user).body(DOCUMENT);
    put.send().await.expect(200);
    let watch = Watch::begin(&stack, &user);
    for round in 0..2 {
        cover(&stack, &[&user], false).await;
        answered_by(&stack, &user, "container-gateway").await;
        let there = legacy(&stack, &user).await.expect("it answers");
        assert_eq!(
            (&there["fence"]["owner"], &there["fence"]["agentRunning"]),
            (&json!("new"), &json!(false)),
            "{there}"
        );
        assert_eq!(stack.state(&user).await["owner"], "new");
        assert_eq!(document().send().await.status, 404, "the sandbox has no such page");

        cover(&stack, &[], true).await;
        let back = answered_by(&stack, &user, "legacy").await.json(200);
        assert!(back["agent"]["runningSince"].is_u64(), "{back}");
        assert_eq!(document().send().await.body, DOCUMENT, "round {round}");
        stack.engine.none(&user).await;
        assert_eq!(stack.state(&user).await["owner"], "legacy");
    }
    assert!(watch.end().await > 20, "it hardly looked");
    assert_apart(&stack, &user).await;
    let epoch = legacy(&stack, &user).await.expect("it answers")["fence"]["epoch"].clone();
    assert_eq!(epoch, 4, "two moves there and two back");
    let known = until("lists know", Duration::from_secs(15), async || {
        placed(&stack, &user)
            .await
            .filter(|placed| placed["owner"] == "legacy" && placed["moving"] == false)
    });
    assert_eq!(known.await["epoch"], 4);
}

pub async fn a_used_disk_is_kept_until_it_may_be_lost(stack: Arc<Stack>) {
    let user = person(&stack);
    answered_by(&stack, &user, "legacy").await;
    cover(&stack, &[&user], false).await;
    answered_by(&stack, &user, "container-gateway").await;
    stack.sh(&user, "echo mine > ~/mine").await;

    cover(&stack, &[], false).await;
    // Until every router has seen it, he is not even asked to go.
    let refused = until("he is refused", Duration::from_secs(30), async || {
        answered_by(&stack, &user, "container-gateway").await;
        placed(&stack, &user)
            .await
            .filter(|placed| !placed["refused"].is_null())
    })
    .await;
    assert!(
        refused["refused"]
            .as_str()
            .is_some_and(|why| why.contains("would be lost")),
        "{refused}"
    );
    assert_eq!(
        (&refused["owner"], &refused["moving"]),
        (&json!("new"), &json!(false)),
        "{refused}"
    );
    for _ in 0..5 {
        assert_eq!(
            stack.get("/echo").user(&user).send().await.backend(),
            "container-gateway"
        );
    }
    assert_eq!(stack.sh(&user, "cat ~/mine").await, "mine\n");
    let counts = stack.get("/api/super/migration").admin().send().await.json(200)["counts"].clone();
    assert!(counts["refused"].as_u64() >= Some(1), "{counts}");
    assert!(counts["staying"].as_u64() >= Some(1), "{counts}");

    cover(&stack, &[], true).await;
    answered_by(&stack, &user, "legacy").await;
    stack.engine.none(&user).await;
    let bad = stack.get("/api/super/migration?owner=nobody").admin().send().await;
    assert_eq!(bad.problem(400, "invalid_request")["field"], "owner");
}

pub async fn an_admin_call_starts_nothing_for_a_user_who_is_elsewhere(stack: Arc<Stack>) {
    let user = person(&stack);
    cover(&stack, &[&user], false).await;
    answered_by(&stack, &user, "container-gateway").await;
    cover(&stack, &[], true).await;
    answered_by(&stack, &user, "legacy").await;
    let generation = stack.generation(&user).await;
    let exec = stack
        .post(&user.path("/exec"))
        .admin()
        .json(&json!({"command": "true"}))
        .send()
        .await;
    exec.problem(409, "owned_by_legacy");
    // As a part of a job about many users it is refused for him alone.
    let bulk = stack
        .bulk(std::slice::from_ref(&user), json!({"command": "true"}))
        .await;
    assert_eq!(stack.job_ends(&bulk).await["state"], "failed");
    let part = stack.children(&bulk, 1).await.remove(0);
    assert_eq!(
        (&part["state"], &part["exitCode"], &part["execId"]),
        (&json!("rejected"), &Value::Null, &Value::Null),
        "{part}"
    );
    assert!(
        part["error"]
            .as_str()
            .is_some_and(|why| why.contains("what ran before")),
        "{part}"
    );
    let state = stack.state(&user).await;
    assert_eq!(
        (&state["generation"], &state["lifecycle"]),
        (&json!(generation), &json!("stopped")),
        "{state}"
    );
    stack.engine.none(&user).await;
    // Nor does reading how far the boot is.
    stack.get("/_molt/boot").user(&user).send().await.expect(404);
}

pub async fn a_client_does_not_reach_the_fence(stack: Arc<Stack>) {
    let user = person(&stack);
    answered_by(&stack, &user, "legacy").await;
    let token = &stack.secrets.legacy_fence;
    for path in [
        "/_molt/ownership/",
        "/_molt/ownership",
        "/_molt/%6fwnership/",
        "/_molt//ownership/",
    ] {
        let path = format!("{path}{}", user.id);
        let body = r#"{"owner": "new", "epoch": 99}"#;
        let reply = stack.call("PUT", &path).bearer(token).body(body).send().await;
        assert!(matches!(reply.status, 400 | 401 | 404), "{path}: {}", reply.status);
    }
    let fence = legacy(&stack, &user).await.expect("it answers")["fence"].clone();
    assert_eq!(
        (&fence["owner"], &fence["epoch"]),
        (&json!("legacy"), &json!(0)),
        "{fence}"
    );
}
