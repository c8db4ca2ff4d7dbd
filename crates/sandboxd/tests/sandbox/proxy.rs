//! HTTP through the proxy.

use std::time::{Duration, Instant};

use molt_common::control::{SupervisorPhase, header};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{OWNER, Sandbox, eventually};

fn values<'a>(echo: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = echo["headers"].as_array().unwrap().iter();
    headers
        .filter(|pair| pair[0] == name)
        .map(|pair| pair[1].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_agent_sees_the_platforms_identity_and_nobody_elses() {
    let sandbox = Sandbox::ready().await;
    let answer = sandbox
        .proxy(Method::POST, "/echo?a=b%20c")
        .header(header::REQUEST_ID, "r-1")
        .header("x-openclaw-user", "root")
        .header("x-forwarded-for", "127.0.0.1")
        .header("X_Forwarded_For", "127.0.0.1")
        .header("x-real-ip", "127.0.0.1")
        .header("authorization", "Bearer secret")
        .header("x-admin-secret", "secret")
        .header("cookie", "theme=dark; sb-access-token=secret; __Host-r=secret")
        .header("cf-ray", "1")
        .header("x-custom", "kept")
        .body("12345")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let echo: Value = answer.json().await.unwrap();
    assert_eq!(
        (echo["method"].as_str(), echo["path"].as_str()),
        (Some("POST"), Some("/echo?a=b%20c"))
    );
    assert_eq!(echo["bodyBytes"], 5);
    for (name, expected) in [
        ("x-openclaw-user", OWNER),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "agent.example"),
        ("host", "agent.example"),
        ("accept-encoding", "identity"),
        ("cookie", "theme=dark"),
        ("x-request-id", "r-1"),
        ("x-custom", "kept"),
    ] {
        assert_eq!(values(&echo, name), [expected], "{name}");
    }
    let text = echo["headers"].to_string();
    for absent in ["secret", "x-molt", "127.0.0.1", "cf-ray"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
}

#[tokio::test]
async fn a_request_of_somebody_else_gets_no_further() {
    let sandbox = Sandbox::ready().await;
    let other = |user: &'static str| sandbox.proxy_anonymous(Method::GET, "/echo").header(header::USER, user);
    for request in [
        sandbox.proxy_anonymous(Method::GET, "/echo"),
        other("somebody-else"),
        other(""),
        other(OWNER).header(header::USER, "somebody-else"),
        sandbox
            .proxy_anonymous(Method::GET, "/echo")
            .header("x-openclaw-user", OWNER),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "wrong_user");
    }
    assert_eq!(
        sandbox.status().await.last_request_at,
        None,
        "a refused request is no activity"
    );
}

#[tokio::test]
async fn answers_stream_as_they_come() {
    let sandbox = Sandbox::ready().await;
    let mut answer = sandbox.proxy(Method::GET, "/stream?n=3&ms=400").send().await.unwrap();
    let begun = Instant::now();
    let first = answer.chunk().await.unwrap().unwrap();
    let first_after = begun.elapsed();
    assert_eq!(&first[..], b"chunk 0\n");
    let mut rest = Vec::new();
    while let Some(piece) = answer.chunk().await.unwrap() {
        rest.extend_from_slice(&piece);
    }
    assert_eq!(rest, b"chunk 1\nchunk 2\n");
    assert!(
        begun.elapsed() >= first_after + Duration::from_millis(600),
        "the first piece waited for the last"
    );
}

#[tokio::test]
async fn a_large_body_goes_both_ways_unchanged() {
    let sandbox = Sandbox::ready().await;
    let body: Vec<u8> = (0..20_000_000_u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let answer = sandbox
        .proxy(Method::POST, "/echo-body")
        .body(body.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.bytes().await.unwrap() == body, "the body changed on its way");
}

#[tokio::test]
async fn the_agent_cannot_set_the_platforms_cookies() {
    let sandbox = Sandbox::ready().await;
    for (name, passes) in [
        ("theme", true),
        ("sb-access-token", false),
        ("__Host-refresh", false),
        ("__Secure-x", false),
    ] {
        let answer = sandbox
            .proxy(Method::GET, &format!("/set-cookie?name={name}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers().contains_key("set-cookie"), passes, "{name}");
    }
}

#[tokio::test]
async fn errors_of_the_agent_pass_as_they_are() {
    let sandbox = Sandbox::ready().await;
    let answer = sandbox.proxy(Method::GET, "/nowhere").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.text().await.unwrap(), r#"{"status":"not found"}"#);
}

#[tokio::test]
async fn the_page_names_the_user() {
    let sandbox = Sandbox::ready().await;
    let page = sandbox
        .proxy(Method::GET, "/")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains(&format!("<b id=\"user\">{OWNER}</b>")), "{page}");
}

#[tokio::test]
async fn a_target_that_names_another_host_stays_here() {
    let sandbox = Sandbox::ready().await;
    let mut stream = TcpStream::connect(sandbox.proxy_address("")).await.unwrap();
    let request = format!(
        "GET http://other.invalid/echo HTTP/1.1\r\nhost: other.invalid\r\n{}: {OWNER}\r\nconnection: close\r\n\r\n",
        header::USER
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#"["host","agent.example"]"#), "{answer}");
}

#[tokio::test]
async fn an_agent_that_starts_is_said_to_start() {
    let sandbox = Sandbox::start(&["--echo-start-delay-ms", "1500"]);
    sandbox.phase(SupervisorPhase::Agent).await;
    for request in [
        sandbox.proxy(Method::GET, "/"),
        sandbox
            .proxy(Method::GET, "/")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["retry-after"], "1");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(
            (problem["code"].as_str(), problem["phase"].as_str()),
            (Some("agent_not_ready"), Some("agent"))
        );
    }
    sandbox.phase(SupervisorPhase::Ready).await;
    let answer = sandbox.proxy(Method::GET, "/").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let seen = sandbox.status().await;
    assert!(seen.last_request_at.is_some_and(|at| at <= seen.now));
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let sandbox = Sandbox::ready().await;
    let requests = (0..200).map(|index| {
        let request = sandbox
            .proxy(Method::POST, &format!("/echo?i={index}"))
            .body(vec![0; index]);
        async move { (index, request.send().await.unwrap().json::<Value>().await.unwrap()) }
    });
    for (index, echo) in futures_util::future::join_all(requests).await {
        assert_eq!(echo["bodyBytes"], index);
        assert_eq!(echo["path"], format!("/echo?i={index}"));
    }
    eventually(|| async { (sandbox.status().await.open_sockets == 0).then_some(()) }).await;
}
