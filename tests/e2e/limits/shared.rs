//! What isolates learn of one another through KV.

use e2e_tests::rate::{ADDRESS, address, burst, tally};
use e2e_tests::stack::Stack;
use e2e_tests::wait::repeatedly;
use std::sync::Arc;
use std::time::Duration;

pub async fn what_one_router_counted_the_other_learns(stack: Arc<Stack>) {
    let [first, second] = &stack.ready.urls[..] else {
        panic!("not two routers")
    };
    let from = address();
    let at = |url: &str| stack.call_at(url, "GET", "/nothing").header(ADDRESS, &from);
    assert_eq!(tally(&burst(60, |_| at(first)).await).admitted, 60);
    // Fewer than the limit: alone the second would refuse none of them.
    let mut admitted = 0;
    let mut refused = 0;
    repeatedly(40, Duration::from_millis(250), async |_| {
        match at(second).send().await.status {
            429 => refused += 1,
            _ => admitted += 1,
        }
    })
    .await;
    println!("the second router admitted {admitted} before it knew");
    assert!(refused > 0, "it never learned: {admitted} admitted");
}
