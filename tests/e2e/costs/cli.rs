//! The command line.

use crate::world::{calls, cost_that};
use e2e_tests::stack::Stack;
use serde_json::json;
use std::sync::Arc;

pub async fn the_command_line_does_what_the_api_does(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let id = user.id.as_str();
    let set = stack
        .molt(&["budget", "set", id, "--requests-per-day", "2", "--warn-at", "50"])
        .await;
    assert!(set.done().contains("requests today"), "{}", set.done());
    let got = stack.molt(&["--json", "budget", "get", id]).await;
    assert_eq!(got.json()["budget"], json!({"requestsPerDay": 2, "warnAtPercent": 50}));
    stack.awake(&user).await;
    stack.chat(&user, "openai", "plain").await;
    let got = stack.molt(&["budget", "get", id]).await;
    assert!(
        got.done().contains("look at: 1 of 2 requests of today"),
        "{}",
        got.done()
    );
    let cleared = stack.molt(&["budget", "clear", id]).await;
    assert!(cleared.done().contains("unlimited"), "{}", cleared.done());
    cost_that(&stack, &user, "it is told", |cost| {
        calls(&cost["total"], "openai", false).is_some()
    })
    .await;
    let cost = stack.molt(&["cost", id, "--days", "2"]).await;
    assert!(
        cost.done().contains("openai") && cost.done().contains("estimated"),
        "{}",
        cost.done()
    );
    let all = stack.molt(&["cost", "--provider", "openai"]).await;
    assert!(all.done().contains(id) && all.done().contains("all"), "{}", all.done());
    let json = stack.molt(&["--json", "cost", "--days", "2"]).await;
    assert!(
        json.json()["users"]
            .as_array()
            .is_some_and(|users| users.iter().any(|one| one["userId"] == id))
    );
    stack
        .molt(&["cost", id, "--from", "2026-02-02", "--to", "2026-02-01"])
        .await
        .refused("from");
}
