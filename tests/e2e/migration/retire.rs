//! The last step.

use crate::flags::backend_of;
use e2e_tests::cli::Ended;
use e2e_tests::operation::{CONTAINER_GATEWAY, NEW_ARCHITECTURE, token_file};
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use std::time::Duration;

/// Until lists have what sandboxes announce.
const LISTED: Duration = Duration::from_secs(30);

async fn migrate(stack: &Stack, arguments: &[&str]) -> Ended {
    let ready = stack.ready.state_dir.join("ready.json");
    let which = ["--local", "--ready-file", ready.to_str().expect("a path")];
    stack.molt(&[&["migrate"], arguments, &which].concat()).await
}

pub async fn what_ran_before_is_retired_when_nobody_needs_it() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&["--legacy"], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let retire = ["retire", "--watch-period"];
    let refused = async |period: &str, said: &str| {
        let ended = migrate(&stack, &[&retire[..], &[period]].concat()).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    };
    refused("0s", "not everybody is on the new path").await;
    let quick = ["--steps", "100", "--watch", "0"];
    stack.operate(NEW_ARCHITECTURE, &quick).await.ended_with(0);
    // By Ada alone: Ben shall not be moved by being watched.
    let ada = token_file(&stack.seeded("Ada"));
    let ada = ada.path().to_str().expect("a path");
    let by_ada = ["--probe-token-file", ada, "--watch-token-file", ada];
    let quick = [&quick[..], &by_ada].concat();
    stack.operate(CONTAINER_GATEWAY, &quick).await.ended_with(0);
    refused("24h", "the watch period ends in 23h").await;
    until("Ada's move is listed", LISTED, async || {
        let ended = migrate(&stack, &[&retire[..], &["0s"]].concat()).await;
        (ended.code == Some(2) && ended.stderr.contains("1 users are still with what ran before")).then_some(())
    })
    .await;
    let ben = stack.seeded("Ben");
    assert_eq!(backend_of(&stack, &stack.ready.url, &ben).await, "container-gateway");
    let ended = until("nobody is left", LISTED, async || {
        let ended = migrate(&stack, &[&retire[..], &["0s"]].concat()).await;
        (ended.code == Some(0)).then_some(ended)
    })
    .await;
    assert!(ended.stdout.contains("LEGACY_MODE=off"), "{ended:?}");
    let status = migrate(&stack, &["status"]).await;
    let told = status.done();
    assert!(
        told.contains("USE_NEW_ADMIN_API: 100 %") && told.contains("0 users are with what ran before"),
        "{told}"
    );
    stack.stop().await.assert_clean();
}
