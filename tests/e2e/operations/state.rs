//! State, from stored observations and by a probe.

use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub async fn asking_starts_nothing_and_says_how_old_the_answer_is(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let paths = [
        "/state",
        "/state/v2",
        "/state?probe=1",
        "/state/v2?probe=1",
        "/image",
        "/keep-alive",
    ];
    for path in paths {
        join_all((0..20).map(|_| stack.get(&user.path(path)).admin().send()))
            .await
            .iter()
            .for_each(|reply| {
                reply.expect(200);
            });
    }
    let state = stack.state(&user).await;
    for (name, value) in [
        ("state", json!("stopped")),
        ("lifecycle", json!("stopped")),
        ("generation", json!(0)),
        ("observedAt", Value::Null),
        ("ageMs", Value::Null),
        ("since", Value::Null),
        ("lastActiveAt", Value::Null),
        ("sleepsAt", Value::Null),
        ("wakesAt", Value::Null),
        ("keepAlive", json!({"policy": "default"})),
        ("nextImage", Value::Null),
        ("change", Value::Null),
        ("waitsForCapacity", json!(false)),
        ("openSockets", Value::Null),
    ] {
        assert_eq!(state[name], value, "{name}: {state}");
    }
    let older = stack.get(&user.path("/state/v2")).admin().send().await.json(200);
    for (name, value) in [
        ("state", json!("stopped")),
        ("processCount", Value::Null),
        ("gatewayHealthy", Value::Null),
        ("checkedAt", Value::Null),
    ] {
        assert_eq!(older[name], value, "{name}: {older}");
    }
    stack.awake(&user).await;
    let older = stack.get(&user.path("/state/v2")).admin().send().await.json(200);
    assert_eq!(
        (&older["state"], &older["gatewayHealthy"]),
        (&json!("active"), &json!(true)),
        "{older}"
    );
    assert!(older["checkedAt"].is_string() && older["ageMs"].is_u64(), "{older}");
}

pub async fn a_probe_asks_a_running_sandbox_and_changes_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let asleep = stack.get(&user.path("/state?probe=1")).admin().send().await.json(200);
    assert_eq!(
        (
            &asleep["probe"]["reachable"],
            &asleep["probe"]["container"],
            &asleep["probe"]["latencyMs"]
        ),
        (&json!(false), &json!(false), &Value::Null),
        "{asleep}"
    );
    stack.awake(&user).await;
    let before = stack.state(&user).await;
    let asked = stack.get(&user.path("/state?probe=1")).admin().send().await.json(200);
    let probe = &asked["probe"];
    assert_eq!(
        (&probe["reachable"], &probe["container"], &probe["phase"]),
        (&json!(true), &json!(true), &json!("ready")),
        "{asked}"
    );
    assert!(
        probe["agentPid"].is_u64() && probe["latencyMs"].is_u64() && probe["openSockets"].is_u64(),
        "{asked}"
    );
    let older = stack
        .get(&user.path("/state/v2?probe=1"))
        .admin()
        .send()
        .await
        .json(200);
    assert_eq!(
        (&older["gatewayHealthy"], &older["ageMs"], &older["probe"]["reachable"]),
        (&json!(true), &json!(0), &json!(true)),
        "{older}"
    );
    let after = stack.state(&user).await;
    for name in ["generation", "since", "sleepsAt", "lastActiveAt", "lifecycle"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    let refused = stack.get(&user.path("/state?probe=please")).admin().send().await;
    refused.names_field("probe");
}

pub async fn the_dashboard_shows_names_and_can_be_filtered(stack: Arc<Stack>) {
    let (up, down) = (stack.new_user().await, stack.new_user().await);
    stack.awake(&up).await;
    let listed = async |filter: &str| {
        let (mut all, mut cursor) = (Vec::<Value>::new(), String::new());
        loop {
            let page = stack.get(&format!("/api/super/state/dashboard?limit=200&{filter}{cursor}"));
            let page = page.admin().send().await.json(200);
            all.extend(page["users"].as_array().expect("a list").iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (all, page["summary"].clone()),
            }
        }
    };
    let has = |users: &[Value], id: &str| users.iter().any(|user| user["userId"] == id);
    for filter in ["lifecycle=running", "state=active"] {
        let users = until("the copy follows", Duration::from_secs(20), async || {
            let (users, _) = listed(filter).await;
            has(&users, &up.id).then_some(users)
        })
        .await;
        assert!(!has(&users, &down.id), "{filter}");
        assert!(users.iter().all(|user| user["lifecycle"] == "running"), "{filter}");
        let shown = users.iter().find(|user| user["userId"] == up.id.as_str()).expect("him");
        assert!(shown["name"].is_string() && shown["ageMs"].is_u64(), "{shown}");
    }
    let (stopped, summary) = listed("lifecycle=stopped").await;
    assert!(has(&stopped, &down.id) && !has(&stopped, &up.id));
    assert!(
        summary["active"].as_u64() >= Some(1),
        "the summary is of all: {summary}"
    );
    for (query, field) in [
        ("lifecycle=awake", "lifecycle"),
        ("state=running", "state"),
        ("lifecycle=running&state=stopped", "state"),
    ] {
        let refused = stack.get(&format!("/api/super/state/dashboard?{query}"));
        refused.admin().send().await.names_field(field);
    }
}
