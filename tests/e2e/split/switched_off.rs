//! A flag is off, and nothing is bound as what ran before.

use e2e_tests::flags::{ADMIN, GATEWAY, killed};
use e2e_tests::stack::Stack;
use std::sync::Arc;

pub async fn a_flag_that_is_off_is_said_plainly(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.set_flag(ADMIN, killed()).await;
    stack.flags_are_seen(stack.set_flag(GATEWAY, killed()).await).await;
    for url in &stack.ready.urls {
        let echo = stack.call_at(url, "GET", "/echo").user(&user).send().await;
        let body = echo.problem(503, "switched_off");
        assert!(body["detail"].as_str().unwrap_or_default().contains(GATEWAY), "{body}");
        assert_eq!((echo.header("retry-after"), echo.backend()), ("30", "router"));
        let page = stack.call_at(url, "GET", "/").session(&user).browser().send().await;
        let html = page.expect(503).text();
        assert!(html.contains("switched off") && html.contains(GATEWAY), "{html}");
        let admin = stack.call_at(url, "GET", "/api/super/users").admin().send().await;
        admin.problem(503, "switched_off");
        assert_eq!(admin.header("x-molt-flags-source"), "control-plane");
        // What is about neither goes on.
        stack.call_at(url, "GET", "/login").send().await.expect(200);
        stack
            .call_at(url, "GET", "/api/super/flags")
            .admin()
            .send()
            .await
            .expect(200);
    }
    stack.forget_flags().await;
    stack.get("/_molt/boot").user(&user).send().await.expect(200);
}

pub async fn somebody_unknown_may_show_who_he_is_while_a_flag_is_on_for_some(stack: Arc<Stack>) {
    let [inside, outside] = [stack.new_user().await, stack.new_user().await];
    let allow = serde_json::json!({"enabled": false, "percent": 0, "allow": [inside.id]});
    stack.flags_are_seen(stack.set_flag(GATEWAY, allow).await).await;
    let page = stack.get("/").browser().send().await;
    assert!(page.expect(302).header("location").starts_with("/login"));
    stack
        .get("/_molt/boot")
        .send()
        .await
        .problem(401, "authentication_required");
    stack.get("/_molt/boot").user(&inside).send().await.expect(200);
    stack
        .get("/_molt/boot")
        .user(&outside)
        .send()
        .await
        .problem(503, "switched_off");
    stack.forget_flags().await;
}
