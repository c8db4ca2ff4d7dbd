//! Restarts of the agent that are asked for.

use molt_common::control::{AgentRestart, SupervisorPhase};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Sandbox, cmdline, error_of, eventually, is_alive, tree};

async fn ask(sandbox: &Sandbox, id: &str) -> reqwest::Response {
    let request = sandbox
        .control(Method::POST, "/v1/agent/restart")
        .json(&json!({ "id": id }));
    request.send().await.unwrap()
}

async fn taken(sandbox: &Sandbox, id: &str) -> AgentRestart {
    let answer = ask(sandbox, id).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    answer.json().await.unwrap()
}

/// Processes that are an agent, of which there must never be two.
fn agents(sandbox: &Sandbox) -> Vec<Pid> {
    let all = tree(sandbox.init_pid());
    all.into_iter()
        .filter(|pid| is_alive(*pid) && cmdline(*pid).contains("echo-agent"))
        .collect()
}

fn pid(id: Option<u32>) -> Pid {
    Pid::from_raw(id.unwrap() as i32)
}

#[tokio::test]
async fn it_is_done_once_and_the_disk_stays() {
    let sandbox = Sandbox::ready().await;
    let before = sandbox.status().await;
    std::fs::write(sandbox.home().join("mine"), "kept").unwrap();
    assert!(!taken(&sandbox, "r1").await.done);
    let after = sandbox
        .status_where(|status| {
            status.phase == SupervisorPhase::Ready && status.restart.as_ref().is_some_and(|restart| restart.done)
        })
        .await;
    assert_eq!((&after.boot_id, after.generation), (&before.boot_id, before.generation));
    assert_eq!(after.agent_restarts, 1);
    assert_ne!(after.agent_pid, before.agent_pid);
    assert!(!is_alive(pid(before.agent_pid)));
    assert_eq!(std::fs::read(sandbox.home().join("mine")).unwrap(), b"kept");
    assert!(taken(&sandbox, "r1").await.done, "the same id is the same restart");
    assert_eq!(sandbox.status().await.agent_pid, after.agent_pid);
}

#[tokio::test]
async fn a_second_one_is_refused_while_the_first_is_under_way() {
    let sandbox = Sandbox::ready().await;
    // It takes its grace to end.
    kill(pid(sandbox.status().await.agent_pid), Signal::SIGSTOP).unwrap();
    assert!(!taken(&sandbox, "first").await.done);
    let (status, error) = error_of(ask(&sandbox, "second").await).await;
    assert_eq!((status, error.code.as_str()), (StatusCode::CONFLICT, "conflict"));
    assert!(error.error.contains("first"), "{}", error.error);
    for id in ["", "a b", "../x"] {
        let (status, error) = error_of(ask(&sandbox, id).await).await;
        assert_eq!(
            (status, error.code.as_str()),
            (StatusCode::BAD_REQUEST, "invalid_request"),
            "{id}"
        );
    }
    let wrong = sandbox.control(Method::GET, "/v1/agent/restart").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_crashing_agent_is_started_again_at_once() {
    let sandbox = Sandbox::of("openclaw", &["--node-bin", "/no/such/folder"]);
    // Until its pauses are long: 0.5, 1, 2, 4 s.
    let crashed = sandbox.status_where(|status| status.agent_restarts >= 3).await;
    assert!(crashed.cause.is_some() || crashed.phase != SupervisorPhase::Failed);
    sandbox.phase(SupervisorPhase::Failed).await;
    let begun = std::time::Instant::now();
    taken(&sandbox, "now").await;
    let told = sandbox
        .status_where(|status| status.restart.as_ref().is_some_and(|restart| restart.error.is_some()))
        .await;
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(3),
        "its pause was not waited for"
    );
    let restart = told.restart.unwrap();
    assert!(!restart.done);
    assert!(restart.error.unwrap().contains("/no/such/folder/node"));
    assert!(!taken(&sandbox, "another").await.done, "what has failed is over");
}

#[tokio::test]
async fn sockets_are_told_before_the_agent_ends() {
    use futures_util::StreamExt;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let sandbox = Sandbox::ready().await;
    let mut request = format!("ws://{}", sandbox.proxy_address("/"))
        .into_client_request()
        .unwrap();
    let user = molt_common::control::header::USER;
    request
        .headers_mut()
        .insert(user, crate::support::OWNER.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap().is_text(), "the greeting");
    taken(&sandbox, "r1").await;
    let tokio_tungstenite::tungstenite::Message::Close(Some(close)) = socket.next().await.unwrap().unwrap() else {
        panic!("no close frame")
    };
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (1012, "the agent is being restarted")
    );
}

#[tokio::test]
async fn the_next_serve_tells_the_truth_whenever_the_last_one_is_killed() {
    let sandbox = Sandbox::ready().await;
    for (round, wait_ms) in [0_u64, 2, 5, 10, 20, 40, 80, 160].into_iter().enumerate() {
        let before = sandbox
            .status_where(|status| status.phase == SupervisorPhase::Ready)
            .await;
        let id = format!("round-{round}");
        taken(&sandbox, &id).await;
        // Another moment of the restart each time; what is waited for is not known from outside.
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        kill(sandbox.serve_pid(), Signal::SIGKILL).unwrap();
        let after = sandbox
            .status_where(|status| {
                let done = |restart: &AgentRestart| restart.id == id && restart.done;
                assert!(agents(&sandbox).len() <= 1, "{:?}", agents(&sandbox));
                status.phase == SupervisorPhase::Ready && status.restart.as_ref().is_some_and(done)
            })
            .await;
        assert_ne!(after.agent_pid, before.agent_pid, "{id}");
        assert_eq!(agents(&sandbox), [pid(after.agent_pid)], "{id}");
        assert!(!is_alive(pid(before.agent_pid)));
    }
}

#[tokio::test]
async fn a_stop_in_the_middle_of_one_is_a_stop() {
    let sandbox = Sandbox::with(&["--agent-stop-grace-ms", "1500"]).await;
    let agent = pid(sandbox.status().await.agent_pid);
    kill(agent, Signal::SIGSTOP).unwrap();
    taken(&sandbox, "r1").await;
    eventually(|| async {
        sandbox
            .log()
            .contains("a restart of the agent was asked for")
            .then_some(())
    })
    .await;
    let begun = std::time::Instant::now();
    assert_eq!(sandbox.stop().await.code(), Some(0));
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(25),
        "no longer than the edge waits"
    );
    assert!(!is_alive(agent));
}
