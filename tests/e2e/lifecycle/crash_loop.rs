//! The crash-loop breaker.

use e2e_tests::parts::Part;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Unexpected ends that open the breaker.
const ENDS: u64 = 5;

pub async fn a_sandbox_that_ends_again_and_again_is_left_alone_for_a_while(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for end in 1..=ENDS {
        stack.awake(&user).await;
        assert_eq!(stack.generation(&user).await, end);
        assert!(stack.signal_part(&user, Part::Container, Signal::SIGKILL).await > 0);
        let wanted = if end < ENDS { "stopped" } else { "failed" };
        // The state is looked at when somebody uses it; a page would start it again at once.
        until("the end is told", Duration::from_secs(30), async || {
            let boot = stack.get("/_molt/boot").user(&user).send().await.json(200);
            (boot["lifecycle"] == wanted).then_some(())
        })
        .await;
    }
    let refused = stack.get("/echo").user(&user).send().await;
    let problem = refused.problem(503, "sandbox_failed");
    assert!(
        refused
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds > 0),
        "{problem}"
    );
    // Whoever asks in the pause starts nothing.
    assert_eq!(stack.generation(&user).await, ENDS);
    assert!(stack.engine.running(&user).await.is_empty());
    let told = Instant::now();
    stack.awake(&user).await;
    println!("served {:?} after the breaker had opened", told.elapsed());
    assert!(told.elapsed() > Duration::from_secs(20), "that was no pause");
    assert_eq!(stack.state(&user).await["generation"], json!(ENDS + 1));
}
