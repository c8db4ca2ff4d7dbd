//! What a browser that navigates gets instead of the agent.

use crate::stalled::{break_agent, stall};
use e2e_tests::stack::Stack;
use std::sync::Arc;

pub async fn a_form_that_was_not_taken_is_answered_with_a_page(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let _stalled = stall(&stack, &user).await;
    let reply = stack
        .post("/form?x=1")
        .user(&user)
        .browser()
        .form(&[("a", "b")])
        .send()
        .await;
    reply.expect(503);
    assert!(
        reply.header("content-type").starts_with("text/html"),
        "{}",
        reply.header("content-type")
    );
    assert!(reply.header("retry-after").parse::<u32>().is_ok());
    let html = reply.text();
    assert!(html.contains(reply.header("x-request-id")), "{html}");
    assert!(html.contains("What you sent may not have been taken"), "{html}");
    // A way on that sends nothing again.
    assert!(
        html.contains("href=\"/\"") && !html.contains("/form") && !html.contains("http-equiv"),
        "{html}"
    );
}

pub async fn a_navigation_while_the_agent_is_gone_gets_the_boot_page(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let _stalled = stall(&stack, &user).await;
    let page = stack.get("/chat?x=1").user(&user).browser().send().await;
    let html = page.expect(503).text();
    assert!(
        html.contains("id=\"boot\"") && html.contains("aria-current=\"step\""),
        "{html}"
    );
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(page.header("cache-control"), "no-store");
}

pub async fn a_start_that_failed_is_a_page_that_stops_refreshing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    break_agent(&stack, &user).await;
    let page = stack.get("/").user(&user).browser().send().await;
    let html = page.expect(503).text();
    // It may be time for the next try already.
    if html.contains("data-next=\"retry\"") {
        assert!(!html.contains("http-equiv"), "{html}");
        assert!(
            html.contains("href=\"/_molt/restart\"") && html.contains("id=\"cause\""),
            "{html}"
        );
        assert!(
            page.header("retry-after")
                .parse::<u32>()
                .is_ok_and(|seconds| seconds >= 1)
        );
    } else {
        assert!(html.contains("http-equiv=\"refresh\""), "{html}");
    }
    stack.awake(&user).await;
}
