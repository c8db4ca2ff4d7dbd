//! The flags and who answers, as the tests look at them.

use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::time::Duration;

pub const ADMIN: &str = "USE_NEW_ADMIN_API";
pub const GATEWAY: &str = "USE_NEW_CONTAINER_GATEWAY";
/// A change is to be seen within 5 s; the rest is for a busy machine.
pub const SEEN: Duration = Duration::from_secs(15);

/// A flag as the API tells it.
pub async fn flag(stack: &Stack, name: &str) -> Value {
    stack
        .get(&format!("/api/super/flags/{name}"))
        .admin()
        .send()
        .await
        .json(200)
}

/// Its setting without what changes with every change.
pub async fn setting(stack: &Stack, name: &str) -> Value {
    let flag = flag(stack, name).await;
    json!({"source": flag["source"], "enabled": flag["enabled"], "percent": flag["percent"], "allow": flag["allow"], "deny": flag["deny"], "killed": flag["killed"]})
}

/// Both flags never set, and every router obeying that: everybody is with what ran before.
pub async fn all_legacy(stack: &Stack) {
    for name in [ADMIN, GATEWAY] {
        stack
            .call("DELETE", &format!("/api/super/flags/{name}"))
            .admin()
            .send()
            .await
            .expect(200);
    }
    let version = &stack.get("/api/super/flags").admin().send().await.json(200)["version"];
    for url in &stack.ready.urls {
        until("the router obeys", SEEN, async || {
            let status = stack.call_at(url, "GET", "/api/status").send().await.json(200);
            (&status["flags"]["version"] == version).then_some(())
        })
        .await;
    }
}

/// Who answers a user's page, at a router.
pub async fn backend_of(stack: &Stack, url: &str, user: &User) -> String {
    let reply = stack
        .call_at(url, "GET", "/")
        .user(user)
        .header("accept", "application/json")
        .send()
        .await;
    assert!(reply.status < 500, "{} of {}", reply.status, reply.text());
    reply.backend().to_owned()
}

/// Who answers the admin's list of users, at a router.
pub async fn admin_backend(stack: &Stack, url: &str) -> String {
    let reply = stack.call_at(url, "GET", "/api/super/users").admin().send().await;
    reply.expect(200).backend().to_owned()
}
