//! The control API: who may, what it refuses, and how.

use molt_common::control::SupervisorPhase;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Sandbox, TOKEN, error_of};

#[tokio::test]
async fn only_the_token_opens_and_health_is_free() {
    let sandbox = Sandbox::ready().await;
    assert_eq!(
        sandbox
            .control_anonymous(Method::GET, "/healthz")
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::OK
    );
    for (method, path) in [
        (Method::GET, "/v1/status"),
        (Method::POST, "/v1/exec"),
        (Method::GET, "/v1/exec/x"),
        (Method::DELETE, "/v1/exec/x"),
        (Method::GET, "/no/such/path"),
    ] {
        let no_token = sandbox.control_anonymous(method.clone(), path).send().await.unwrap();
        let (status, error) = error_of(no_token).await;
        assert_eq!(
            (status, error.code.as_str()),
            (StatusCode::UNAUTHORIZED, "unauthorized"),
            "{path}"
        );
        for wrong in [&TOKEN[1..], "x", ""] {
            let answer = sandbox
                .control_anonymous(method.clone(), path)
                .bearer_auth(wrong)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path} {wrong:?}");
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let sandbox = Sandbox::ready().await;
    for path in ["/", "/v1", "/v1/exec/", "/v1/exec/a/b", "/v2/status"] {
        let (status, error) = error_of(sandbox.control(Method::GET, path).send().await.unwrap()).await;
        assert_eq!(
            (status, error.code.as_str()),
            (StatusCode::NOT_FOUND, "not_found"),
            "{path}"
        );
    }
    for (method, path, allowed) in [
        (Method::POST, "/v1/status", "GET"),
        (Method::GET, "/v1/exec", "POST"),
        (Method::PUT, "/v1/exec/x", "GET, DELETE"),
        (Method::POST, "/healthz", "GET, HEAD"),
    ] {
        let answer = sandbox.control(method, path).send().await.unwrap();
        assert_eq!(answer.headers()["allow"], allowed);
        let (status, error) = error_of(answer).await;
        assert_eq!(
            (status, error.code.as_str()),
            (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            "{path}"
        );
    }
    for method in [Method::GET, Method::DELETE] {
        let (status, _) = error_of(sandbox.control(method, "/v1/exec/unknown").send().await.unwrap()).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn every_bad_field_of_an_exec_is_named_and_nothing_runs() {
    let sandbox = Sandbox::ready().await;
    let cases = [
        ("execId", json!({ "execId": "a/b" })),
        ("execId", json!({ "execId": 7 })),
        ("command", json!({ "command": null })),
        ("argv", json!({ "argv": ["true"] })),
        ("argv", json!({ "command": null, "argv": [] })),
        ("cwd", json!({ "cwd": "here" })),
        ("env", json!({ "env": { "A=B": "x" } })),
        ("env", json!({ "env": { "MOLT_OWNER": "x" } })),
        ("timeoutMs", json!({ "timeoutMs": 0 })),
        ("timeoutMs", json!({ "timeoutMs": -5 })),
        ("maxOutputBytes", json!({ "maxOutputBytes": 1_u64 << 40 })),
        ("surprise", json!({ "surprise": true })),
    ];
    for (field, changes) in cases {
        let mut body = json!({ "execId": "e", "command": "touch made", "timeoutMs": 1000, "maxOutputBytes": 10 });
        body.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        let (status, error) = error_of(
            sandbox
                .control(Method::POST, "/v1/exec")
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(
            (status, error.code.as_str()),
            (StatusCode::BAD_REQUEST, "invalid_request"),
            "{changes}"
        );
        // A wrong type is found by the parser, which knows the expected type and the place, not always the name.
        assert!(
            error.error.contains(field) || error.error.starts_with("body:"),
            "{changes}: {}",
            error.error
        );
    }
    for body in ["", "[]", "{", "null"] {
        let answer = sandbox
            .control(Method::POST, "/v1/exec")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body:?}");
    }
    assert_eq!(
        sandbox
            .control(Method::GET, "/v1/exec/e")
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::NOT_FOUND
    );
    assert!(!sandbox.home().join("made").exists());
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_and_one_below_it_is_taken() {
    let sandbox = Sandbox::ready().await;
    let with_stdin = |bytes: usize| json!({ "execId": "big", "command": "wc -c", "stdin": "x".repeat(bytes), "timeoutMs": 20_000, "maxOutputBytes": 100 });
    let answer = sandbox
        .control(Method::POST, "/v1/exec")
        .json(&with_stdin(1024 * 1024))
        .send()
        .await
        .unwrap();
    let (status, error) = error_of(answer).await;
    assert_eq!(
        (status, error.code.as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "too_large")
    );
    let answer = sandbox
        .control(Method::POST, "/v1/exec")
        .json(&with_stdin(1_000_000))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(sandbox.exec_ended("big").await.stdout.trim(), "1000000");
}

#[tokio::test]
async fn a_wait_that_is_none_is_refused() {
    let sandbox = Sandbox::ready().await;
    for query in ["waitMs=x", "waitMs=10001", "other=1"] {
        let answer = sandbox
            .control(Method::GET, &format!("/v1/exec/x?{query}"))
            .send()
            .await
            .unwrap();
        let (status, error) = error_of(answer).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(error.error.contains(query.split('=').next().unwrap()));
    }
}

#[tokio::test]
async fn the_status_tells_what_was_configured() {
    let sandbox = Sandbox::ready().await;
    let status = sandbox.status().await;
    assert_eq!(
        (status.generation, status.agent.as_str(), status.phase),
        (3, "echo", SupervisorPhase::Ready)
    );
    assert_eq!(
        (status.agent_restarts, status.open_sockets, status.running_commands),
        (0, 0, 0)
    );
    assert_eq!(
        (status.last_request_at, status.last_client_frame_at, status.cause),
        (None, None, None)
    );
    assert!(
        status.log_tail.iter().any(|line| line.contains("echo agent listens")),
        "{:?}",
        status.log_tail
    );
    let raw: Value = sandbox
        .control(Method::GET, "/v1/status")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(raw["phase"], "ready");
    assert!(raw["bootId"].as_str().unwrap().len() >= 16);
}
