//! Programs of the stack that are killed.

use e2e_tests::launch::Launch;
use e2e_tests::processes;
use e2e_tests::stack::{Stack, StateDir, state_dir};
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Duration;

async fn start(state: &StateDir) -> Stack {
    Stack::start(&[], state).await.unwrap_or_else(|error| panic!("{error}"))
}

pub async fn a_killed_supervisor_leaves_no_process_and_no_untruth() {
    let state = state_dir().expect("a folder");
    let stack = start(&state).await;
    let ada = stack.seeded("Ada");
    let _socket = stack.socket(&ada).await;
    let command = stack
        .submit(&ada, &json!({"command": "setsid sleep 600", "timeoutMs": 900_000}))
        .await;
    stack.exec_reaches(&command, "running").await;
    let killed = stack.kill().await;
    assert!(killed.left.is_empty(), "processes were left behind: {:#?}", killed.left);

    let again = start(&state).await;
    let lost = again.outcome(&command).await;
    assert_eq!(
        (&lost["state"], &lost["status"]),
        (&json!("lost"), &json!("error")),
        "{lost}"
    );
    assert_eq!(
        (&lost["exitCode"], &lost["generation"]),
        (&Value::Null, &json!(1)),
        "{lost}"
    );
    let stopped = again.lifecycle(&ada, "stopped", Duration::from_secs(45)).await;
    assert_eq!(stopped["generation"], 1, "{stopped}");
    again.awake(&ada).await;
    assert_eq!(again.generation(&ada).await, 2);
    again.stop().await.assert_clean();
}

/// The runtime holds what has not been written; killed in the middle, the stack comes back with what was told to be done.
pub async fn a_killed_runtime_comes_back() {
    let state = state_dir().expect("a folder");
    let stack = start(&state).await;
    let ada = stack.seeded("Ada");
    let done = stack.exec(&ada, &json!({"command": "echo kept"})).await;
    let generation = stack.generation(&ada).await;
    let wrangler = stack.ready.process("workers");
    let runtimes = processes::tree(wrangler)
        .into_iter()
        .filter(|process| process.command.contains("workerd serve"));
    let runtimes: Vec<i32> = runtimes.map(|process| process.pid).collect();
    assert!(!runtimes.is_empty());
    for pid in runtimes {
        Launch::signal(pid, Signal::SIGKILL);
    }
    let result = ada.path(&format!("/exec/{}", done["execId"].as_str().expect("an id")));
    let kept = until("the stack answers again", Duration::from_secs(120), async || {
        let reply = stack.get(&result).admin().attempt().await.ok()?;
        (reply.status == 200).then(|| reply.json(200))
    })
    .await;
    assert_eq!(kept, done);
    stack.awake(&ada).await;
    let now = stack.generation(&ada).await;
    assert!(now == generation || now == generation + 1, "{generation} became {now}");
    // The old container may need a moment to go; two agents of one user must not stay beside each other.
    until("one container is left", Duration::from_secs(30), async || {
        (stack.engine.running(&ada).await.len() == 1).then_some(())
    })
    .await;
    assert_eq!(stack.sh(&ada, "echo again").await, "again\n");
    stack.stop().await.assert_clean();
}
