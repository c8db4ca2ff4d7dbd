//! What is not as it should be stops a migration, undoes it, and is told by the exit code.

use crate::flags::{ADMIN, GATEWAY, all_legacy, backend_of, flag, setting};
use e2e_tests::hanging::Hanging;
use e2e_tests::migration::stranger;
use e2e_tests::operation::{CONTAINER_GATEWAY, NEW_ARCHITECTURE, Operation, token_file};
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use molt_common::flag::{Flag, Subject, rule};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub async fn a_new_path_that_answers_wrongly_is_undone(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    // Somebody had begun by hand: that is what an undo has to bring back.
    let by_hand = json!({"enabled": true, "percent": 3, "deny": ["somebody"], "reason": "by hand"});
    let path = format!("/api/super/flags/{GATEWAY}");
    stack.call("PUT", &path).admin().json(&by_hand).send().await.expect(200);
    let before = setting(&stack, GATEWAY).await;
    // Somebody whom that little share has not moved already.
    let by_hand = serde_json::from_value(by_hand).expect("a setting");
    let is_moved = |user: &User| {
        let subject = Subject::parse(&user.id).expect("a subject");
        rule(Flag::NewContainerGateway, &by_hand, Some(&subject)).on
    };
    let probe = std::iter::repeat_with(|| stranger(&stack))
        .find(|user| !is_moved(user))
        .expect("one");
    let token = token_file(&probe);
    // What ran before answers every path, the new agent does not know this one.
    let options = [
        "--probe-path",
        "/no-such-page",
        "--discard-disk",
        "--watch",
        "1",
        "--probe-token-file",
    ];
    let options = [&options[..], &[token.path().to_str().expect("a path")]].concat();
    let ended = stack.operate(CONTAINER_GATEWAY, &options).await;
    ended.ended_with(1);
    assert!(
        ended.event("check_failed")["why"]
            .as_str()
            .expect("why")
            .contains("404"),
        "{ended:#?}"
    );
    assert_eq!(ended.percentages("set"), [5], "it was not widened");
    assert_eq!(ended.event("undone")["by"], "control-plane");
    ended.event("old_path");
    assert_eq!(ended.event("ended")["outcome"], "undone");
    assert_eq!(setting(&stack, GATEWAY).await, before);
    assert_eq!(backend_of(&stack, &stack.ready.url, &probe).await, "legacy");
    let resumed = stack
        .operate(CONTAINER_GATEWAY, &[&options[..], &["--resume"]].concat())
        .await;
    resumed.ended_with(0).event("nothing_to_resume");
}

pub async fn somebody_elses_change_is_left_alone(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    let operation = Operation::start(&stack, NEW_ARCHITECTURE, &["--steps", "5,100", "--watch", "4"]);
    operation.told("probed", 5, Duration::from_secs(60)).await;
    let path = format!("/api/super/flags/{ADMIN}");
    let theirs = json!({"enabled": true, "percent": 42, "reason": "somebody else"});
    stack.call("PUT", &path).admin().json(&theirs).send().await.expect(200);
    let ended = operation.end(Duration::from_secs(60)).await;
    ended.ended_with(3);
    assert!(ended.stderr.contains("somebody else"), "{}", ended.stderr);
    let seen = flag(&stack, ADMIN).await;
    assert_eq!(
        (&seen["percent"], &seen["reason"]),
        (&json!(42), &json!("somebody else"))
    );
    let again = stack.operate(NEW_ARCHITECTURE, &["--watch", "1"]).await;
    again.ended_with(2);
    assert_eq!(flag(&stack, ADMIN).await, seen, "nor does the next run touch it");
    std::fs::remove_file(stack.ready.state_dir.join("migration.json")).expect("the state, as the message says");
}

pub async fn what_is_missing_is_said_before_anything_is_done(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    let before = (flag(&stack, ADMIN).await, flag(&stack, GATEWAY).await);
    let probe = stranger(&stack);
    let denied = json!({"enabled": false, "percent": 0, "deny": [probe.id], "reason": "a test"});
    let token = token_file(&probe);
    let token = token.path().to_str().expect("a path");
    let cases: [(&[&str], &str); 4] = [
        (&["--probe-token-file", "/no/such/file"], "/no/such/file"),
        (&["--probe-token-file", "/dev/null"], "--probe-subject"),
        (&["--steps", "50,5"], "--steps"),
        (
            &["--probe-token-file", token, "--probe-subject", "not a subject"],
            "--probe-subject",
        ),
    ];
    for (options, said) in cases {
        let ended = stack.operate(CONTAINER_GATEWAY, options).await;
        ended.ended_with(2);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    assert_eq!((flag(&stack, ADMIN).await, flag(&stack, GATEWAY).await), before);
    let path = format!("/api/super/flags/{GATEWAY}");
    stack.call("PUT", &path).admin().json(&denied).send().await.expect(200);
    let before = flag(&stack, GATEWAY).await;
    let ended = stack.operate(CONTAINER_GATEWAY, &["--probe-token-file", token]).await;
    ended.ended_with(2);
    assert!(ended.stderr.contains("deny list"), "{}", ended.stderr);
    assert_eq!(flag(&stack, GATEWAY).await, before);
}

pub async fn without_a_way_back_nothing_is_begun(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    let before = flag(&stack, ADMIN).await;
    let hanging = Hanging::begin(&stack, "legacy");
    let ended = stack.operate(NEW_ARCHITECTURE, &[]).await;
    drop(hanging);
    ended.ended_with(2);
    assert!(ended.stderr.contains("no way back"), "{}", ended.stderr);
    assert_eq!(flag(&stack, ADMIN).await, before);
}
