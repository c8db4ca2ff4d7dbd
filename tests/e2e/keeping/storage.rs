//! Storage that fails before a stop: nothing is stopped without being saved, unless somebody gives the disk up.

use e2e_tests::broken_bucket::BrokenBucket;
use e2e_tests::changes::ended;
use e2e_tests::people::User;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use molt_common::repository_token::Access;
use molt_common::snapshot::ObjectId;
use serde_json::{Value, json};
use std::time::Duration;

const FLAGS: &[&str] = &[
    "--var",
    "container-gateway.IDLE_SLEEP_SECONDS=20",
    "--var",
    "container-gateway.SNAPSHOT_INTERVAL_SECONDS=5",
];
/// A save tries again for a while before it says that it failed.
const TOLD_WITHIN: Duration = Duration::from_secs(180);

async fn dashboard(stack: &Stack, user: &User) -> Value {
    let listed = stack
        .get("/api/super/state/dashboard?limit=200")
        .admin()
        .send()
        .await
        .json(200);
    let users = listed["users"].as_array().cloned().unwrap_or_default();
    users
        .into_iter()
        .find(|one| one["userId"] == json!(user.id))
        .unwrap_or_default()
}

async fn metric(stack: &Stack, name: &str) -> f64 {
    let text = stack.get("/api/super/metrics").admin().send().await.expect(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
    line.and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

async fn destroy(stack: &Stack, user: &User, discard: bool) -> Value {
    let body = json!({"discardDisk": discard});
    let asked = stack.post(&user.path("/destroy")).admin().json(&body).send().await;
    let confirm = asked.problem(409, "confirmation_required")["confirm"].clone();
    stack
        .changed(
            user,
            "POST",
            "destroy",
            &json!({"discardDisk": discard, "confirm": confirm}),
        )
        .await
}

pub async fn while_storage_fails_nothing_is_stopped_and_everybody_is_told() {
    let stack = Stack::start(FLAGS, &state_dir().unwrap()).await.unwrap();
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "echo saved > note.txt").await;
    stack.backup(&user).await;
    assert_eq!(metric(&stack, "molt_sandboxes_save_failed").await, 0.0);
    let broken = BrokenBucket::of(&stack);
    let sum = stack
        .sh(
            &user,
            "head -c 200000 /dev/urandom > unsaved.bin; sha256sum < unsaved.bin",
        )
        .await;

    storage_says_so(&stack, &user).await;
    told_to_operators(&stack, &user).await;
    refused(&stack, &user).await;
    assert_eq!(
        stack.sh(&user, "sha256sum < unsaved.bin").await,
        sum,
        "it goes on with its data"
    );
    assert_eq!(stack.generation(&user).await, 1);

    // Somebody gives it up.
    ended(&destroy(&stack, &user, true).await, "succeeded");
    stack.engine.none(&user).await;
    let state = stack.state(&user).await;
    assert!(state["disk"]["loss"].is_string(), "{state}");
    assert!(metric(&stack, "molt_sandboxes_ended_unsaved").await >= 1.0);
    broken.mend();
    stack.awake(&user).await;
    assert_eq!(
        stack
            .sh(&user, "cat note.txt; ls unsaved.bin 2>/dev/null || true")
            .await,
        "saved\n"
    );
    stack.stop().await.assert_clean();
}

async fn storage_says_so(stack: &Stack, user: &User) {
    let repository = stack.repository(user);
    let id = ObjectId::of(b"never stored");
    let call = repository.call(Access::Append, "POST", &format!("restic/data/{id}"));
    let reply = call.body("never stored").send().await;
    reply.problem(503, "repository_unavailable");
    assert!(
        reply
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds > 0)
    );
}

/// The newest good snapshot of a running sandbox that changes gets old: state, lists, the old words and the figures say so.
async fn told_to_operators(stack: &Stack, user: &User) {
    until(
        "state and dashboard say that it is not saved",
        TOLD_WITHIN,
        async || {
            let of = async |state: Value| {
                let alerts = state["disk"]["alerts"].to_string();
                alerts.contains("is in no snapshot") && alerts.contains("Saving failed")
            };
            (of(stack.state(user).await).await && of(dashboard(stack, user).await).await).then_some(())
        },
    )
    .await;
    let health = stack.get(&user.path("/r2-health")).admin().send().await.json(200);
    assert_eq!(health["healthy"], false, "{health}");
    assert!(
        health["reason"]
            .as_str()
            .is_some_and(|why| why.contains("is in no snapshot")),
        "{health}"
    );
    assert!(metric(stack, "molt_sandboxes_save_failed").await >= 1.0);
    assert!(metric(stack, "molt_sandboxes_alerted").await >= 1.0);
    assert!(
        metric(stack, "molt_unsaved_max_seconds").await >= 15.0,
        "three intervals"
    );
}

async fn refused(stack: &Stack, user: &User) {
    // Nobody uses it, so it would sleep.
    let state = until("it was not put to sleep", TOLD_WITHIN, async || {
        let state = stack.state(user).await;
        assert_ne!(state["lifecycle"], "sleeping", "{state}");
        state["disk"]["stopRefused"].is_object().then_some(state)
    })
    .await;
    assert_eq!(state["disk"]["stopRefused"]["code"], "not_saved", "{state}");
    for (method, verb, body) in [
        ("POST", "restart-async", json!({"scope": "sandbox"})),
        ("PUT", "tier", json!({"tier": 2})),
        ("PUT", "image", json!({"channel": "canary"})),
    ] {
        not_stopped(&stack.changed(user, method, verb, &body).await);
    }
    not_stopped(&destroy(stack, user, false).await);
    let state = stack.state(user).await;
    assert_eq!(state["lifecycle"], "running", "{state}");
    let alerts = dashboard(stack, user).await["disk"]["alerts"].to_string();
    assert!(alerts.contains("It was not stopped"), "{alerts}");
    let stops = "molt_sandboxes_stop_refused{code=\"not_saved\"}";
    assert!(metric(stack, stops).await >= 1.0);
}

#[track_caller]
fn not_stopped(job: &Value) {
    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(job["change"]["outcome"]["stopRefused"], "not_saved", "{job}");
    let error = job["error"].as_str().unwrap_or_default();
    assert!(error.contains("could not be saved, so it was not stopped"), "{job}");
}
