//! The admin worker, where strict limits are counted, does not answer.

use e2e_tests::hanging::Hanging;
use e2e_tests::rate::{ADDRESS, address, burst, refusal, said, tally};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub async fn writes_are_refused_sign_ins_are_counted_and_users_go_on(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let write = || stack.call("PUT", "/api/super/nothing").admin();
    write().send().await.expect(404);
    let hanging = Hanging::begin(&stack, "admin");
    let begun = Instant::now();
    let refused = write().send().await;
    refused.problem(503, "limiter_unavailable");
    assert_eq!((refused.backend(), refused.header("retry-after")), ("router", "2"));
    println!("a write was refused after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    let from = address();
    let login = || stack.get("/login").header(ADDRESS, &from);
    let seen = tally(&burst(30, |_| login()).await);
    assert_eq!((seen.admitted, seen.refused), (10, 20));
    refusal(&login().send().await);
    let asked = Instant::now();
    let page = stack.get("/echo").user(&user).send().await;
    assert_eq!(said(page.expect(200)).class, "page");
    // A write waits for five seconds before it is refused; a page does not ask.
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    drop(hanging);
    until("writes are counted again", Duration::from_secs(30), async || {
        (write().send().await.status == 404).then_some(())
    })
    .await;
}
