//! Commands that are stopped, and what they leave behind.

use std::time::{Duration, Instant};

use molt_common::control::ExecState;
use nix::unistd::Pid;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Sandbox, eventually, is_alive, request, shell};

/// Process ids that a command has written to a file, once it has written `count`.
async fn pids(sandbox: &Sandbox, file: &str, count: usize) -> Vec<Pid> {
    eventually(|| async {
        let text = std::fs::read_to_string(sandbox.home().join(file)).ok()?;
        let pids: Vec<Pid> = text
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok().map(Pid::from_raw))
            .collect();
        (pids.len() == count).then_some(pids)
    })
    .await
}

async fn all_gone(pids: Vec<Pid>) {
    eventually(|| async { pids.iter().all(|pid| !is_alive(*pid)).then_some(()) }).await;
}

#[tokio::test]
async fn a_timeout_ends_the_whole_tree() {
    let sandbox = Sandbox::ready().await;
    let command = "sleep 300 & echo $! >> pids; setsid sh -c 'echo $$ >> pids; exec sleep 300' & echo said; sleep 300";
    let report = sandbox
        .run(request(
            json!({ "execId": "slow", "command": command, "timeoutMs": 1500 }),
        ))
        .await;
    assert_eq!(
        (report.state, report.exit_code, report.signal),
        (ExecState::TimedOut, None, Some(15))
    );
    assert!(report.error.as_deref().unwrap().contains("1500 ms"));
    assert_eq!(report.stdout, "said\n");
    all_gone(pids(&sandbox, "pids", 2).await).await;
}

#[tokio::test]
async fn a_command_that_ignores_term_is_killed() {
    let sandbox = Sandbox::ready().await;
    let begun = Instant::now();
    let command = "trap '' TERM; while true; do sleep 1; done";
    let report = sandbox
        .run(request(
            json!({ "execId": "stubborn", "command": command, "timeoutMs": 300 }),
        ))
        .await;
    assert_eq!((report.state, report.signal), (ExecState::TimedOut, Some(9)));
    assert!(begun.elapsed() >= Duration::from_secs(5), "it had its 5 s");
}

#[tokio::test]
async fn a_command_that_answers_term_keeps_its_own_code() {
    let sandbox = Sandbox::ready().await;
    let command = "trap 'echo bye; exit 4' TERM; echo up; while true; do sleep 0.05; done";
    let report = sandbox
        .run(request(
            json!({ "execId": "polite", "command": command, "timeoutMs": 500 }),
        ))
        .await;
    assert_eq!(
        (report.state, report.exit_code, report.stdout.as_str()),
        (ExecState::TimedOut, Some(4), "up\nbye\n")
    );
}

#[tokio::test]
async fn a_cancel_ends_it_and_is_idempotent() {
    let sandbox = Sandbox::ready().await;
    sandbox
        .start_exec(&shell("long", "echo $$ > pids; exec sleep 300"))
        .await;
    let running = pids(&sandbox, "pids", 1).await;
    let cancel = || async {
        sandbox
            .control(Method::DELETE, "/v1/exec/long")
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(cancel().await, StatusCode::ACCEPTED);
    let report = sandbox.exec_ended("long").await;
    assert_eq!(
        (report.state, report.exit_code, report.signal),
        (ExecState::Cancelled, None, Some(15))
    );
    all_gone(running).await;
    assert_eq!(cancel().await, StatusCode::ACCEPTED);
    assert_eq!(
        sandbox.exec_now("long").await,
        report,
        "a cancel after the end changes nothing"
    );
}

#[tokio::test]
async fn a_background_child_that_holds_the_output_does_not_hold_the_result() {
    let sandbox = Sandbox::ready().await;
    let begun = Instant::now();
    let report = sandbox
        .run(shell("holder", "sleep 300 & echo $! > pids; echo done"))
        .await;
    assert_eq!(
        (report.state, report.exit_code, report.stdout.as_str()),
        (ExecState::Succeeded, Some(0), "done\n")
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
    all_gone(pids(&sandbox, "pids", 1).await).await;
}

#[tokio::test]
async fn output_that_comes_shortly_after_the_exit_is_still_taken() {
    let sandbox = Sandbox::ready().await;
    let report = sandbox.run(shell("late", "(sleep 0.2; echo late) & echo early")).await;
    assert_eq!(report.stdout, "early\nlate\n");
}

#[tokio::test]
async fn a_daemon_in_a_session_of_its_own_stays_until_the_sandbox_stops() {
    let sandbox = Sandbox::ready().await;
    let report = sandbox
        .run(shell(
            "daemon",
            "setsid sh -c 'echo $$ > pids; exec sleep 300' > /dev/null 2>&1 & while [ ! -s pids ]; do sleep 0.02; done",
        ))
        .await;
    assert_eq!(report.state, ExecState::Succeeded);
    let daemon = pids(&sandbox, "pids", 1).await;
    assert!(is_alive(daemon[0]), "it left its session to stay");
    assert_eq!(sandbox.stop().await.code(), Some(0));
    assert!(!is_alive(daemon[0]));
}
