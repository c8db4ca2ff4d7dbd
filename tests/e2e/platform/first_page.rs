//! The first request of somebody whose sandbox does not run.

use e2e_tests::sandbox::{START_LIMIT, Seen};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use futures_util::future::join_all;
use std::sync::Arc;

pub async fn a_browser_sees_the_start_and_then_its_agent(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let page = stack.get("/").session(&user).browser().send().await;
    page.expect(503);
    assert_eq!(
        (page.header("retry-after"), page.header("cache-control")),
        ("1", "no-store")
    );
    assert!(page.header("content-type").starts_with("text/html"));
    let html = page.text();
    assert!(
        html.contains("Opening your sandbox") && html.contains("aria-current=\"step\""),
        "{html}"
    );
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    assert!(
        html.contains("<script src=\"/_molt/assets/boot.js\" defer></script>"),
        "{html}"
    );
    assert!(page.header("content-security-policy").contains("script-src 'self'"));
    let script = stack.get("/_molt/assets/boot.js").send().await;
    assert!(script.expect(200).header("content-type").starts_with("text/javascript"));

    let boot = until("the start is over", START_LIMIT, async || {
        let boot = stack.get("/_molt/boot").session(&user).send().await.json(200);
        let lifecycle = boot["lifecycle"].as_str().unwrap_or_default().to_owned();
        assert!(["starting", "running"].contains(&lifecycle.as_str()), "{boot}");
        (lifecycle == "running").then_some(boot)
    })
    .await;
    assert_eq!(
        (boot["generation"].as_u64(), boot["phase"].as_str()),
        (Some(1), Some("ready")),
        "{boot}"
    );
    let page = stack.get("/").session(&user).browser().send().await;
    assert!(
        page.expect(200)
            .text()
            .contains(&format!("<b id=\"user\">{}</b>", user.id)),
        "{}",
        page.text()
    );
}

pub async fn a_program_is_held_until_the_agent_answers(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let reply = stack.get("/").user(&user).header("accept", "*/*").send().await;
    assert!(reply.expect(200).text().contains(&user.id), "{}", reply.text());
    assert_eq!(stack.generation(&user).await, 1);
}

pub async fn asking_how_far_a_start_is_starts_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for _ in 0..3 {
        let boot = stack.get("/_molt/boot").user(&user).send().await.json(200);
        assert_eq!(
            (boot["lifecycle"].as_str(), boot["generation"].as_u64()),
            (Some("stopped"), Some(0)),
            "{boot}"
        );
    }
    assert!(stack.engine.running(&user).await.is_empty());
}

pub async fn fifty_first_requests_start_one_container(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let replies = join_all((0..50).map(|number| stack.get(&format!("/echo?n={number}")).user(&user).send())).await;
    for (number, reply) in replies.into_iter().enumerate() {
        let seen = Seen::from(reply);
        assert_eq!(seen.0["path"], format!("/echo?n={number}"), "each got its own answer");
        assert_eq!(seen.header("x-openclaw-user"), Some(user.id.as_str()));
    }
    stack.engine.only(&user).await;
    assert_eq!(stack.generation(&user).await, 1);
}
