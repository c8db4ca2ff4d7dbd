//! Users who may not go on, and users who come all at once.

use crate::world::{boot, signed_in, somebody, user};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

pub async fn a_suspended_user_is_told_and_gets_no_container(stack: Arc<Stack>) {
    let id = somebody();
    let (mut jar, tokens) = signed_in(&stack, &id, 3600).await;
    boot(&stack, &mut jar).await.expect(200);
    stack
        .sql(&format!("UPDATE users SET status = 'suspended' WHERE id = '{id}'"))
        .await;
    until("the suspension is seen", Duration::from_secs(20), async || {
        (boot(&stack, &mut jar).await.status == 403).then_some(())
    })
    .await;
    boot(&stack, &mut jar).await.problem(403, "user_suspended");
    stack
        .get("/")
        .bearer(&tokens.access)
        .send()
        .await
        .problem(403, "user_suspended");
    let page = jar.on(stack.get("/").browser()).send().await;
    let html = page.expect(403).text();
    assert!(
        html.contains("suspended") && html.contains("href=\"/logout\""),
        "{html}"
    );
    assert!(
        html.contains(&format!("{}@example.test", &id[..8])),
        "it says who is signed in: {html}"
    );
    assert!(html.contains(page.request_id()), "{html}");
    let socket = stack.handshake("/socket").header("cookie", &jar.header());
    let refused = socket.attempt().await.expect_err("no socket");
    assert_eq!(refused.status(), 403);
    assert!(stack.engine.running(&user(&id, "")).await.is_empty());
}

pub async fn fifty_first_requests_make_one_user(stack: Arc<Stack>) {
    let id = somebody();
    let (jar, tokens) = signed_in(&stack, &id, 3600).await;
    let replies = join_all((0..50).map(|n| {
        let call = stack.get("/_molt/boot");
        let call = if n % 2 == 0 {
            jar.on(call)
        } else {
            call.bearer(&tokens.access)
        };
        call.send()
    }))
    .await;
    for reply in replies {
        reply.expect(200);
    }
    let found = stack
        .get(&format!("/api/super/users/lookup/{}", &id[..8]))
        .admin()
        .send()
        .await;
    assert_eq!(found.json(200)["userId"], id.as_str());
}
