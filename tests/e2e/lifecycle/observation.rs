//! Asking is not using.

use crate::IDLE_SECONDS;
use crate::sleep::ASLEEP_LIMIT;
use e2e_tests::stack::Stack;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const QUESTIONS: u32 = 1_000;

pub async fn asking_a_thousand_times_starts_nothing_and_moves_no_sleep(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    // One that was never started stays so.
    for _ in 0..QUESTIONS / 4 {
        assert_eq!(stack.state(&user).await["generation"], json!(0));
    }
    assert!(stack.engine.running(&user).await.is_empty());

    stack.awake(&user).await;
    let used = Instant::now();
    let mut asked = 0;
    let asleep = loop {
        let state = stack.state(&user).await;
        let boot = stack.get("/_molt/boot").user(&user).send().await.json(200);
        asked += 2;
        assert_eq!(state["generation"], json!(1), "{state}");
        if boot["lifecycle"] == "sleeping" {
            break used.elapsed();
        }
        assert!(used.elapsed() < ASLEEP_LIMIT, "it does not sleep: {boot}");
    };
    println!("asleep {asleep:?} after it was used, asked {asked} times meanwhile");
    assert!(
        asleep >= Duration::from_secs(IDLE_SECONDS - 1),
        "asleep after {asleep:?}"
    );

    for _ in 0..QUESTIONS.saturating_sub(asked) {
        let boot = stack.get("/_molt/boot").user(&user).send().await.json(200);
        assert_eq!(
            (&boot["lifecycle"], &boot["generation"]),
            (&json!("sleeping"), &json!(1)),
            "{boot}"
        );
    }
    assert!(stack.engine.running(&user).await.is_empty());
}
