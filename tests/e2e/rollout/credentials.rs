//! What reaches what ran before, and who.

use e2e_tests::flags::SEEN;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::json;
use std::sync::Arc;

/// A name of our session cookie that only the router knows.
const COOKIE: &str = "__Host-molt-session";

pub async fn what_ran_before_gets_the_token_and_not_our_cookies(stack: Arc<Stack>) {
    stack.forget_flags().await;
    let user = stack.new_legacy_user();
    let cookie = format!("{COOKIE}={}; theirs=1", user.token);
    let seen = stack.get("/x").header("cookie", &cookie).send().await.json(200);
    assert_eq!(
        (&seen["backend"], &seen["userId"]),
        (&json!("legacy"), &json!(user.id)),
        "{seen}"
    );
    // A token of his own in the request is what counts, here as everywhere.
    let other = stack.new_legacy_user();
    let both = stack.get("/x").header("cookie", &cookie).user(&other);
    assert_eq!(both.send().await.json(200)["userId"], json!(other.id));
    // A page of another site cannot have a browser spend his session: nothing of it reaches the other side.
    for (method, origin, expected) in [
        ("POST", "https://evil.example", 401),
        ("POST", stack.ready.url.as_str(), 200),
    ] {
        let call = stack
            .call(method, "/x")
            .header("cookie", &format!("sb-access-token={}", user.token));
        let reply = call.header("origin", origin).send().await;
        assert_eq!(
            (reply.status, reply.backend()),
            (expected, "legacy"),
            "{origin}: {}",
            reply.text()
        );
    }
    let nobody = stack.get("/x").header("cookie", "theirs=1").send().await;
    assert_eq!((nobody.status, nobody.backend()), (401, "legacy"));
}

pub async fn nobody_who_is_shut_out_reaches_what_ran_before(stack: Arc<Stack>) {
    stack.forget_flags().await;
    // He signs up on this side, as operators suspend whom they know.
    let user = stack.seeded("Ben");
    let reply = stack.get("/x").user(&user).send().await;
    assert_eq!((reply.status, reply.backend()), (200, "legacy"));
    let version = stack
        .set_flag("USE_NEW_ADMIN_API", e2e_tests::flags::percent(100))
        .await;
    stack.flags_are_seen(version).await;
    let reason = json!({"reason": "a test"});
    stack
        .post(&user.path("/suspend"))
        .admin()
        .json(&reason)
        .send()
        .await
        .expect(200);
    for url in &stack.ready.urls {
        until("the router refuses him", SEEN, async || {
            let reply = stack.call_at(url, "GET", "/x").user(&user).send().await;
            (reply.status == 403 && reply.backend() == "router").then_some(())
        })
        .await;
        // What ran before reads a token with padding, which is none here.
        let padded = format!("{}=", user.token);
        let reply = stack.call_at(url, "GET", "/x").bearer(&padded).send().await;
        assert_eq!((reply.status, reply.backend()), (403, "router"), "{}", reply.text());
    }
    stack
        .post(&user.path("/reinstate"))
        .admin()
        .json(&reason)
        .send()
        .await
        .expect(200);
    until("he is let in again", 6 * SEEN, async || {
        (stack.get("/x").user(&user).send().await.status == 200).then_some(())
    })
    .await;
    let leaving = stack.another_session(&user);
    assert_eq!(stack.get("/x").user(&leaving).send().await.status, 200);
    stack.post("/logout").session(&leaving).send().await.expect(303);
    let reply = stack.get("/x").user(&leaving).send().await;
    reply.problem(401, "authentication_required");
    assert_eq!(reply.backend(), "router");
    stack.forget_flags().await;
}

pub async fn no_admin_key_of_ours_reaches_what_ran_before(stack: Arc<Stack>) {
    stack.forget_flags().await;
    let (_, key) = stack.admin_key("for this side alone", &["fleet:read"]).await;
    let foreign = "a secret that is no key of ours";
    for (call, shown) in [
        (stack.get("/api/super/users").header("x-admin-secret", &key), json!([])),
        (stack.get("/api/super/users").bearer(&key), json!([])),
        (
            stack.get("/api/super/users").header("x-admin-secret", foreign),
            json!(["x-admin-secret"]),
        ),
    ] {
        let reply = call.send().await;
        assert_eq!((reply.status, reply.backend()), (403, "legacy"), "{}", reply.text());
        assert_eq!(reply.json(403)["shown"], shown);
    }
}

pub async fn no_client_speaks_to_the_fence_of_what_ran_before(stack: Arc<Stack>) {
    stack.forget_flags().await;
    let user = stack.new_legacy_user();
    let path = format!("/_molt/ownership/{}", user.id);
    for method in ["GET", "PUT"] {
        // With the very token that the gateway shows.
        let call = stack.call(method, &path).bearer(&stack.secrets.legacy_fence);
        let reply = call.json(&json!({"owner": "new", "epoch": 9})).send().await;
        reply.problem(404, "not_found");
        assert_eq!(reply.backend(), "router");
    }
    assert_eq!(stack.get("/x").user(&user).send().await.status, 200);
}
