//! For how long containers ran, against what the engine shows.

use crate::world::cost_that;
use e2e_tests::changes::ended;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(90);

fn milliseconds(cost: &Value) -> u64 {
    let tiers = cost["total"]["containers"].as_array().expect("tiers");
    tiers
        .iter()
        .filter_map(|one| one["milliseconds"]["value"].as_u64())
        .sum()
}

async fn turns(stack: &Stack, user: &User, runs: bool) -> Instant {
    let what = if runs {
        "the container runs"
    } else {
        "the container is gone"
    };
    until(what, LIMIT, async || {
        let seen = Instant::now();
        (stack.engine.running(user).await.is_empty() != runs).then_some(seen)
    })
    .await
}

pub async fn a_run_is_measured_within_a_second(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let mut truth = Duration::ZERO;
    for round in 1..=2_u32 {
        let (began, ()) = tokio::join!(turns(&stack, &user, true), stack.awake(&user));
        // Long enough that a wrong end or beginning shows.
        let body = json!({"command": "sleep 6"});
        stack.exec(&user, &body).await;
        let (end, job) = tokio::join!(turns(&stack, &user, false), async {
            let id = stack.destroy(&user).await;
            stack.job_ends(&id).await
        });
        ended(&job, "succeeded");
        truth += end - began;
        let truth_ms = u64::try_from(truth.as_millis()).expect("a time");
        let cost = cost_that(&stack, &user, "the run is told", |cost| {
            milliseconds(cost) + 1_000 * u64::from(round) >= truth_ms
        })
        .await;
        let told = milliseconds(&cost);
        println!("{round} runs: {truth_ms} ms in the engine, {told} ms told");
        assert!(told.abs_diff(truth_ms) <= 1_000 * u64::from(round), "{told} {truth_ms}");
        let tier = &cost["total"]["containers"][0];
        assert_eq!((&tier["tier"], &tier["instance"]), (&json!(1), &json!("standard-1")));
        assert_eq!(tier["milliseconds"]["basis"], "measured");
        // 20,560 billionths of a dollar a second, of which 10,000 are the CPU's.
        let memory = tier["memoryAndDiskMicroUsd"]["value"].as_u64().expect("a number");
        assert!(memory.abs_diff(told * 10_560 / 1_000_000) <= 1, "{tier}");
    }
    // At rest nothing more is counted, whoever looks.
    let before = milliseconds(&stack.get(&user.path("/cost")).admin().send().await.json(200));
    stack.state(&user).await;
    let rows = stack
        .sql(&format!(
            "SELECT SUM(ms) AS ms FROM container_days WHERE user_id = '{}'",
            user.id
        ))
        .await;
    assert_eq!(rows[0]["ms"], before);
}
