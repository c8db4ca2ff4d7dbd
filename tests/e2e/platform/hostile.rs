//! Hostile input from `tests/corpus`: nothing of it may be answered with 5xx, end a program of the stack, or open anything.

use e2e_tests::corpus::entries;
use e2e_tests::people::User;
use e2e_tests::raw::{Raw, RawReply};
use e2e_tests::stack::Stack;
use std::sync::Arc;

async fn send(stack: &Stack, line: &[u8], headers: &[&[u8]]) -> RawReply {
    let mut raw = Raw::connect(stack).await;
    let mut request = line.to_vec();
    for header in headers {
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(header);
    }
    if !headers
        .iter()
        .any(|header| header.to_ascii_lowercase().starts_with(b"host:"))
    {
        request.extend_from_slice(format!("\r\nHost: {}", stack.authority()).as_bytes());
    }
    request.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
    raw.write(&request).await;
    raw.finish().await
}

/// Refused or served, but never broken. Status 0: the connection was closed on what is no HTTP at all.
fn assert_unbroken(reply: &RawReply, what: &[u8]) {
    let shown: String = String::from_utf8_lossy(what).chars().take(200).collect();
    assert!(reply.status < 500, "{shown}: {} {}", reply.status, reply.text());
}

/// The stack as it was: the same programs, and a sandbox that was not started anew.
pub async fn assert_untouched(stack: &Stack, user: &User, before: (Vec<i32>, u64)) {
    stack.get("/health").send().await.expect(200);
    stack.get("/echo").user(user).send().await.expect(200);
    assert_eq!(programs(stack), before.0, "a program of the stack was restarted");
    assert_eq!(stack.generation(user).await, before.1);
}

fn programs(stack: &Stack) -> Vec<i32> {
    stack
        .ready
        .processes
        .iter()
        .map(|process| stack.ready.process(&process.name))
        .collect()
}

pub async fn begin(stack: &Stack) -> (User, (Vec<i32>, u64)) {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    let before = (programs(stack), stack.generation(&ada).await);
    (ada, before)
}

pub async fn no_path_breaks_anything(stack: Arc<Stack>) {
    let (ada, before) = begin(&stack).await;
    let bearer = format!("Authorization: Bearer {}", ada.token);
    let secret = format!("X-Admin-Secret: {}", stack.ready.admin_secret);
    for path in entries("paths.txt") {
        let line = |method: &[u8]| [method, b" ", &path, b" HTTP/1.1"].concat();
        for (line, headers) in [
            (line(b"GET"), vec![]),
            (line(b"GET"), vec![bearer.as_bytes()]),
            (line(b"GET"), vec![secret.as_bytes()]),
            (line(b"GET"), vec![bearer.as_bytes(), b"Accept: text/html".as_slice()]),
            (
                line(b"POST"),
                vec![bearer.as_bytes(), secret.as_bytes(), b"Content-Length: 0".as_slice()],
            ),
        ] {
            let reply = send(&stack, &line, &headers).await;
            assert_unbroken(&reply, &line);
            let lists_users = reply.text().contains("\"users\":[");
            let allowed = headers.contains(&secret.as_bytes());
            assert!(
                !lists_users || allowed,
                "{} lists users",
                String::from_utf8_lossy(&line)
            );
            assert!(
                !reply.header("location").contains("evil"),
                "{}",
                reply.header("location")
            );
        }
    }
    assert_untouched(&stack, &ada, before).await;
}

pub async fn no_header_breaks_anything(stack: Arc<Stack>) {
    let (ada, before) = begin(&stack).await;
    let bearer = format!("Authorization: Bearer {}", ada.token);
    let secret = format!("X-Admin-Secret: {}", stack.ready.admin_secret);
    for header in entries("headers.txt") {
        for line in [
            "GET /health",
            "GET /login",
            "GET /",
            "GET /echo",
            "GET /api/super/users",
        ] {
            let line = format!("{line} HTTP/1.1");
            let reply = send(
                &stack,
                line.as_bytes(),
                &[bearer.as_bytes(), secret.as_bytes(), &header],
            )
            .await;
            assert_unbroken(&reply, &header);
        }
    }
    assert_untouched(&stack, &ada, before).await;
}

pub async fn no_token_opens_anything(stack: Arc<Stack>) {
    let (ada, before) = begin(&stack).await;
    for token in entries("tokens.txt") {
        let bearer = [b"Authorization: Bearer ".as_slice(), &token].concat();
        let cookie = [b"Cookie: sb-access-token=".as_slice(), &token].concat();
        let secret = [b"X-Admin-Secret: ".as_slice(), &token].concat();
        for (line, header) in [
            ("GET /echo", &bearer),
            ("GET /echo", &cookie),
            ("GET /api/super/users", &secret),
        ] {
            let reply = send(&stack, format!("{line} HTTP/1.1").as_bytes(), &[header]).await;
            assert_unbroken(&reply, header);
            assert!((400..500).contains(&reply.status), "{line}: {}", reply.status);
        }
    }
    assert_untouched(&stack, &ada, before).await;
}

pub async fn no_body_breaks_anything(stack: Arc<Stack>) {
    let (ada, before) = begin(&stack).await;
    for body in entries("bodies.txt") {
        let reply = stack.post(&ada.path("/exec")).admin().body(body.clone()).send().await;
        let shown = String::from_utf8_lossy(&body);
        assert!(
            (400..500).contains(&reply.status),
            "{shown:.200}: {} {}",
            reply.status,
            reply.text()
        );
        for path in ["/login/development", "/auth/callback?state=x"] {
            let reply = stack
                .post(path)
                .header("cookie", "molt-login-state=x")
                .body(body.clone())
                .send()
                .await;
            assert!(
                (400..500).contains(&reply.status),
                "{path} {shown:.200}: {} {}",
                reply.status,
                reply.text()
            );
        }
    }
    assert_untouched(&stack, &ada, before).await;
}
