//! What ran before is dead, has no fence, or something dies in the middle of a move.

use crate::world::{MOVE_LIMIT, Watch, answered_by, assert_apart, cover, legacy, person, placed};
use e2e_tests::launch::Launch;
use e2e_tests::people::User;
use e2e_tests::processes;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn signal(stack: &Stack, program: &str, signal: Signal) {
    let root = stack.ready.process(program);
    for process in processes::tree(root) {
        Launch::signal(process.pid, signal);
    }
}

pub async fn a_silent_legacy_keeps_nobody_from_the_platform_who_is_there(stack: Arc<Stack>) {
    let (moved, waiting) = (person(&stack), person(&stack));
    answered_by(&stack, &waiting, "legacy").await;
    cover(&stack, &[&moved], false).await;
    answered_by(&stack, &moved, "container-gateway").await;
    cover(&stack, &[&moved, &waiting], false).await;
    signal(&stack, "legacy", Signal::SIGSTOP);
    let told = until("it is said why he does not move", Duration::from_secs(30), async || {
        let there = stack.get("/echo").user(&moved).send().await;
        assert_eq!(
            (there.status, there.backend()),
            (200, "container-gateway"),
            "{}",
            there.text()
        );
        // Only the fence and the old worker itself could answer him.
        let push = stack.get("/echo").user(&waiting);
        let _ = tokio::time::timeout(Duration::from_millis(500), push.attempt()).await;
        placed(&stack, &waiting)
            .await
            .filter(|placed| !placed["refused"].is_null())
    });
    let told = told.await;
    signal(&stack, "legacy", Signal::SIGCONT);
    assert!(
        told["refused"]
            .as_str()
            .is_some_and(|why| why.contains("does not answer")),
        "{told}"
    );
    assert_eq!(told["owner"], "legacy", "{told}");
    answered_by(&stack, &waiting, "container-gateway").await;
    assert_apart(&stack, &waiting).await;
}

pub async fn a_dead_legacy_is_said_to_whom_it_serves_and_hurts_nobody_else() {
    let stack = stack(&[]).await;
    let (moved, waiting) = (stack.seeded("Ada"), stack.seeded("Ben"));
    cover(&stack, &[&moved], false).await;
    answered_by(&stack, &moved, "container-gateway").await;
    answered_by(&stack, &waiting, "legacy").await;
    // The runtime finds no worker again that was killed and came back: this stack is for nothing else.
    signal(&stack, "legacy", Signal::SIGKILL);
    let told = until("it is said", Duration::from_secs(30), async || {
        let reply = stack.get("/echo").user(&waiting).send().await;
        (reply.status == 503).then_some(reply)
    });
    told.await.problem(503, "legacy_unreachable");
    for _ in 0..5 {
        let there = stack.get("/echo").user(&moved).send().await;
        assert_eq!((there.status, there.backend()), (200, "container-gateway"));
    }
    stack.stop().await.assert_clean();
}

async fn stack(flags: &[&str]) -> Arc<Stack> {
    let state = state_dir().expect("a folder");
    let all: Vec<&str> = ["--legacy", "--var", "router.USE_NEW_ADMIN_API=true"]
        .iter()
        .chain(flags)
        .copied()
        .collect();
    Arc::new(
        Stack::start(&all, &state)
            .await
            .unwrap_or_else(|error| panic!("{error}")),
    )
}

pub async fn without_a_fence_nobody_is_moved() {
    let stack = stack(&["--var", "legacy.FENCE=off"]).await;
    let user = stack.seeded("Ada");
    cover(&stack, &[&user], false).await;
    let told = until("it is said", MOVE_LIMIT, async || {
        answered_by(&stack, &user, "legacy").await;
        placed(&stack, &user)
            .await
            .filter(|placed| !placed["refused"].is_null())
    })
    .await;
    assert!(
        told["refused"].as_str().is_some_and(|why| why.contains("no fence")),
        "{told}"
    );
    assert_eq!(
        (&told["owner"], &told["moving"]),
        (&json!("legacy"), &json!(false)),
        "{told}"
    );
    stack.engine.none(&user).await;
    stack.stop().await.assert_clean();
}

/// Calls as the user without a pause, whatever comes of it.
async fn pushes(stack: &Stack, user: &User, until_true: impl AsyncFn() -> bool) {
    until("the move has begun", MOVE_LIMIT, async || {
        let push = stack.get("/echo").user(user);
        let _ = tokio::time::timeout(Duration::from_millis(500), push.attempt()).await;
        until_true().await.then_some(())
    })
    .await;
}

pub async fn a_runtime_killed_in_the_middle_of_a_move_completes_it() {
    let stack = stack(&["--var", "legacy.AGENT_STOP_MS=3000"]).await;
    let user = stack.seeded("Ada");
    answered_by(&stack, &user, "legacy").await;
    let watch = Watch::begin(&stack, &user);
    cover(&stack, &[&user], false).await;
    let fenced = async || {
        legacy(&stack, &user)
            .await
            .is_some_and(|old| old["fence"]["owner"] == "new")
    };
    pushes(&stack, &user, fenced).await;
    let fence = legacy(&stack, &user).await.expect("it answers")["fence"].clone();
    assert_eq!(fence["agentRunning"], true, "killed too late: {fence}");
    signal(&stack, "workers", Signal::SIGKILL);
    answered_by(&stack, &user, "container-gateway").await;

    cover(&stack, &[], true).await;
    let leaves = async || {
        let state = stack.get(&user.path("/state")).admin().attempt().await;
        state.is_ok_and(|state| state.status == 200 && state.json(200)["lifecycle"] == "stopping")
    };
    pushes(&stack, &user, leaves).await;
    signal(&stack, "workers", Signal::SIGKILL);
    answered_by(&stack, &user, "legacy").await;
    stack.engine.none(&user).await;
    watch.end().await;
    assert_apart(&stack, &user).await;
    stack.stop().await.assert_clean();
}
