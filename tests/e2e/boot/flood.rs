//! More requests than may wait.

use crate::stalled::stall;
use e2e_tests::stack::Stack;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests that one sandbox holds.
const MOST_HELD: usize = 256;

pub async fn more_than_may_wait_are_refused_at_once_and_nobody_else_suffers(stack: Arc<Stack>) {
    let (user, other) = (stack.new_user().await, stack.new_user().await);
    let stalled = stall(&stack, &user).await;
    stack.awake(&other).await;
    let begun = Instant::now();
    let flood = join_all((0..MOST_HELD + 100).map(|_| async {
        let reply = stack.get("/echo").user(&user).send().await;
        (reply, begun.elapsed())
    }));
    let meanwhile = async {
        // Once some were refused, all places are taken.
        let refused = stack.get("/_molt/boot").user(&user).send().await;
        assert_eq!(refused.json(200)["lifecycle"], "starting");
        let asked = Instant::now();
        stack.get("/echo").user(&other).send().await.expect(200);
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "another sandbox suffers: {:?}",
            asked.elapsed()
        );
        // The boot page needs no place.
        stack.get("/").user(&user).browser().send().await.expect(503);
        stalled.goes_on();
    };
    let (replies, ()) = futures_util::future::join(flood, meanwhile).await;
    let refused: Vec<_> = replies.iter().filter(|(reply, _)| reply.status == 503).collect();
    for (reply, _) in &refused {
        reply.problem(503, "too_many_waiting");
        let seconds: u32 = reply.header("retry-after").parse().expect("seconds");
        assert!((2..=9).contains(&seconds), "{seconds}");
    }
    let answered = replies.iter().filter(|(reply, _)| reply.status == 200).count();
    assert_eq!(answered + refused.len(), replies.len());
    assert!(answered >= MOST_HELD, "{answered} were held and answered");
    assert!(!refused.is_empty(), "all of {} were held", replies.len());
    // Everybody has left: there is room for the next.
    stack.get("/echo").user(&user).send().await.expect(200);
}
