//! What keeps a sandbox awake and what does not.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use molt_common::control::{SupervisorStatus, header};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{OWNER, Sandbox, shell};

/// Ready, and known to be at rest.
async fn at_rest() -> (Sandbox, SupervisorStatus) {
    let sandbox = Sandbox::ready().await;
    let status = sandbox.status_where(|status| status.busy.is_empty()).await;
    (sandbox, status)
}

async fn order(sandbox: &Sandbox, path: &str, body: serde_json::Value) {
    // As something that an open page fetches, so that only what the agent does is seen.
    let answer = sandbox.proxy(Method::POST, path).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn nothing_has_happened_in_a_fresh_sandbox_and_looking_at_it_is_nothing() {
    let (sandbox, status) = at_rest().await;
    assert_eq!((status.last_active_at, status.next_wake_at), (None, None));
    for _ in 0..20 {
        sandbox.status().await;
    }
    sandbox.control_anonymous(Method::GET, "/healthz").send().await.unwrap();
    assert_eq!(sandbox.status().await.last_active_at, None);
}

#[tokio::test]
async fn a_page_that_is_opened_is_activity_and_what_it_fetches_is_not() {
    let (sandbox, _) = at_rest().await;
    for fetched in ["script", "image", "empty"] {
        let request = sandbox.proxy(Method::GET, "/echo").header("sec-fetch-dest", fetched);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
    let fetched = sandbox.status().await;
    assert!(fetched.last_request_at.is_some());
    assert_eq!(fetched.last_active_at, None);
    let page = sandbox.proxy(Method::GET, "/").header("sec-fetch-dest", "document");
    page.send().await.unwrap();
    let opened = sandbox.status().await.last_active_at;
    assert!(opened >= fetched.last_request_at);
    sandbox.proxy(Method::GET, "/echo").send().await.unwrap();
    assert!(sandbox.status().await.last_active_at > opened, "a script's request");
}

#[tokio::test]
async fn an_answer_that_goes_on_keeps_it_awake() {
    let (sandbox, _) = at_rest().await;
    let stream = sandbox
        .proxy(Method::GET, "/stream?n=2&ms=1500")
        .header("sec-fetch-dest", "empty");
    let answer = stream.send().await.unwrap();
    let during = sandbox.status().await;
    assert_eq!(during.busy, ["exchange"]);
    answer.bytes().await.unwrap();
    sandbox.status_where(|status| status.busy.is_empty()).await;
    let events = sandbox
        .proxy(Method::GET, "/stream?n=2&ms=60000")
        .header("accept", "text/event-stream");
    let _events = events.send().await.unwrap();
    assert!(
        sandbox.status().await.busy.is_empty(),
        "an open page that waits for events"
    );
}

#[tokio::test]
async fn a_page_that_connects_and_asks_does_nothing_and_one_that_is_used_does() {
    let (sandbox, _) = at_rest().await;
    let mut request = format!("ws://{}", sandbox.proxy_address("/"))
        .into_client_request()
        .unwrap();
    request.headers_mut().insert(header::USER, OWNER.parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    let mut said = async |text: &str| {
        socket.send(Message::text(text)).await.unwrap();
        // Its echo, after the greeting.
        while socket.next().await.unwrap().unwrap().into_text().unwrap() != text {}
        sandbox.status().await
    };
    let asked = said(r#"{"type":"req","id":"1","method":"sessions.list","params":{}}"#).await;
    assert_eq!((asked.open_sockets, asked.last_active_at), (1, None));
    assert!(asked.last_client_frame_at.is_some());
    assert!(asked.busy.is_empty(), "an open socket is no work");
    let used = said(r#"{"type":"req","id":"2","method":"chat.send","params":{"message":"hi"}}"#).await;
    assert!(used.last_active_at >= asked.last_client_frame_at);
    socket.send(Message::Ping("x".into())).await.unwrap();
    let ponged = socket.next().await.unwrap().unwrap();
    assert!(ponged.is_pong());
    assert_eq!(sandbox.status().await.last_active_at, used.last_active_at);
}

#[tokio::test]
async fn a_command_is_activity_for_as_long_as_it_runs() {
    let (sandbox, _) = at_rest().await;
    sandbox
        .start_exec(&shell("long", "while [ ! -e go ]; do sleep 0.05; done"))
        .await;
    let first = sandbox.status_where(|status| status.busy == ["command"]).await;
    sandbox
        .status_where(|status| status.last_active_at > first.last_active_at)
        .await;
    std::fs::write(sandbox.home().join("go"), "").unwrap();
    let ended = sandbox.exec_ended("long").await.completed_at;
    let after = sandbox.status_where(|status| status.busy.is_empty()).await;
    assert!(after.last_active_at >= ended);
    assert_eq!(
        sandbox.status().await.last_active_at,
        after.last_active_at,
        "and then no more"
    );
}

#[tokio::test]
async fn the_agents_own_work_is_activity_and_its_schedule_is_told() {
    let (sandbox, status) = at_rest().await;
    order(&sandbox, "/work", json!({ "ms": 2_000 })).await;
    let ordered = sandbox.status().await.last_active_at;
    let busy = sandbox.status_where(|status| status.busy == ["agent"]).await;
    let later = sandbox.status_where(|status| status.busy.is_empty()).await;
    assert!(later.last_active_at > ordered && later.last_active_at >= busy.last_active_at);
    let at = status.now + 3_600_000;
    order(&sandbox, "/schedule", json!({ "at": at })).await;
    let told = sandbox.status_where(|status| status.next_wake_at == Some(at)).await;
    assert!(told.busy.is_empty(), "it is far off");
    order(
        &sandbox,
        "/schedule",
        json!({ "at": sandbox.status().await.now + 1_500 }),
    )
    .await;
    sandbox.status_where(|status| status.busy == ["agent"]).await;
    sandbox
        .status_where(|status| status.busy.is_empty() && status.next_wake_at.is_none())
        .await;
}

#[tokio::test]
async fn an_agent_that_does_not_answer_counts_as_working_and_one_that_has_ended_does_not() {
    let (sandbox, status) = at_rest().await;
    let agent = nix::unistd::Pid::from_raw(status.agent_pid.unwrap() as i32);
    nix::sys::signal::kill(agent, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let begun = Instant::now();
    sandbox.status_where(|status| status.busy == ["agent"]).await;
    assert!(begun.elapsed() < Duration::from_secs(30));
    std::fs::write(sandbox.home().join(".echo-start-delay-ms"), "600000").unwrap();
    nix::sys::signal::kill(agent, nix::sys::signal::Signal::SIGKILL).unwrap();
    let ended = sandbox
        .status_where(|status| status.agent_pid != Some(agent.as_raw() as u32))
        .await;
    assert!(ended.busy.is_empty(), "{ended:?}");
}

#[tokio::test]
async fn what_an_earlier_serve_has_seen_is_not_forgotten() {
    let (sandbox, _) = at_rest().await;
    sandbox.proxy(Method::GET, "/echo").send().await.unwrap();
    let seen = sandbox.status().await.last_active_at;
    nix::sys::signal::kill(sandbox.serve_pid(), nix::sys::signal::Signal::SIGKILL).unwrap();
    let next = sandbox.status_where(|status| status.last_request_at.is_none()).await;
    assert!(next.last_active_at >= seen, "{next:?}");
}
