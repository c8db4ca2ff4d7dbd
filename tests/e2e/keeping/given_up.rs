//! An agent that crashes again and again, in a container whose supervisor is well.

use e2e_tests::parts::Part;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(150);

pub async fn a_sandbox_whose_agent_crashes_again_and_again_is_saved_before_it_is_given_up(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // No save is due for an hour.
    let sum = stack
        .sh(&user, "head -c 300000 /dev/urandom > kept.bin; sha256sum < kept.bin")
        .await;
    assert_eq!(
        stack.state(&user).await["disk"]["head"],
        Value::Null,
        "nothing was saved before"
    );
    let failed = until("it is given up", LIMIT, async || {
        stack.signal_part(&user, Part::Agent, Signal::SIGKILL).await;
        // Whoever looks at the page has the sandbox looked at, and starts nothing.
        stack.get("/_molt/boot").user(&user).send().await;
        let state = stack.state(&user).await;
        (state["lifecycle"] == "failed").then_some(state)
    })
    .await;
    stack.engine.none(&user).await;
    assert!(failed["error"].is_string(), "{failed}");
    assert!(failed["disk"]["head"].is_string(), "{failed}");
    assert_eq!(failed["disk"]["loss"], Value::Null, "{failed}");
    stack.awake(&user).await;
    assert_eq!(stack.sh(&user, "sha256sum < kept.bin").await, sum);
    assert_eq!(stack.generation(&user).await, 2);
}
