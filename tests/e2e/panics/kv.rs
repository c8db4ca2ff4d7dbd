//! KV that fails on every call: the admin worker goes on, and makes up for it afterwards.

use e2e_tests::induced_faults::InducedFaults;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use molt_common::flag::OVERRIDE_KEY;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const FLAG: &str = "/api/super/flags/USE_NEW_CONTAINER_GATEWAY";
/// A look at the override takes at most a second, and happens every two.
const QUICK: Duration = Duration::from_secs(5);

/// On a stack of its own, whose admin worker asks for faults.
pub async fn flags_are_changed_while_kv_fails_and_an_override_is_adopted_afterwards() {
    let faults = InducedFaults::start();
    faults.set(&["kv"]);
    let state = state_dir().expect("a folder");
    let flags = faults.flags(&["admin"]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let stack = Stack::start(&flags, &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    stack
        .put_control(
            OVERRIDE_KEY,
            &json!({"epoch": 1, "values": {"USE_NEW_CONTAINER_GATEWAY": false}, "at": 1, "author": "op", "reason": "drill"}).to_string(),
        )
        .await;
    let begun = Instant::now();
    let body = |who: String| json!({"enabled": true, "allow": [who], "reason": "without KV"});
    for round in 0..20 {
        let put = stack.call("PUT", FLAG).admin().json(&body(format!("round-{round}")));
        let set = put.send().await.json(200);
        assert_eq!(set["version"], round + 1);
        assert_eq!(stack.get(FLAG).admin().send().await.json(200), set);
    }
    println!("20 changes and 20 reads while KV fails: {:?}", begun.elapsed());
    assert!(begun.elapsed() < QUICK * 4, "{:?}", begun.elapsed());
    assert!(faults.asked() > 0, "the fault was looked for");
    let killed = async || stack.get(FLAG).admin().send().await.json(200)["killed"] == true;
    assert!(!killed().await, "what could not be read was not adopted");
    faults.set(&[]);
    until("the override is adopted", QUICK, async || killed().await.then_some(())).await;
    let now: Value = stack.get(FLAG).admin().send().await.json(200);
    assert_eq!((&now["author"], &now["version"]), (&json!("override:op"), &json!(21)));
    stack.stop().await.assert_clean();
}
