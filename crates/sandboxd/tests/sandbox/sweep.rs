//! What an earlier agent has left does not meet the next one.

use std::net::TcpListener;

use molt_common::control::SupervisorPhase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Sandbox, cmdline, eventually, is_alive, shell, tree};

fn find(sandbox: &Sandbox, words: &str) -> Option<Pid> {
    tree(sandbox.init_pid())
        .into_iter()
        .find(|pid| is_alive(*pid) && cmdline(*pid).contains(words))
}

#[tokio::test]
async fn an_agent_whose_shim_and_serve_are_killed_at_any_moment_is_never_there_twice() {
    let sandbox = Sandbox::ready().await;
    for round in 0..6 {
        let before = sandbox.phase(SupervisorPhase::Ready).await;
        let shim = find(&sandbox, "run-agent").unwrap();
        let mut victims = vec![shim, sandbox.serve_pid()];
        if round % 2 == 0 {
            victims.reverse();
        }
        if round % 3 == 0 {
            // The agent does not end with its shim before it is looked for.
            victims.truncate(1);
        }
        for victim in &victims {
            let _ = kill(*victim, Signal::SIGKILL);
        }
        let shim_died = victims.contains(&shim);
        sandbox
            .status_where(|status| {
                let agents: Vec<Pid> = tree(sandbox.init_pid())
                    .into_iter()
                    .filter(|pid| is_alive(*pid) && cmdline(*pid).contains("echo-agent"))
                    .collect();
                assert!(agents.len() <= 1, "{agents:?}");
                status.phase == SupervisorPhase::Ready && (!shim_died || status.agent_pid != before.agent_pid)
            })
            .await;
    }
}

#[tokio::test]
async fn what_the_agent_had_started_ends_with_it_and_daemons_of_commands_stay() {
    let sandbox = Sandbox::ready().await;
    // Over once the daemon has left its session.
    let daemon = "setsid sh -c 'touch up; exec sleep 301' > /dev/null 2>&1 & while [ ! -e up ]; do sleep 0.05; done";
    sandbox.run(shell("daemon", daemon)).await;
    let before = sandbox.status().await;
    let agent = before.agent_pid.unwrap();
    // As a tool of the agent's: below it, in a session of its own.
    let started = sandbox
        .proxy(reqwest::Method::POST, "/spawn?seconds=302")
        .send()
        .await
        .unwrap();
    assert!(started.status().is_success());
    let tool = eventually(|| async { find(&sandbox, "sleep 302") }).await;
    let daemon = eventually(|| async { find(&sandbox, "sleep 301") }).await;
    kill(find(&sandbox, "run-agent").unwrap(), Signal::SIGKILL).unwrap();
    sandbox
        .status_where(|status| status.phase == SupervisorPhase::Ready && status.agent_pid != Some(agent))
        .await;
    assert!(!is_alive(tool), "it would work on beside the next agent");
    assert!(is_alive(daemon), "what a command has left was meant to stay");
}

#[tokio::test]
async fn locks_of_the_dead_go_before_the_agent_starts() {
    let own = std::process::id();
    let sandbox = Sandbox::of_with("echo", &[], |home| {
        let locks = home.join(".openclaw/tmp/openclaw-1000");
        std::fs::create_dir_all(&locks).unwrap();
        std::fs::write(locks.join("gateway.dead.lock"), "{\"pid\":99999999}").unwrap();
        std::fs::write(locks.join("gateway.alive.lock"), format!("{{\"pid\":{own}}}")).unwrap();
    });
    sandbox.phase(SupervisorPhase::Ready).await;
    let locks = sandbox.home().join(".openclaw/tmp/openclaw-1000");
    assert!(!locks.join("gateway.dead.lock").exists());
    assert!(locks.join("gateway.alive.lock").exists());
}

#[tokio::test]
async fn a_port_that_somebody_else_has_is_a_clear_cause() {
    let sandbox = Sandbox::ready().await;
    let port = sandbox.agent_port;
    let agent = Pid::from_raw(sandbox.status().await.agent_pid.unwrap() as i32);
    kill(agent, Signal::SIGKILL).unwrap();
    // Between its end and its next start.
    let taken = eventually(|| async { TcpListener::bind(("127.0.0.1", port)).ok() }).await;
    let failed = sandbox
        .status_where(|status| status.cause.as_ref().is_some_and(|cause| cause.starts_with("port")))
        .await;
    let cause = failed.cause.unwrap();
    assert!(
        cause.starts_with(&format!("port {port} is taken by process {} (", std::process::id())),
        "{cause}"
    );
    drop(taken);
    sandbox.phase(SupervisorPhase::Ready).await;
}

#[tokio::test]
async fn the_end_of_the_agent_is_seen_within_a_second() {
    let sandbox = Sandbox::ready().await;
    std::fs::write(sandbox.home().join(".echo-start-delay-ms"), "600000").unwrap();
    let agent = sandbox.status().await.agent_pid.unwrap();
    kill(Pid::from_raw(agent as i32), Signal::SIGKILL).unwrap();
    let begun = std::time::Instant::now();
    sandbox.status_where(|status| status.agent_pid != Some(agent)).await;
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}
