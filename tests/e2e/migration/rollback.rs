//! Rollbacks when something else is broken already.

use crate::flags::{ADMIN, GATEWAY, admin_backend, all_legacy, backend_of, flag};
use e2e_tests::hanging::Hanging;
use e2e_tests::migration::stranger;
use e2e_tests::operation::{CONTAINER_GATEWAY, NEW_ARCHITECTURE, ROLLBACK, token_file};
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use std::sync::Arc;
use std::time::Duration;

/// Until the admin worker has adopted an override after its return.
const ADOPTED: Duration = Duration::from_secs(60);

pub async fn without_the_admin_worker_the_override_rolls_back_and_stays(stack: Arc<Stack>) {
    all_legacy(&stack).await;
    let probe = stranger(&stack);
    let token = token_file(&probe);
    let token = token.path().to_str().expect("a path");
    let quick = ["--steps", "100", "--watch", "0"];
    stack.operate(NEW_ARCHITECTURE, &quick).await.ended_with(0);
    let quick = [&quick[..], &["--probe-token-file", token]].concat();
    stack.operate(CONTAINER_GATEWAY, &quick).await.ended_with(0);
    assert_eq!(backend_of(&stack, &stack.ready.url, &probe).await, "container-gateway");

    let hanging = Hanging::begin(&stack, "admin");
    let options = [
        "--probe-token-file",
        token,
        "--discard-disk",
        "--reason",
        "the admin worker hangs",
    ];
    let ended = stack.operate(ROLLBACK, &options).await;
    ended.ended_with(0);
    assert_eq!(ended.event("rolled_back")["by"], "override");
    for url in &stack.ready.urls {
        assert_eq!(admin_backend(&stack, url).await, "legacy");
        assert_eq!(backend_of(&stack, url, &probe).await, "legacy");
    }
    drop(hanging);

    // It is adopted, not undone: at no time does anybody see the new path again.
    for name in [ADMIN, GATEWAY] {
        let adopted = until("the override is adopted", ADOPTED, async || {
            for url in &stack.ready.urls {
                assert_eq!(admin_backend(&stack, url).await, "legacy");
                assert_eq!(backend_of(&stack, url, &probe).await, "legacy");
            }
            let call = stack
                .get(&format!("/api/super/flags/{name}"))
                .admin()
                .attempt()
                .await
                .ok()?;
            let flag = (call.status == 200).then(|| call.json(200))?;
            (flag["killed"] == true).then_some(flag)
        })
        .await;
        assert_eq!(adopted["reason"], "the admin worker hangs");
    }
}

pub async fn without_anything_to_go_back_to_an_outage_must_be_allowed() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let before = (flag(&stack, ADMIN).await, flag(&stack, GATEWAY).await);
    let ended = stack.operate(ROLLBACK, &[]).await;
    ended.ended_with(2);
    assert!(ended.stderr.contains("--allow-outage"), "{}", ended.stderr);
    assert_eq!((flag(&stack, ADMIN).await, flag(&stack, GATEWAY).await), before);
    let ada = stack.seeded("Ada");
    stack.get("/_molt/boot").user(&ada).send().await.expect(200);
    let migrated = stack.operate(NEW_ARCHITECTURE, &[]).await;
    migrated.ended_with(0).event("nothing_to_do");

    let ended = stack.operate(ROLLBACK, &["--allow-outage", "--flag", GATEWAY]).await;
    ended.ended_with(0);
    assert_eq!(ended.event("old_path")["legacy"], false);
    stack
        .get("/_molt/boot")
        .user(&ada)
        .send()
        .await
        .problem(503, "switched_off");
    stack.get("/api/super/users").admin().send().await.expect(200);
    stack.stop().await.assert_clean();
}
