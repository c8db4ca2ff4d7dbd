//! D1 that answers no sandbox's alarm: the alarm goes on all the same, and makes up for it afterwards.

use e2e_tests::induced_faults::InducedFaults;
use e2e_tests::launch::Launch;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::Duration;

const HANGS: &str = "d1-hangs";
/// Its copies are tried again every five seconds.
const LATER: Duration = Duration::from_secs(30);

/// On a stack of its own, whose objects ask for faults.
pub async fn a_sandbox_lives_on_while_d1_hangs_and_its_copies_arrive_afterwards() {
    let faults = InducedFaults::start();
    let state = state_dir().expect("a folder");
    let flags = faults.flags(&["container-gateway"]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let stack = Stack::start(&flags, &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // It would start by itself, so that its alarm asks whether its owner may have it.
    let keep = stack.call("PUT", &user.path("/keep-alive"));
    keep.admin().json(&json!({"policy": "always"})).send().await.expect(200);

    faults.set(&[HANGS]);
    let old = stack.engine.only(&user).await;
    Launch::signal(old, Signal::SIGKILL);
    stack.awake(&user).await;
    stack.lifecycle(&user, "running", LATER).await;
    assert_eq!(stack.generation(&user).await, 2);
    assert!(faults.had(HANGS) > 0, "the fault was looked for");
    let query = format!(
        "SELECT json_extract(view, '$.generation') AS generation FROM sandbox_states WHERE user_id = '{}'",
        user.id
    );
    let told = stack.sql(&query).await;
    assert_ne!(told[0]["generation"], 2, "nothing arrives meanwhile: {told:?}");

    faults.set(&[]);
    until("the list is told", LATER, async || {
        let told = stack.sql(&query).await;
        (told[0]["generation"] == 2).then_some(())
    })
    .await;
    stack.stop().await.assert_clean();
}
