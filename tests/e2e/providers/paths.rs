//! What of a request goes out, and what does not.

use crate::world::{CHAT, asking, somebody, stub};
use e2e_tests::provider_calls::provider_url;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub async fn only_listed_paths_are_passed_on(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (body, mark) = asking("plain");
    for path in [
        "/openai/v1/files",
        "/openai/v1/chat",
        "/openai/v1/chat/completions/",
        "/openai/v1/chat/completions/x",
        "/openai//v1/chat/completions",
        "/openai/v1//chat/completions",
        "/openai/v1/chat%2Fcompletions",
        "/openai/v1/chat/%63ompletions",
        "/openai/v1/models/..%2ffiles",
        "/openai/v1/models/%2e%2e/%2e%2e/admin",
        "/openai/v1/models/../files",
        "/openai/v1/chat/completions;x",
        "/openai\\\\v1\\\\chat\\\\completions",
        "/OPENAI/v1/chat/completions",
        "/openai",
        "/",
        "",
    ] {
        let answer = stack.ask_provider(&user, &token, path, &body).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    for method in ["DELETE", "PUT", "PATCH", "OPTIONS"] {
        let url = provider_url(CHAT);
        let arguments = format!(
            "-X {method} -H \"Authorization: Bearer $TOKEN\" -H 'content-type: application/json' --data-binary \"$BODY\" '{url}'"
        );
        let answer = stack.curl_inside(&user, &token, &body.to_string(), &arguments).await;
        answer.refused(405, "method_not_allowed");
    }
    assert!(stub().seen(&mark).is_empty(), "{:?}", stub().seen(&mark));
    let arguments = format!(
        "-H \"Authorization: Bearer $TOKEN\" '{}'",
        provider_url("/openai/v1/models/gpt:4@x")
    );
    let listed = stack.curl_inside(&user, &token, "", &arguments).await;
    assert_eq!(listed.status, 200, "{listed:?}");
}

/// A client may state the length of no body, and send one that means nothing.
pub async fn a_body_that_comes_with_a_get_stays_here(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (body, mark) = asking("plain");
    for (number, with) in ["-H 'content-length: 0'", "--data-binary \"$BODY\"", ""]
        .iter()
        .enumerate()
    {
        let path = format!("/v1/models/{mark}-{number}");
        let arguments = format!(
            "-X GET {with} -H \"Authorization: Bearer $TOKEN\" '{}'",
            provider_url(&format!("/openai{path}"))
        );
        let answer = stack.curl_inside(&user, &token, &body.to_string(), &arguments).await;
        assert_eq!(answer.status, 200, "{with}: {answer:?}");
        assert!(stub().targets().contains(&path), "{with}");
    }
    assert!(stub().seen(&mark).is_empty(), "{:?}", stub().seen(&mark));
    // Each was told as ended: it is neither under way nor lost.
    until("the calls have ended", Duration::from_secs(40), async || {
        let cost = stack.get(&user.path("/cost?days=2")).admin().send().await.json(200);
        let calls = cost["total"]["providers"].as_array()?.first()?.clone();
        (calls["requests"]["value"] == 3 && calls["unended"]["value"] == 0).then_some(())
    })
    .await;
}

pub async fn headers_of_a_sandbox_do_not_reach_a_provider(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let (body, mark) = asking("plain");
    let sent = [
        "Cookie: molt_session=x",
        "Forwarded: for=1.2.3.4",
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Host: evil.example",
        "X-Real-IP: 1.2.3.4",
        "CF-Connecting-IP: 1.2.3.4",
        "cf-aig-authorization: Bearer stolen",
        "X-Molt-User: somebody",
        "X-Molt-Identity: a.b.c",
        "X-Admin-Secret: x",
        "X-Api-Key: mine",
        "Api-Key: mine",
        "OpenAI-Organization: org-x",
        "Accept-Encoding: gzip, br",
        "Connection: close, X-Odd",
        "X-Odd: 1",
        "TE: trailers",
        "OpenAI-Beta: assistants=v2",
        "X-Stainless-Lang: js",
        "Idempotency-Key: once",
    ];
    let headers: Vec<String> = sent.iter().map(|header| format!("-H '{header}'")).collect();
    let arguments = format!(
        "{} -A agent/1 -H \"Authorization: Bearer $TOKEN\" -H 'content-type: application/json' --data-binary \"$BODY\" '{}'",
        headers.join(" "),
        provider_url(CHAT)
    );
    let answer = stack.curl_inside(&user, &token, &body.to_string(), &arguments).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = stub().seen(&mark);
    let mut names: Vec<&str> = seen[0].headers.keys().map(hyper::header::HeaderName::as_str).collect();
    names.sort_unstable();
    // The runtime itself adds `cf-worker`.
    let want = [
        "cf-worker",
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "openai-beta",
        "user-agent",
        "x-stainless-lang",
    ];
    let passed: Vec<&&str> = names.iter().filter(|name| !want.contains(name)).collect();
    assert!(passed.is_empty(), "{passed:?} of {seen:?}");
    assert_eq!(seen[0].header("accept-encoding"), Some("identity"));
    assert_eq!(
        (seen[0].header("user-agent"), seen[0].header("idempotency-key")),
        (Some("agent/1"), Some("once"))
    );
    assert_eq!(
        seen[0].header("content-length"),
        Some(body.to_string().len().to_string().as_str())
    );
    assert!(!seen[0].header("host").expect("a host").contains("molt"), "{seen:?}");
}

pub async fn a_body_that_means_nothing_is_left_behind(stack: Arc<Stack>) {
    // More than may be under way at once: a call that does not end takes the place of the next.
    const CALLS: usize = 140;
    let (user, token) = somebody(&stack).await;
    let url = provider_url(&format!("/openai/v1/models/plain?page=[1-{CALLS}]"));
    for header in ["accept: */*", "transfer-encoding: chunked"] {
        let command = format!(
            "curl -sS -X GET -Z --parallel-max 8 -m 60 -o /dev/null -w '%{{http_code}}\\n' -H \"Authorization: Bearer $TOKEN\" -H '{header}' --data-binary \"$BODY\" '{url}'"
        );
        let asked = json!({"command": command, "env": {"TOKEN": token, "BODY": "{}"}, "timeoutMs": 120_000});
        let done = stack.exec(&user, &asked).await;
        let statuses: Vec<&str> = done["stdout"].as_str().expect("text").lines().collect();
        assert_eq!(statuses, vec!["200"; CALLS], "{header}: {done}");
    }
}

pub async fn bodies_are_bounded(stack: Arc<Stack>) {
    let (user, token) = somebody(&stack).await;
    let before = stub().count();
    let url = provider_url(CHAT);
    let mebibytes = |count: u32, how: &str| {
        format!(
            "-H \"Authorization: Bearer $TOKEN\" -H 'content-type: application/octet-stream' {how} '{url}' < <(head -c {count}M /dev/zero)"
        )
    };
    let in_bash = async |arguments: String| {
        let asked = serde_json::json!({
            "argv": ["bash", "-c", format!("curl -sS -m 60 -i {arguments}")], "env": {"TOKEN": token},
        });
        stack.exec(&user, &asked).await["stdout"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    // The length is stated, or is not.
    let stated = in_bash(mebibytes(33, "--data-binary @-")).await;
    assert!(stated.contains(" 413 ") && stated.contains("too_large"), "{stated}");
    let unstated = in_bash(mebibytes(33, "-X POST -T -")).await;
    assert!(
        unstated.contains(" 413 ") && unstated.contains("too_large"),
        "{unstated}"
    );
    let within = in_bash(mebibytes(31, "-X POST -T -")).await;
    assert!(within.contains(" 200 "), "{within}");
    assert!(stub().count() > before);
}
