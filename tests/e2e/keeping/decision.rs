//! A disk that is suddenly almost empty, and a stop that would make that what the next start restores.

use e2e_tests::changes::ended;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub async fn a_stop_waits_until_somebody_decides_about_a_disk_that_shrank(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let fill = "mkdir -p work && cd work && for n in $(seq 400); do echo $n > $n; done; ls | wc -l";
    stack.sh(&user, fill).await;
    let first = stack.backup(&user).await;
    stack.sh(&user, "rm -rf work; echo left > left.txt").await;

    let job = stack.changed(&user, "PUT", "tier", &json!({"tier": 2})).await;
    assert_eq!(job["state"], "failed", "{job}");
    let outcome = &job["change"]["outcome"];
    assert_eq!(outcome["stopRefused"], "snapshot_kept_apart", "{job}");
    let apart = outcome["snapshot"].as_str().expect("a snapshot").to_owned();
    let text = job["error"].as_str().unwrap_or_default();
    for part in [
        format!("snapshot {} ", &apart[..8]),
        "/release)".to_owned(),
        "discardDisk: true".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} is not in {text}");
    }
    let state = stack.state(&user).await;
    assert_eq!(
        (&state["lifecycle"], &state["generation"]),
        (&json!("running"), &json!(1)),
        "{state}"
    );
    let refused = &state["disk"]["stopRefused"];
    assert_eq!(
        (&refused["code"], &refused["snapshot"]),
        (&json!("snapshot_kept_apart"), &json!(apart)),
        "{state}"
    );
    assert_eq!(
        (&state["disk"]["head"], &state["disk"]["quarantined"]),
        (&json!(first), &json!(1)),
        "{state}"
    );
    let listed = stack
        .get("/api/super/state/dashboard?limit=200")
        .admin()
        .send()
        .await
        .json(200);
    let own = |list: &Value| {
        let users = list["users"].as_array().cloned().unwrap_or_default();
        users.into_iter().find(|one| one["userId"] == json!(user.id))
    };
    let alerts = own(&listed).unwrap_or_default()["disk"]["alerts"].to_string();
    assert!(alerts.contains(&apart[..8]), "{alerts}");

    // Somebody looked, and it is as it should be.
    let release = stack.post(&user.path(&format!("/backups/{apart}/release"))).admin();
    release.send().await.expect(200);
    ended(
        &stack.changed(&user, "PUT", "tier", &json!({"tier": 2})).await,
        "succeeded",
    );
    assert_eq!(stack.sh(&user, "ls -d work 2>/dev/null; cat left.txt").await, "left\n");
    let after = until("nothing is left to look at", Duration::from_secs(30), async || {
        let state = stack.state(&user).await;
        (state["disk"]["alerts"] == json!([])).then_some(state)
    })
    .await;
    assert_eq!(after["disk"]["stopRefused"], Value::Null, "{after}");
}
