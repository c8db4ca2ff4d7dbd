//! Requests that are no page, and sockets, wait for the agent: bounded, and for no longer than it takes.

use crate::stalled::{AT_ONCE, break_agent, stall};
use e2e_tests::reply::Reply;
use e2e_tests::sandbox::Seen;
use e2e_tests::stack::Stack;
use futures_util::future::{join, join_all};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a request waits; the machine may be busy.
const HOLD: std::ops::Range<Duration> = Duration::from_secs(29)..Duration::from_secs(38);

fn retry_after(reply: &Reply) -> u32 {
    reply.header("retry-after").parse().expect("seconds")
}

pub async fn who_waits_is_held_for_half_a_minute_and_told_to_come_back_at_different_times(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let _stalled = stall(&stack, &user).await;
    let begun = Instant::now();
    let request = async |_| {
        let reply = stack.get("/echo").user(&user).send().await;
        (reply, begun.elapsed())
    };
    let socket = async {
        let refused = stack.handshake("/socket").user(&user).attempt().await;
        (refused.map(drop).expect_err("a refusal"), begun.elapsed())
    };
    let (replies, (refused, waited)) = join(join_all((0..60).map(request)), socket).await;
    let mut seconds = BTreeSet::new();
    for (reply, waited) in &replies {
        reply.problem(503, "sandbox_not_ready");
        assert!(HOLD.contains(waited), "{waited:?}");
        assert!((2..=7).contains(&retry_after(reply)), "{}", retry_after(reply));
        seconds.insert(retry_after(reply));
    }
    // Of six values sixty even throws miss three with a chance of less than one in a billion.
    assert!(seconds.len() > 3, "they come back together: {seconds:?}");
    // A socket that cannot be served is refused in the same words.
    assert!(HOLD.contains(&waited), "{waited:?}");
    assert_eq!(refused.status().as_u16(), 503);
    assert!(
        refused.headers()["retry-after"]
            .to_str()
            .is_ok_and(|text| text.parse::<u32>().is_ok())
    );
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
}

pub async fn who_waits_is_answered_as_soon_as_it_is_ready(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let stalled = stall(&stack, &user).await;
    let waiting = join_all((0..20).map(|_| async {
        let reply = stack.get("/echo").user(&user).send().await;
        (reply, Instant::now())
    }));
    let going_on = async {
        let ready = stack.get("/_molt/boot/events").user(&user).open().await;
        stalled.goes_on();
        // It ends when the agent is ready.
        let told = ready.text().await.expect("a stream");
        assert!(told.contains("\"next\":\"open\""), "{told}");
        Instant::now()
    };
    let (replies, ready) = join(waiting, going_on).await;
    for (reply, answered) in replies {
        assert_eq!(Seen::from(reply).header("x-openclaw-user"), Some(user.id.as_str()));
        let late = answered.saturating_duration_since(ready);
        assert!(late < AT_ONCE, "answered {late:?} after it was ready");
    }
}

pub async fn who_waits_learns_of_a_failure_at_once(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // Asks all the time, as a program would; once the start has failed the answer says so, and does not keep anybody for half a minute.
    let asking = async {
        loop {
            let reply = stack.get("/echo").user(&user).send().await;
            if reply.status == 503 && reply.text().contains("\"code\":\"sandbox_failed\"") {
                return (reply, Instant::now());
            }
        }
    };
    let breaking = async {
        let failed = break_agent(&stack, &user).await;
        (failed, Instant::now())
    };
    let ((reply, told), (failed, broken)) = join(asking, breaking).await;
    let apart = told
        .saturating_duration_since(broken)
        .max(broken.saturating_duration_since(told));
    assert!(apart < AT_ONCE, "{apart:?}");
    let wait = u64::from(retry_after(&reply));
    assert!((1..=66).contains(&wait), "{wait}");
    let detail = reply.problem(503, "sandbox_failed")["detail"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        detail.contains(
            failed["cause"]
                .as_str()
                .expect("a cause")
                .split('\n')
                .next()
                .unwrap_or_default()
        ),
        "{detail}"
    );
}

pub async fn a_mixed_two_hundred_first_requests_start_one_container(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.first_requests(&user, 200).await;
    stack.engine.only(&user).await;
    assert_eq!(stack.generation(&user).await, 1);
}
