//! `molt` does the same.

use e2e_tests::stack::Stack;
use serde_json::json;
use std::sync::Arc;

pub async fn the_command_line_does_what_the_api_does(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let id = user.id.as_str();
    let woken = stack.molt(&["wake", id, "--json"]).await.json();
    assert_eq!(
        (&woken["state"], &woken["title"]),
        (&json!("succeeded"), &json!("wake")),
        "{woken}"
    );
    let shown = stack.molt(&["state", id, "--probe"]).await;
    let shown = shown.done();
    assert!(shown.contains("running") && shown.contains("agentPid"), "{shown}");
    let restarted = stack.molt(&["restart", id]).await;
    assert!(restarted.done().contains("restart agent"), "{restarted:?}");
    let detached = stack
        .molt(&["restart", id, "--scope", "sandbox", "--discard-disk", "--detach"])
        .await;
    let job = detached.done().trim().to_owned();
    let watched = stack.molt(&["jobs", "watch", &job, "--json"]).await.json();
    assert_eq!(watched["state"], "succeeded", "{watched}");
    assert_eq!(stack.generation(&user).await, 2);
    let reset = stack.molt(&["reset", id, "--discard-disk", "--json"]).await.json();
    assert_eq!(reset["change"]["generation"], 3, "{reset}");
    let tier = stack.molt(&["tier", id, "2", "--discard-disk", "--json"]).await.json();
    assert_eq!(tier["state"], "succeeded", "{tier}");
    assert_eq!(stack.state(&user).await["tier"], 2);
    let image = stack.molt(&["image", id, "--json"]).await.json();
    assert_eq!(image["generation"], 4, "{image}");
    let kept = stack
        .molt(&["keep-alive", id, "idle", "--after", "10m", "--json"])
        .await
        .json();
    assert_eq!(kept["keepAlive"], json!({"policy": "idle", "seconds": 600}), "{kept}");
    let bulk = stack.molt(&["bulk", "restart", "--users", id]).await;
    assert!(bulk.done().contains("lifecycle."), "{bulk:?}");
    assert!(!bulk.done().contains("exitCode"), "restarts have none: {bulk:?}");
    stack.molt(&["destroy", id]).await.refused("--yes");
    assert_eq!(stack.state(&user).await["lifecycle"], "running");
    let gone = stack.molt(&["destroy", id, "--yes", "--json"]).await.json();
    assert_eq!(gone["state"], "succeeded", "{gone}");
    assert_eq!(stack.state(&user).await["lifecycle"], "stopped");
    let listed = stack.molt(&["jobs", "list", "--kind", "lifecycle", "--user", id]).await;
    assert!(listed.done().contains("wake"), "{listed:?}");
    stack
        .molt(&["wake", &uuid::Uuid::new_v4().to_string()])
        .await
        .refused("unknown_user");
}
