//! Stop and start on the same state.

use e2e_tests::stack::{Stack, StackError, StateDir, state_dir};
use serde_json::{Value, json};
use std::time::Duration;

async fn start(state: &StateDir) -> Stack {
    Stack::start(&[], state).await.unwrap_or_else(|error| panic!("{error}"))
}

pub async fn a_stop_leaves_no_process() {
    let state = state_dir().expect("a folder");
    let stack = start(&state).await;
    let (ada, ben) = (stack.seeded("Ada"), stack.seeded("Ben"));
    stack.awake(&ben).await;
    let mut socket = stack.socket(&ada).await;
    let stubborn = "trap '' TERM; setsid sleep 600 & while :; do sleep 1; done";
    let command = stack
        .submit(&ada, &json!({"command": stubborn, "timeoutMs": 900_000}))
        .await;
    stack.exec_reaches(&command, "running").await;
    let members = stack.processes();
    for name in ["local-engine", "workerd", "wrangler", "bwrap", "sandboxd", "sleep 600"] {
        assert!(
            members.iter().any(|process| process.command.contains(name)),
            "{name} runs: {members:#?}"
        );
    }
    let stopped = stack.stop().await;
    stopped.assert_clean();
    socket.ends(Duration::from_secs(5)).await;
    assert!(stack.get("/health").attempt().await.is_err(), "nobody listens any more");
}

pub async fn what_was_done_is_still_there_after_a_restart() {
    let state = state_dir().expect("a folder");
    let first = start(&state).await;
    let ada = first.seeded("Ada");
    let newcomer = first.new_user().await;
    let done = first.exec(&ada, &json!({"command": "echo kept"})).await;
    let running = first
        .submit(&ada, &json!({"command": "sleep 600", "timeoutMs": 900_000}))
        .await;
    first.exec_reaches(&running, "running").await;
    let generation = first.generation(&ada).await;
    first.stop().await.assert_clean();

    let second = start(&state).await;
    let result = ada.path(&format!("/exec/{}", done["execId"].as_str().expect("an id")));
    assert_eq!(second.get(&result).admin().send().await.json(200), done);
    let users = second.get("/api/super/users").admin().send().await.json(200);
    let known = |id: &str| {
        users["users"]
            .as_array()
            .is_some_and(|users| users.iter().any(|user| user["userId"] == id))
    };
    assert!(known(&ada.id) && known(&newcomer.id), "{users}");
    // A token from before still opens: the secrets are part of the state.
    second.get("/_molt/boot").user(&newcomer).send().await.expect(200);

    let state = second.lifecycle(&ada, "stopped", Duration::from_secs(45)).await;
    assert_eq!(state["generation"], generation, "reading starts nothing: {state}");
    // The sandbox had the time to say that it stopped the command, or it had not; nobody may say that it ran to an end.
    let ended = second.outcome(&running).await;
    let state = ended["state"].as_str().unwrap_or_default();
    assert!(["lost", "cancelled"].contains(&state), "{ended}");
    assert_eq!(
        (&ended["status"], &ended["exitCode"]),
        (&json!("error"), &Value::Null),
        "{ended}"
    );
    assert_eq!(ended["generation"], generation, "{ended}");
    assert!(ended["error"].as_str().is_some_and(|text| !text.is_empty()), "{ended}");
    assert!(second.engine.running(&ada).await.is_empty(), "nobody needed it yet");

    second.awake(&ada).await;
    assert_eq!(second.generation(&ada).await, generation + 1);
    assert_eq!(second.sh(&ada, "echo again").await, "again\n");
    second.stop().await.assert_clean();
}

pub async fn a_command_right_after_a_restart_runs() {
    let state = state_dir().expect("a folder");
    let first = start(&state).await;
    let ada = first.seeded("Ada");
    first.awake(&ada).await;
    let generation = first.generation(&ada).await;
    first.kill().await;

    // Until the next look at it, which may be twenty seconds away, the stored state is that of a sandbox that runs.
    let second = start(&state).await;
    let ended = second
        .outcome(&second.submit(&ada, &json!({"command": "echo ran"})).await)
        .await;
    assert_eq!(
        (&ended["state"], &ended["stdout"], &ended["generation"]),
        (&json!("succeeded"), &json!("ran\n"), &json!(generation + 1)),
        "{ended}"
    );
    second.stop().await.assert_clean();
}

pub async fn a_second_stack_on_one_state_is_refused() {
    let state = state_dir().expect("a folder");
    let first = start(&state).await;
    std::fs::remove_file(state.path().join("e2e-ready.json")).expect("the ready file");
    match Stack::start(&[], &state).await {
        Err(StackError::Ended(status, output)) => {
            assert!(!status.success() && output.contains("already"), "{status}: {output}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two stacks run on one state"),
    }
    first.get("/health").send().await.expect(200);
    first.stop().await.assert_clean();
}
