//! Lists of a sandbox whose object was only ever asked from another process, which does not tell it its name.

use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub async fn lists_that_are_set_before_the_first_visit_hold(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let lists = json!({"deny": ["denied.example.com"]});
    let put = stack.call("PUT", &user.path("/outbound")).admin().json(&lists);
    assert_eq!(put.send().await.json(200)["standing"], "not_running");
    stack.awake(&user).await;
    let got = stack
        .sh(&user, "curl -sS --http1.1 -m 20 http://denied.example.com/")
        .await;
    assert!(got.contains("outbound_denied"), "{got}");
    let query = format!(
        "SELECT target FROM audit WHERE chain = 'sandbox:{}' AND action = 'sandbox.claimed'",
        user.id
    );
    let noted = until("the claim is in the trail", Duration::from_secs(30), async || {
        stack.sql(&query).await.pop()
    });
    assert_eq!(noted.await["target"], user.sandbox());
}
