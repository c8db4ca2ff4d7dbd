//! The command line.

use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn the_command_line_does_what_the_api_does(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let id = user.id.as_str();
    let set = stack
        .molt(&["config", "set", id, r#"{"ui": {"a": 1}}"#, "--reason", "by hand"])
        .await;
    assert!(set.done().starts_with("version 1: Staged"), "{}", set.done());
    let patch = stack
        .molt(&["--json", "config", "patch", id, r#"{"ui": {"b": 2}}"#])
        .await;
    assert_eq!(patch.json()["version"], 2);
    let got = stack.molt(&["config", "get", id]).await;
    let got: Value = serde_json::from_str(got.done()).expect("JSON");
    assert_eq!(got, json!({"ui": {"a": 1, "b": 2}}));
    let history = stack.molt(&["config", "history", id]).await;
    assert!(history.done().contains("by hand"), "{}", history.done());
    let diff = stack.molt(&["config", "diff", id, "1"]).await;
    assert!(diff.done().contains("/ui/b"), "{}", diff.done());
    let stale = stack
        .molt(&["config", "patch", id, "{}", "--if-hash", crate::world::EMPTY])
        .await;
    stale.refused("another configuration");
    stack.molt(&["config", "rollback", id, "1"]).await.done();
    let got = stack.molt(&["--json", "config", "get", id]).await;
    assert_eq!(got.json()["layers"]["user"], json!({"ui": {"a": 1}}));
    let bulk = stack
        .molt(&["bulk", "config-patch", "--users", id, r#"{"ui": {"c": 3}}"#])
        .await;
    bulk.done();
    let got = stack.molt(&["--json", "config", "get", id]).await;
    assert_eq!(got.json()["layers"]["user"]["ui"]["c"], 3);
}
