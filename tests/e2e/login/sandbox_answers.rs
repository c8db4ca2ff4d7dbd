//! What a sandbox's answer may say to the browser.

use crate::world::{signed_in, somebody, user};
use e2e_tests::stack::Stack;
use std::sync::Arc;

async fn headers(stack: &Stack, pairs: &[(&str, &str)]) -> e2e_tests::reply::Reply {
    let id = somebody();
    let (_, tokens) = signed_in(stack, &id, 3600).await;
    let user = user(&id, &tokens.access);
    stack.awake(&user).await;
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    stack
        .get(&format!("/headers?{}", query.join("&")))
        .user(&user)
        .send()
        .await
}

pub async fn headers_that_act_on_the_origin_are_taken_off(stack: Arc<Stack>) {
    let pairs = [
        ("clear-site-data", "*"),
        ("strict-transport-security", "max-age=0"),
        ("service-worker-allowed", "/"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("report-to", "{}"),
        ("nel", "{}"),
        ("alt-svc", "clear"),
        ("set-login", "logged-out"),
        ("www-authenticate", "Basic"),
        ("x-molt-backend", "router"),
        ("x-molt-not-ready", "no"),
        ("x-request-id", "mine"),
        ("set-cookie", "theme=dark"),
        ("set-cookie", "sb-access-token=planted"),
        ("set-cookie", "__Host-molt-refresh=planted"),
        ("set-cookie", "lang=en"),
    ];
    let reply = headers(&stack, &pairs).await;
    reply.expect(200);
    for (name, _) in pairs {
        match name {
            "set-cookie" => assert_eq!(reply.all(name), ["theme=dark", "lang=en"]),
            "x-molt-backend" => assert_eq!(reply.backend(), "container-gateway"),
            "x-request-id" => assert_ne!(reply.header(name), "mine"),
            _ => assert_eq!(reply.header(name), "", "{name}"),
        }
    }
}

pub async fn headers_of_the_page_stay(stack: Arc<Stack>) {
    let pairs = [
        ("content-security-policy", "frame-ancestors:none"),
        ("x-frame-options", "DENY"),
        ("cache-control", "max-age=60"),
        ("permissions-policy", "camera=()"),
        ("etag", "x"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-openclaw", "yes"),
    ];
    let reply = headers(&stack, &pairs).await;
    for (name, value) in pairs {
        assert_eq!(reply.expect(200).header(name), value, "{name}");
    }
}
