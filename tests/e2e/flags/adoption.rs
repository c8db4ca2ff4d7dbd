//! The operator's override in KV is made permanent, once.

use crate::world::{ADMIN, FLAGS, GATEWAY, cleared, history, now_ms, on_for_all, path, put, read, version};
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use molt_common::flag::OVERRIDE_KEY;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The object looks every two seconds when it is asked.
const SOON: Duration = Duration::from_secs(10);

fn written(epoch: u64, values: Value) -> Value {
    json!({"epoch": epoch, "values": values, "at": epoch, "author": "ada@host", "reason": "the drill"})
}

async fn epoch(stack: &Stack) -> u64 {
    let listed = stack.get(FLAGS).admin().send().await.json(200);
    listed["epoch"].as_u64().expect("an epoch")
}

async fn adopted(stack: &Stack, wanted: u64) {
    until("the override is adopted", SOON, async || {
        (epoch(stack).await == wanted).then_some(())
    })
    .await;
}

pub async fn an_override_is_adopted_within_seconds_and_for_once(stack: Arc<Stack>) {
    let body = json!({"enabled": true, "percent": 100, "allow": ["a"], "deny": ["d"], "reason": "before"});
    let before = put(&stack, GATEWAY, &body).send().await.json(200);
    on_for_all(&stack, ADMIN).await;
    let untouched = read(&stack, ADMIN).await;
    let this = now_ms();
    let values = json!({"USE_NEW_CONTAINER_GATEWAY": false, "USE_WHAT_COMES_LATER": {"percent": 5}});
    stack
        .put_control(OVERRIDE_KEY, &written(this, values).to_string())
        .await;
    adopted(&stack, this).await;
    let killed = read(&stack, GATEWAY).await;
    assert_eq!(
        (&killed["killed"], &killed["percent"], &killed["allow"], &killed["deny"]),
        (&json!(true), &json!(100), &json!(["a"]), &json!(["d"])),
        "{killed}"
    );
    assert_eq!(
        (&killed["author"], &killed["reason"], version(&killed)),
        (&json!("override:ada@host"), &json!("the drill"), version(&before) + 1)
    );
    assert_eq!(
        read(&stack, ADMIN).await,
        untouched,
        "it says nothing about the other flag"
    );
    let newest = &history(&stack, GATEWAY).await[0];
    assert_eq!(
        (
            &newest["action"],
            &newest["requestId"],
            &newest["before"]["killed"],
            &newest["after"]["killed"]
        ),
        (&json!("override_adopted"), &Value::Null, &json!(false), &json!(true))
    );
    // It stands in KV for good, and does not count twice.
    let undo = stack.post(&format!("{}/undo", path(GATEWAY))).admin();
    undo.send().await.expect(200);
    let listed = stack.get(FLAGS).admin().send().await.json(200);
    let later = now_ms();
    stack
        .put_control(
            OVERRIDE_KEY,
            &written(later, json!({"USE_NEW_CONTAINER_GATEWAY": true})).to_string(),
        )
        .await;
    adopted(&stack, later).await;
    let on = read(&stack, GATEWAY).await;
    assert_eq!(
        (&on["killed"], &on["deny"], &on["allow"]),
        (&json!(false), &json!(["d"]), &json!([])),
        "{on}"
    );
    assert_eq!(version(&on), version(&killed) + 2, "undone, and switched on");
    let now = stack.get(FLAGS).admin().send().await.json(200);
    assert_eq!(
        now["version"].as_u64(),
        listed["version"].as_u64().map(|version| version + 1)
    );
    until("the copy has it", Duration::from_secs(30), async || {
        let report = stack.get("/api/super/audit/verify").admin().send().await.json(200);
        (report["copied"] == report["entries"]).then(|| assert_eq!(report["verified"], true, "{report}"))
    })
    .await;
    let rows = stack
        .sql(&format!("SELECT detail FROM audit WHERE action = 'flag.override_adopted' AND target = '{GATEWAY}' AND actor = 'override:ada@host' ORDER BY seq"))
        .await;
    let first: Value = serde_json::from_str(rows[0]["detail"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        (rows.len(), &first["epoch"], &first["reason"]),
        (2, &json!(this), &json!("the drill")),
        "{first}"
    );
    stack.delete_control(OVERRIDE_KEY).await;
    cleared(&stack, GATEWAY).await;
}

pub async fn an_override_that_cannot_be_meant_is_ignored(stack: Arc<Stack>) {
    let before = on_for_all(&stack, ADMIN).await;
    let adopted_before = epoch(&stack).await;
    let off = json!({"USE_NEW_ADMIN_API": false});
    for text in [
        "no JSON".to_owned(),
        "{}".to_owned(),
        json!({"epoch": now_ms(), "values": {"USE_NEW_ADMIN_API": "off"}}).to_string(),
        written(now_ms() + 25 * 3600 * 1000, off.clone()).to_string(),
        written(u64::MAX, off.clone()).to_string(),
        written(adopted_before, off.clone()).to_string(),
    ] {
        stack.put_control(OVERRIDE_KEY, &text).await;
        // A change looks first, however short ago the last look was.
        put(&stack, ADMIN, &json!({"enabled": true, "reason": "r"}))
            .send()
            .await
            .expect(200);
        assert_eq!(
            (read(&stack, ADMIN).await, epoch(&stack).await),
            (before.clone(), adopted_before),
            "{text}"
        );
    }
    // None of these locks a good one out.
    let this = now_ms();
    stack
        .put_control(
            OVERRIDE_KEY,
            &written(this, json!({"USE_NEW_ADMIN_API": true})).to_string(),
        )
        .await;
    put(
        &stack,
        ADMIN,
        &json!({"enabled": true, "allow": ["x"], "reason": "after it"}),
    )
    .send()
    .await
    .expect(200);
    assert_eq!(epoch(&stack).await, this);
    let now = read(&stack, ADMIN).await;
    assert_eq!(
        (&now["reason"], version(&now)),
        (&json!("after it"), version(&before) + 1),
        "what was so already made no version"
    );
    stack.delete_control(OVERRIDE_KEY).await;
}

/// On a stack of its own, which was stopped when the override was written.
pub async fn an_override_counts_from_the_first_answer_after_a_start() {
    let state = state_dir().expect("a folder");
    let start = async || {
        Stack::start(&[], &state)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let stack = start().await;
    let body = json!({"enabled": true, "allow": ["a"], "reason": "before"});
    let before = put(&stack, GATEWAY, &body).send().await.json(200);
    stack.stop().await.assert_clean();
    let this = now_ms();
    // A start is not over before the gateway answers, so it stays on.
    let text = written(this, json!({"USE_NEW_CONTAINER_GATEWAY": true})).to_string();
    stack.put_control(OVERRIDE_KEY, &text).await;
    let log = stack.ready.state_dir.join("logs/workers.log");
    let old = std::fs::read_to_string(&log).expect("the log of the workers").len();
    drop(stack);
    let stack = start().await;
    let found = read(&stack, GATEWAY).await;
    assert_eq!(
        (&found["author"], &found["allow"], version(&found)),
        (&json!("override:ada@host"), &json!([]), version(&before) + 1),
        "{found}"
    );
    assert_eq!(epoch(&stack).await, this);
    let written = std::fs::read_to_string(&log).expect("the log of the workers");
    let at = |text: &str| {
        written[old..]
            .find(text)
            .unwrap_or_else(|| panic!("no {text} in the log"))
    };
    assert!(
        at("flags_override_adopted") < at("\"backend\":\"admin\""),
        "it was adopted before the admin worker answered anything"
    );
    stack.stop().await.assert_clean();
}
