//! Runs that end in the middle.

use crate::flags::{ADMIN, admin_backend, all_legacy, flag, setting};
use e2e_tests::operation::{NEW_ARCHITECTURE, Operation};
use e2e_tests::stack::Stack;
use nix::sys::signal::Signal;
use std::sync::Arc;
use std::time::Duration;

/// Until a step is reached.
const SOON: Duration = Duration::from_secs(60);

pub async fn a_run_that_was_killed_goes_on_where_it_was(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    let steps = ["--steps", "5,60,100", "--watch"];
    let operation = Operation::start(&stack, NEW_ARCHITECTURE, &[&steps[..], &["2"]].concat());
    operation.told("set", 60, SOON).await;
    operation.kill_program();
    operation.end(SOON).await.ended_with(137);
    let left = flag(&stack, ADMIN).await;
    assert_eq!(left["percent"], 60);
    let ended = stack.operate(NEW_ARCHITECTURE, &[&steps[..], &["1"]].concat()).await;
    ended.ended_with(0);
    assert_eq!(
        ended.event("resumed")["percent"],
        5,
        "what was not seen through is done again"
    );
    assert_eq!(ended.percentages("reached"), [60, 100]);
    assert_eq!(ended.percentages("set"), [100], "what was written is not written twice");
    assert_eq!(admin_backend(&stack, &stack.ready.url).await, "admin");
}

pub async fn ctrl_c_leaves_the_flag_where_it_is(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    let operation = Operation::start(&stack, NEW_ARCHITECTURE, &["--steps", "5,100", "--watch", "60"]);
    operation.told("probed", 5, SOON).await;
    operation.signal(Signal::SIGINT);
    let ended = operation.end(SOON).await;
    ended.ended_with(130);
    assert!(
        ended.stderr.contains("molt migrate rollback"),
        "the way back is told: {}",
        ended.stderr
    );
    let left = setting(&stack, ADMIN).await;
    assert_eq!((&left["percent"], &left["killed"]), (&5.into(), &false.into()));
    let ended = stack
        .operate(NEW_ARCHITECTURE, &["--steps", "5,100", "--watch", "1", "--resume"])
        .await;
    ended.ended_with(0);
    assert_eq!(ended.percentages("reached"), [5, 100]);
}
