//! Secrets in every place of a request where one might stand. Whether a log has them is looked up when the stack stops; here it is seen
//! that the logs are where they are looked for, and that what is written of a request can still be used.

use e2e_tests::raw;
use e2e_tests::secrets::{found_in, used};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

fn planted(what: &'static str, before: &str) -> String {
    let secret = format!("{before}{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    used(what, &secret);
    secret
}

pub async fn secrets_in_all_parts_of_a_request_reach_no_log(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    let query = planted("a secret in a query", "");
    let nested = planted("a secret in a URL in a query", "sk-ant-api03-");
    let path = planted("a secret in a path", "sk-proj-");
    let header = planted("a secret in a header", "");
    let body = planted("a secret in a body", "ghp_");
    let last = format!("/echo?access_token={query}&to=https%3A%2F%2Fann%3A{nested}%40h%2F%3Fkey%3D{nested}&plain=seen");
    for target in [
        "/echo",
        "/api/super/users",
        "/login",
        "/auth/callback",
        "/_molt/boot",
        "/nowhere",
        "/health",
    ] {
        let target = format!("{target}?token={query}&code={query}&x={nested}");
        stack
            .get(&target)
            .user(&ada)
            .header("x-api-key", &header)
            .browser()
            .send()
            .await;
        stack
            .post(&target)
            .user(&ada)
            .admin()
            .header("cookie", &format!("theme={header}"))
            .body(body.clone())
            .send()
            .await;
    }
    for target in [
        format!("/{path}"),
        format!("/api/super/users/{path}"),
        format!("/api/super/{path}/x"),
    ] {
        stack.get(&target).user(&ada).admin().send().await;
    }
    // What does not verify is not logged either.
    let unverified = format!(
        "{}.{}.{}",
        planted("a forged token", "eyJ"),
        planted("claims of a forged token", "eyJ"),
        planted("a forged signature", "")
    );
    stack.get("/echo").bearer(&unverified).send().await;
    stack
        .call("GET", "/api/super/users")
        .header("x-admin-secret", &header)
        .send()
        .await
        .expect(403);
    raw::exchange(
        &stack,
        &format!("GET /echo HTTP/1.1\r\nAuthorization: Basic {header}\r\nX-Molt-Identity: {unverified}\r\n"),
        b"",
    )
    .await;
    // An agent's own output, and a command's.
    stack
        .exec(
            &ada,
            &json!({"command": format!("echo token={body} >&2; exit 1"), "env": {"A_TOKEN": body}}),
        )
        .await;
    stack.get(&last).user(&ada).send().await.expect(200);
    let log = |text: &str| {
        let texts = stack
            .logs()
            .into_iter()
            .map(|log| std::fs::read_to_string(log).unwrap_or_default());
        texts.into_iter().any(|log| log.contains(text))
    };
    until("the last request is in a log", Duration::from_secs(20), async || {
        log("access_token=[redacted]&to=[redacted]&plain=seen").then_some(())
    })
    .await;
    let leaked = found_in(&stack.logs());
    assert!(leaked.is_empty(), "{leaked:#?}");
}
