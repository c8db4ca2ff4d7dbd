//! The real agent's work, schedule, stop and restart. As [`crate::real_agent`] it runs only where somebody has installed the agent; `scripts/drill agent-life` does.

use std::time::{Duration, Instant};

use molt_common::control::{AgentRestart, SupervisorPhase, SupervisorStatus};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::real_agent::{Operator, ready, resident_mib, start, until_ready};
use crate::support::{Sandbox, cmdline, is_alive, tree};

/// An order, or a look of the supervisor's, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const NOTHING: &str = "{}";

async fn status_where(sandbox: &Sandbox, what: &str, holds: impl Fn(&SupervisorStatus) -> bool) -> SupervisorStatus {
    let begun = Instant::now();
    loop {
        let status = sandbox.status().await;
        if holds(&status) {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come: {status:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn idle(status: &SupervisorStatus) -> bool {
    status.busy.is_empty()
}

/// A model provider that takes every question and answers none.
async fn silent_model() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut sink = vec![0; 65_536];
                while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    let model = json!({
        "id": "stub", "name": "Stub", "reasoning": false, "input": ["text"],
        "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 }, "contextWindow": 65_536, "maxTokens": 4_096,
    });
    let provider = json!({
        "baseUrl": format!("http://127.0.0.1:{port}/v1"), "apiKey": "k", "api": "openai-completions", "models": [model],
    });
    json!({
        "models": { "mode": "merge", "providers": { "stub": provider } },
        // Without anybody to tell, a heartbeat would be skipped.
        "agents": { "defaults": { "model": { "primary": "stub/stub" }, "heartbeat": { "target": "none" } } },
    })
    .to_string()
}

async fn say(operator: &mut Operator, words: &str) {
    let message = json!({ "sessionKey": "main", "message": words, "idempotencyKey": words });
    let answer = operator.call("chat.send", message).await;
    assert_eq!(answer["ok"], true, "{answer}");
}

#[tokio::test]
#[ignore = "needs an installed agent, named by SANDBOXD_TEST_OPENCLAW"]
async fn an_open_page_is_no_activity_a_talk_is_and_its_run_keeps_the_sandbox_awake() {
    let sandbox = ready(&silent_model().await).await;
    let begun = Instant::now();
    status_where(&sandbox, "rest", idle).await;
    println!(
        "known to be idle {:?} after it was ready, {} MiB in all",
        begun.elapsed(),
        resident_mib(&sandbox)
    );

    let (mut operator, _) = Operator::connect(&sandbox).await;
    // As a page that was opened: not a browser's here, so it counts.
    let opened = status_where(&sandbox, "the page", |status| status.last_active_at.is_some()).await;
    for method in [
        "sessions.subscribe",
        "sessions.list",
        "config.get",
        "update.status",
        "agents.list",
        "question.list",
    ] {
        operator.call(method, json!({})).await;
    }
    let after = status_where(&sandbox, "rest", idle).await;
    assert!(after.last_client_frame_at > opened.last_client_frame_at);
    assert_eq!(
        after.last_active_at, opened.last_active_at,
        "questions of a page are no activity"
    );

    say(&mut operator, "hello").await;
    let begun = Instant::now();
    let busy = status_where(&sandbox, "the run", |status| status.busy == ["agent"]).await;
    println!("a run is seen after {:?}", begun.elapsed());
    assert!(busy.last_active_at > opened.last_active_at);
    let later = status_where(&sandbox, "the next look", |status| {
        status.last_active_at > busy.last_active_at
    })
    .await;
    assert_eq!(later.busy, ["agent"], "it goes on");

    // With a run under way the stop is bounded too.
    let resident = resident_mib(&sandbox);
    let begun = Instant::now();
    let closed = tokio::spawn(operator.closed());
    assert_eq!(sandbox.stop().await.code(), Some(0));
    let took = begun.elapsed();
    println!("stopped in the middle of a run after {took:?}, {resident} MiB before");
    assert!(took < Duration::from_secs(25), "{took:?}");
    assert_eq!(closed.await.unwrap(), Some(1012));
}

#[tokio::test]
#[ignore = "needs an installed agent, named by SANDBOXD_TEST_OPENCLAW"]
async fn the_agents_own_schedule_is_told_and_its_housekeeping_is_not() {
    let sandbox = ready(NOTHING).await;
    let fresh = status_where(&sandbox, "rest", idle).await;
    assert_eq!(fresh.next_wake_at, None, "heartbeats and the like wake nobody");
    let (mut operator, _) = Operator::connect(&sandbox).await;
    let jobs = operator.call("cron.list", json!({})).await;
    println!("housekeeping of a fresh agent: {}", names(&jobs));
    let at = (fresh.now / 1000 + 3_600) * 1000;
    let due = chrono(at);
    let job = json!({
        "name": "mine", "schedule": { "kind": "at", "at": due }, "sessionTarget": "main", "wakeMode": "now",
        "payload": { "kind": "systemEvent", "text": "remember" },
    });
    let added = operator.call("cron.add", job).await;
    assert_eq!(added["ok"], true, "{added}");
    let begun = Instant::now();
    let told = status_where(&sandbox, "the schedule", |status| status.next_wake_at.is_some()).await;
    println!("a new job is told after {:?}", begun.elapsed());
    assert_eq!(told.next_wake_at, Some(at));
    let id = added["payload"]["id"]
        .as_str()
        .or(added["payload"]["job"]["id"].as_str());
    operator.call("cron.remove", json!({ "id": id.unwrap() })).await;
    status_where(&sandbox, "the end of the schedule", |status| {
        status.next_wake_at.is_none()
    })
    .await;

    let begun = Instant::now();
    assert_eq!(sandbox.stop().await.code(), Some(0));
    println!("an idle agent stopped after {:?}", begun.elapsed());
}

fn names(jobs: &Value) -> Value {
    let jobs = jobs["payload"]["jobs"].as_array().unwrap().iter();
    jobs.map(|job| job["declarationKey"].clone()).collect()
}

/// A time of the epoch as the agent reads it.
fn chrono(ms: u64) -> String {
    molt_common::time::Millis(ms).iso()
}

#[tokio::test]
#[ignore = "needs an installed agent, named by SANDBOXD_TEST_OPENCLAW"]
async fn it_is_restarted_in_order_and_after_kills_without_a_second_one() {
    let sandbox = ready(NOTHING).await;
    let before = status_where(&sandbox, "rest", idle).await;
    let (operator, _) = Operator::connect(&sandbox).await;
    let closed = tokio::spawn(operator.closed());
    let begun = Instant::now();
    let answer = sandbox
        .control(Method::POST, "/v1/agent/restart")
        .json(&json!({ "id": "r1" }));
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let taken: AgentRestart = answer.json().await.unwrap();
    assert!(!taken.done);
    assert_eq!(closed.await.unwrap(), Some(1012), "sockets are told first");
    let done = |status: &SupervisorStatus| status.restart.as_ref().is_some_and(|restart| restart.done);
    let after = status_where(&sandbox, "the new agent", done).await;
    let ended = begun.elapsed();
    assert_ne!(after.agent_pid, before.agent_pid);
    until_ready(&sandbox).await;
    println!(
        "restarted: the new process after {ended:?}, ready after {:?}",
        begun.elapsed()
    );

    // Everything dies at once but what the agent has started itself.
    let running = status_where(&sandbox, "rest", idle).await.agent_pid.unwrap();
    let shim = *tree(sandbox.init_pid())
        .iter()
        .find(|pid| cmdline(**pid).contains("run-agent"))
        .unwrap();
    for pid in [sandbox.serve_pid(), shim] {
        kill(pid, Signal::SIGKILL).unwrap();
    }
    let begun = Instant::now();
    let healed = loop {
        match sandbox.try_status().await {
            Some(status) if status.phase == SupervisorPhase::Ready && status.agent_pid != Some(running) => {
                break status;
            }
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{}", sandbox.log());
    };
    println!("healed after {:?}", begun.elapsed());
    assert!(!is_alive(Pid::from_raw(running as i32)));
    // The title that it gives itself.
    let all = tree(sandbox.init_pid());
    let gateways = all.iter().filter(|pid| cmdline(**pid).starts_with("openclaw-gateway"));
    assert_eq!(gateways.count(), 1);
    assert_eq!(healed.boot_id, before.boot_id);
}

#[tokio::test]
#[ignore = "needs an installed agent, named by SANDBOXD_TEST_OPENCLAW"]
async fn a_heartbeat_keeps_it_awake_while_it_beats_and_is_no_activity() {
    let sandbox = ready(&silent_model().await).await;
    status_where(&sandbox, "rest", idle).await;
    let (mut operator, _) = Operator::connect(&sandbox).await;
    let jobs = operator.call("cron.list", json!({})).await;
    let jobs = jobs["payload"]["jobs"].as_array().unwrap();
    let heartbeat = jobs
        .iter()
        .find(|job| job["declarationKey"] == "heartbeat:main")
        .unwrap();
    let scratch = json!({ "id": heartbeat["id"], "content": "Say whether all is well." });
    assert_eq!(operator.call("cron.scratch.set", scratch).await["ok"], true);
    let begun = operator
        .call("cron.run", json!({ "id": heartbeat["id"], "mode": "force" }))
        .await;
    assert_eq!(begun["ok"], true, "{begun}");
    let begun = Instant::now();
    let beating = loop {
        let work = operator.call("gateway.restart.preflight", json!({})).await;
        if work["payload"]["counts"]["embeddedRuns"] == 1 {
            break sandbox.status().await;
        }
        assert!(begun.elapsed() < PATIENCE, "no heartbeat: {work}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    // Looks of the supervisor's go on, and none of them finds work for somebody.
    let begun = Instant::now();
    let mut busy = 0;
    while begun.elapsed() < Duration::from_secs(15) {
        let status = sandbox.status().await;
        busy += u32::from(status.busy == ["agent"]);
        assert_eq!(
            status.last_active_at,
            beating.last_active_at,
            "after {:?}",
            begun.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(busy > 10, "{busy}");
}

#[tokio::test]
#[ignore = "needs an installed agent, named by SANDBOXD_TEST_OPENCLAW"]
async fn a_configuration_that_it_refuses_is_a_cause_with_its_own_words() {
    let sandbox = start("{ nonsense: { a: 1 } }");
    let failed = loop {
        match sandbox.try_status().await {
            Some(status) if status.phase == SupervisorPhase::Failed => break status,
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let cause = failed.cause.unwrap();
    println!("{cause}");
    assert!(
        cause.starts_with("exit code 78: the agent refuses its configuration"),
        "{cause}"
    );
    assert!(cause.contains("nonsense"), "{cause}");
}
