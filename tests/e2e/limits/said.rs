//! What answers say about limits, and whether it is true.

use e2e_tests::call::Call;
use e2e_tests::rate::{ADDRESS, Said, address, burst, refusal, said};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Counts down from `limit`, then asks on and on, without a pause that could hide anything: nobody who has not waited as long as he was told is
/// admitted a second early, and nobody who has is refused.
async fn holds<'a>(class: &str, limit: u32, window: u32, status: u16, call: impl Fn() -> Call<'a>) {
    for left in (0..limit).rev() {
        let reply = call().send().await;
        let said = said(reply.expect(status));
        let (expected, reset) = ((class, limit, window, left), said.reset);
        assert_eq!((said.class.as_str(), said.limit, said.window, said.remaining), expected);
        assert!((1..=window).contains(&reset), "{said:?}");
    }
    let asked = Instant::now();
    let refused = call().send().await;
    let (told, wait) = (Instant::now(), Duration::from_secs(refusal(&refused).into()));
    // Rounded up to a whole second, so up to one second less may do.
    let (earliest, latest) = (asked + wait.saturating_sub(Duration::from_secs(1)), told + wait);
    until(
        "somebody is admitted again",
        wait + Duration::from_secs(10),
        async || {
            let begun = Instant::now();
            let reply = call().send().await;
            if reply.status == 429 {
                assert!(begun < latest, "refused although it waited {wait:?}");
                return None;
            }
            assert!(Instant::now() > earliest, "admitted before its time");
            reply.expect(status);
            Some(())
        },
    )
    .await;
}

pub async fn the_wait_is_true_where_isolates_count(stack: Arc<Stack>) {
    let from = address();
    holds("api", 5, 4, 401, || stack.get("/_molt/boot").header(ADDRESS, &from)).await;
}

pub async fn the_wait_is_true_where_objects_count(stack: Arc<Stack>) {
    let from = address();
    let wrong = "wrong-".repeat(5);
    holds("admin-guess", 5, 4, 403, || {
        let call = stack.call("PUT", "/api/super/nothing").header(ADDRESS, &from);
        call.header("x-admin-secret", &wrong)
    })
    .await;
}

pub async fn a_browser_gets_a_page(stack: Arc<Stack>) {
    let from = address();
    let navigate = || stack.get("/nothing").browser().header(ADDRESS, &from);
    for reply in burst(60, |_| navigate()).await {
        assert!(reply.expect(302).header("location").starts_with("/login"));
    }
    let page = navigate().send().await;
    assert!(page.expect(429).header("content-type").starts_with("text/html"));
    assert!(page.text().contains("Try again in"), "{}", page.text());
    assert_eq!(page.header("retry-after"), said(&page).reset.to_string());
}

pub async fn a_socket_is_refused_like_any_request(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let mut open = Vec::new();
    for left in (0..3).rev() {
        let (socket, response) = stack
            .handshake("/socket")
            .user(&user)
            .attempt()
            .await
            .expect("it opens");
        assert_eq!(response.headers()["x-ratelimit-remaining"], left.to_string().as_str());
        open.push(socket);
    }
    let refused = stack
        .handshake("/socket")
        .user(&user)
        .attempt()
        .await
        .expect_err("a fourth");
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    // Pages are another class.
    stack.get("/echo").user(&user).send().await.expect(200);
}

pub async fn what_is_free_says_nothing(stack: Arc<Stack>) {
    let from = address();
    let free = |path: &str| stack.get(path).header(ADDRESS, &from);
    for path in ["/health", "/api/status", "/_molt/assets/boot.js"] {
        for reply in burst(100, |_| free(path)).await {
            assert_eq!(reply.expect(200).header("ratelimit"), "", "{path}");
        }
    }
    let preflight = |path: &str| {
        let call = stack.call("OPTIONS", path).header(ADDRESS, &from);
        call.header("origin", "https://app.example")
            .header("access-control-request-method", "PUT")
    };
    for reply in burst(20, |_| preflight("/api/super/users")).await {
        assert_eq!(reply.expect(204).header("ratelimit"), "");
    }
    assert_eq!(said(&free("/_molt/boot").send().await).remaining, 4);
}

pub async fn a_sandbox_says_nothing_about_limits(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let path = "/headers?ratelimit=x&ratelimit-policy=x&x-ratelimit-limit=7&ratelimit-limit=7&x-ratelimit-used=7&retry-after=7";
    let reply = stack.get(path).user(&user).send().await;
    let Said { class, limit, .. } = said(reply.expect(200));
    assert_eq!((class.as_str(), limit), ("page", 60));
    for name in ["ratelimit-limit", "x-ratelimit-used"] {
        assert_eq!(reply.header(name), "", "{name}");
    }
    // When it can be asked again is the sandbox's to say.
    assert_eq!(reply.header("retry-after"), "7");
}

pub async fn pages_of_listed_origins_may_read_it(stack: Arc<Stack>) {
    let call = stack.get("/_molt/boot").header(ADDRESS, &address());
    let reply = call.header("origin", "https://app.example").send().await;
    let exposed = reply
        .expect(401)
        .header("access-control-expose-headers")
        .to_ascii_lowercase();
    let exposed: Vec<&str> = exposed.split(", ").collect();
    for name in molt_common::limit::headers::NAMES.iter().chain(&["retry-after"]) {
        assert!(exposed.contains(name), "{name} is not among {exposed:?}");
    }
}
