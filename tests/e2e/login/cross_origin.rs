//! What pages of other origins may do: listed ones a little, others nothing.

use crate::world::{LISTED, provider, signed_in, somebody, user};
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use std::sync::Arc;

const FOREIGN: [&str; 5] = [
    "https://evil.example",
    "null",
    "http://app.example",
    "https://app.example.evil.example",
    "https://app.example:8443",
];

fn cors_headers(reply: &Reply) -> Vec<&str> {
    let names = reply.headers.keys().map(reqwest::header::HeaderName::as_str);
    names.filter(|name| name.starts_with("access-control-")).collect()
}

async fn preflight(stack: &Stack, path: &str, origin: &str) -> Reply {
    let call = stack.call("OPTIONS", path).header("origin", origin);
    let call = call.header("access-control-request-method", "PUT");
    call.header("access-control-request-headers", "authorization,content-type")
        .send()
        .await
}

pub async fn a_listed_page_may_ask_and_read(stack: Arc<Stack>) {
    for path in ["/_molt/boot", "/anything", "/api/super/users"] {
        let reply = preflight(&stack, path, LISTED).await;
        reply.expect(204);
        assert_eq!(reply.backend(), "router", "no sandbox is asked");
        assert_eq!(reply.header("access-control-allow-origin"), LISTED);
        assert!(reply.header("access-control-allow-methods").contains("PUT"));
        assert!(reply.header("access-control-allow-headers").contains("Authorization"));
        assert_eq!(reply.header("vary"), "Origin");
    }
    let id = somebody();
    let (_, tokens) = signed_in(&stack, &id, 3600).await;
    let call = stack.get("/_molt/boot").bearer(&tokens.access).header("origin", LISTED);
    let reply = call.send().await;
    assert_eq!(reply.expect(200).header("access-control-allow-origin"), LISTED);
    assert_eq!(reply.header("access-control-allow-credentials"), "true");
    // A script must be able to read why it was refused.
    let refused = stack.get("/_molt/boot").header("origin", LISTED).send().await;
    refused.problem(401, "authentication_required");
    assert_eq!(refused.header("access-control-allow-origin"), LISTED);
}

pub async fn other_pages_get_no_cors_header(stack: Arc<Stack>) {
    let id = somebody();
    let (jar, tokens) = signed_in(&stack, &id, 3600).await;
    for origin in FOREIGN {
        for path in ["/_molt/boot", "/anything", "/api/super/users"] {
            let reply = preflight(&stack, path, origin).await;
            reply.problem(403, "foreign_origin");
            assert!(cors_headers(&reply).is_empty(), "{origin} {path}");
            assert_eq!(reply.header("vary"), "Origin");
        }
        for call in [
            stack.get("/_molt/boot").bearer(&tokens.access),
            jar.on(stack.get("/_molt/boot")),
            stack.get("/api/super/users").admin(),
        ] {
            let reply = call.header("origin", origin).send().await;
            assert!(cors_headers(reply.expect(200)).is_empty(), "{origin}");
        }
    }
    for path in ["/login", "/logout", "/health", "/api/status", "/_molt/assets/page.css"] {
        let reply = stack.get(path).header("origin", LISTED).send().await;
        assert!(cors_headers(&reply).is_empty(), "{path} is shared with nobody");
    }
}

pub async fn admin_calls_never_go_with_cookies(stack: Arc<Stack>) {
    let reply = preflight(&stack, "/api/super/users", LISTED).await;
    assert!(reply.expect(204).header("access-control-allow-credentials").is_empty());
    let reply = stack
        .get("/api/super/users")
        .admin()
        .header("origin", LISTED)
        .send()
        .await;
    assert_eq!(reply.expect(200).header("access-control-allow-origin"), LISTED);
    assert!(reply.header("access-control-allow-credentials").is_empty());
}

pub async fn a_listed_page_may_change_but_not_connect(stack: Arc<Stack>) {
    let id = somebody();
    let (jar, tokens) = signed_in(&stack, &id, 3600).await;
    stack.awake(&user(&id, &tokens.access)).await;
    let post = |origin: &'static str| jar.on(stack.post("/echo")).header("origin", origin).body("x");
    post(LISTED)
        .header("sec-fetch-site", "same-site")
        .send()
        .await
        .expect(200);
    post("https://evil.example").send().await.problem(403, "foreign_origin");
    let socket = stack
        .handshake("/socket")
        .header("cookie", &jar.header())
        .header("origin", LISTED);
    assert_eq!(socket.attempt().await.expect_err("no socket").status(), 403);
}

pub async fn cross_site_requests_are_refused_whatever_their_origin(stack: Arc<Stack>) {
    let (id, own) = (somebody(), stack.ready.url.clone());
    let (jar, _) = signed_in(&stack, &id, 3600).await;
    let post = || jar.on(stack.post("/_molt/boot"));
    for headers in [
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "cross-site"), ("origin", own.as_str())],
        vec![("sec-fetch-site", "cross-site"), ("origin", LISTED)],
        vec![("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "same-site"), ("origin", "null")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "none"), ("origin", "null")],
        vec![("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
    ] {
        let call = headers
            .iter()
            .fold(post(), |call, (name, value)| call.header(name, value));
        call.send().await.problem(403, "foreign_origin");
        let upgrade = stack.handshake("/socket").header("cookie", &jar.header());
        let upgrade = headers
            .iter()
            .fold(upgrade, |call, (name, value)| call.header(name, value));
        let refused = upgrade.attempt().await.err().unwrap_or_else(|| panic!("{headers:?}"));
        assert_eq!(refused.status(), 403, "{headers:?}");
    }
    // Basic credentials come along by themselves as well, so they do not make it a program's request.
    let basic = post()
        .header("authorization", "Basic YTpi")
        .header("origin", "https://evil.example");
    basic.send().await.problem(403, "foreign_origin");
    assert!(stack.engine.running(&user(&id, "")).await.is_empty());
}

pub async fn own_answers_carry_the_headers_that_protect_them(stack: Arc<Stack>) {
    let provider = provider(&stack);
    let pages = [
        stack.get("/logout").browser().send().await,
        stack.get("/auth/callback").browser().send().await,
    ];
    for page in &pages {
        page.expect(200);
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{policy}");
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
            // Only over https would it mean anything.
            ("strict-transport-security", ""),
        ] {
            assert_eq!(page.header(name), value, "{name}");
        }
        assert!(page.header("permissions-policy").contains("camera=()"));
        assert!(!page.text().contains("<script>") && !page.text().contains(" style=") && !page.text().contains(" on"));
    }
    for reply in [
        stack.get("/_molt/boot").send().await,
        stack.get("/api/super/users").send().await,
        stack.get("/api/super/users").admin().send().await,
        stack.get("/health").send().await,
    ] {
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert!(reply.header("content-security-policy").contains("default-src 'none'"));
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    let asset = stack.get("/_molt/assets/callback.js").send().await;
    assert_eq!(asset.expect(200).header("cross-origin-resource-policy"), "same-origin");
    let login = stack.get("/login").browser().send().await;
    assert_eq!(login.header("referrer-policy"), "no-referrer");
    assert!(login.header("location").starts_with(&provider.page()));
}
