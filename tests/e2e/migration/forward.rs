//! The way that operators go, when nothing is wrong.

use crate::flags::{ADMIN, GATEWAY, admin_backend, all_legacy, backend_of, flag, setting};
use e2e_tests::migration::stranger;
use e2e_tests::operation::{CONTAINER_GATEWAY, NEW_ARCHITECTURE, ROLLBACK, token_file};
use e2e_tests::stack::Stack;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

pub async fn a_dry_run_touches_nothing(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    let before = (flag(&stack, ADMIN).await, flag(&stack, GATEWAY).await);
    let user = stranger(&stack);
    let token = token_file(&user);
    let token = token.path().to_str().expect("a path");
    for script in [NEW_ARCHITECTURE, CONTAINER_GATEWAY] {
        let ended = stack
            .operate(script, &["--dry-run", "--probe-token-file", token, "--steps", "7,100"])
            .await;
        ended.ended_with(0);
        let would: Vec<_> = ended.events.iter().filter(|event| event["event"] == "would").collect();
        assert_eq!(would.len(), 3, "two steps and the undo: {ended:#?}");
        assert_eq!(would[0]["setting"]["percent"], 7);
    }
    stack.operate(ROLLBACK, &["--dry-run"]).await.ended_with(0);
    assert_eq!((flag(&stack, ADMIN).await, flag(&stack, GATEWAY).await), before);
    let state = stack.ready.state_dir.join("migration.json");
    assert!(!state.exists(), "a dry run leaves no state behind");
    assert!(!state.with_extension("lock").exists());
    stack.engine.none(&user).await;
}

pub async fn both_flags_go_by_steps_and_come_back_in_one_call(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    let (probe, other) = (stranger(&stack), stranger(&stack));
    let (probe_file, other_file) = (token_file(&probe), token_file(&other));
    let path = |file: &tempfile::NamedTempFile| file.path().to_str().expect("a path").to_owned();
    let urls = &stack.ready.urls;

    let ended = stack
        .operate(NEW_ARCHITECTURE, &["--steps", "50,100", "--watch", "3"])
        .await;
    ended.ended_with(0);
    assert_eq!(ended.percentages("reached"), [50, 100]);
    let watched = &ended.event("reached")["watched"];
    assert!(
        watched["asked"].as_u64() >= Some(3) && watched["failed"] == 0,
        "{watched}"
    );
    for url in urls {
        assert_eq!(admin_backend(&stack, url).await, "admin");
        assert_eq!(
            backend_of(&stack, url, &other).await,
            "legacy",
            "users stay where they are"
        );
    }
    assert_eq!(flag(&stack, GATEWAY).await["source"], "var");
    assert!(
        ended.stderr.contains(CONTAINER_GATEWAY),
        "the next step is told: {}",
        ended.stderr
    );

    let (probe_path, other_path) = (path(&probe_file), path(&other_file));
    let options = [
        "--steps",
        "20,100",
        "--watch",
        "3",
        "--probe-token-file",
        &probe_path,
        "--watch-token-file",
        &other_path,
    ];
    let ended = stack.operate(CONTAINER_GATEWAY, &options).await;
    ended.ended_with(0);
    assert_eq!(ended.percentages("probed"), [20, 100]);
    for url in urls {
        assert_eq!(backend_of(&stack, url, &probe).await, "container-gateway");
        assert_eq!(backend_of(&stack, url, &other).await, "container-gateway");
    }
    assert_eq!(
        setting(&stack, GATEWAY).await["allow"],
        json!([]),
        "the probe leaves nothing behind"
    );
    let state = stack.ready.state_dir.join("migration.json");
    let text = std::fs::read_to_string(&state).expect("the state");
    assert_eq!(state.metadata().expect("the state").permissions().mode() & 0o777, 0o600);
    assert!(!text.contains(&probe.token) && !text.contains(&stack.ready.admin_secret));

    let ended = stack
        .operate(ROLLBACK, &["--probe-token-file", &probe_path, "--discard-disk"])
        .await;
    ended.ended_with(0);
    assert_eq!(ended.event("rolled_back")["by"], "control-plane");
    for url in urls {
        assert_eq!(admin_backend(&stack, url).await, "legacy");
        assert_eq!(backend_of(&stack, url, &probe).await, "legacy");
    }
    for name in [ADMIN, GATEWAY] {
        assert_eq!(setting(&stack, name).await["killed"], true);
    }
}

pub async fn what_is_done_already_is_not_done_again(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    let quick = ["--steps", "100", "--watch", "0"];
    stack.operate(NEW_ARCHITECTURE, &quick).await.ended_with(0);
    let before = flag(&stack, ADMIN).await;
    let ended = stack.operate(NEW_ARCHITECTURE, &quick).await;
    ended.ended_with(0);
    assert_eq!(ended.event("nothing_to_do")["percent"], 100);
    assert_eq!(flag(&stack, ADMIN).await, before);
    let ended = stack.operate(NEW_ARCHITECTURE, &["--resume"]).await;
    ended.ended_with(0).event("nothing_to_resume");
}

pub async fn a_killed_flag_is_lifted_only_on_demand(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    stack.operate(ROLLBACK, &["--flag", ADMIN]).await.ended_with(0);
    assert_eq!(
        flag(&stack, GATEWAY).await["source"],
        "var",
        "the other flag is not touched"
    );
    let quick = ["--steps", "100", "--watch", "0"];
    let ended = stack.operate(NEW_ARCHITECTURE, &quick).await;
    ended.ended_with(2);
    assert!(ended.stderr.contains("killed"), "{}", ended.stderr);
    assert_eq!(setting(&stack, ADMIN).await["killed"], true);
    stack
        .operate(NEW_ARCHITECTURE, &[&quick[..], &["--lift-kill"]].concat())
        .await
        .ended_with(0);
    assert_eq!(setting(&stack, ADMIN).await["percent"], 100);
}
