//! No room for another sandbox.

use e2e_tests::parts::Part;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use std::time::Duration;

pub async fn whoever_finds_no_room_is_told_and_served_when_there_is_some() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&["--max-containers", "1"], &state).await;
    let stack = stack.unwrap_or_else(|error| panic!("{error}"));
    let first = stack.new_user().await;
    stack.awake(&first).await;

    // A page, which is answered at once and asks again; a command, which waits.
    let second = stack.new_user().await;
    let page = stack.get("/").user(&second).browser().send().await;
    assert_eq!(page.status, 503);
    let boot = until("it is told", Duration::from_secs(10), async || {
        let boot = stack.get("/_molt/boot").user(&second).send().await.json(200);
        boot["cause"]
            .as_str()
            .is_some_and(|cause| cause.contains("no room"))
            .then_some(boot)
    })
    .await;
    assert_eq!(
        (boot["lifecycle"].as_str(), boot["generation"].as_u64()),
        (Some("starting"), Some(1)),
        "{boot}"
    );
    assert!(stack.engine.running(&second).await.is_empty());

    // Somebody goes; nobody but the one who waits comes.
    assert!(stack.signal_part(&first, Part::Container, Signal::SIGKILL).await > 0);
    stack.awake(&second).await;
    // All tries were one start.
    assert_eq!(stack.generation(&second).await, 1);
    stack.stop().await.assert_clean();
}
