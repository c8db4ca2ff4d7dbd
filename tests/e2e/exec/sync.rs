//! `exec-sync`, cancel by POST, and what older clients read.

use e2e_tests::harness::Group;
use e2e_tests::stack::Stack;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![
        group.shared("sync::the_answer_is_the_end", the_answer_is_the_end),
        group.shared(
            "sync::what_was_stopped_has_no_exit_code",
            what_was_stopped_has_no_exit_code,
        ),
        group.shared("sync::who_hangs_up_stops_nothing", who_hangs_up_stops_nothing),
        group.shared("sync::what_takes_longer_is_a_job", what_takes_longer_is_a_job),
        group.shared("sync::a_post_cancels_too", a_post_cancels_too),
    ]
}

async fn the_answer_is_the_end(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    stack.awake(&user).await;
    let path = user.path("/exec-sync");
    let body = json!({"command": "echo out; echo err >&2; exit 7", "timeout": 60_000});
    let key = format!("sync-{}", uuid::Uuid::new_v4());
    let run = || {
        stack
            .post(&path)
            .admin()
            .header("idempotency-key", &key)
            .json(&body)
            .send()
    };
    let answer = run().await.json(200);
    for (field, value) in [
        ("userId", json!(user.id)),
        ("command", body["command"].clone()),
        ("exitCode", json!(7)),
        ("stdout", json!("out\n")),
        ("stderr", json!("err\n")),
        ("state", json!("failed")),
        ("status", json!("completed")),
        ("signal", Value::Null),
        ("truncated", json!(false)),
        ("error", Value::Null),
        // A longer limit is cut without a word, as it always was, and the answer says which applied.
        ("timeoutMs", json!(20_000)),
    ] {
        assert_eq!(answer[field], value, "{field}: {answer}");
    }
    assert!(answer["timestamp"].is_string());
    let again = run().await.json(200);
    assert_eq!(again["execId"], answer["execId"], "one key, one run");
    // It is an exec like any other.
    let id = answer["execId"].as_str().expect("an id");
    let status = stack
        .get(&user.path(&format!("/exec/{id}/status")))
        .admin()
        .send()
        .await
        .json(200);
    assert_eq!((&status["exitCode"], &status["found"]), (&json!(7), &json!(true)));
    stack
        .post(&path)
        .admin()
        .json(&json!({"command": " "}))
        .send()
        .await
        .names_field("command");
    stack
        .post(&path)
        .admin()
        .json(&json!({"command": "a", "timeoutMs": 0}))
        .send()
        .await
        .names_field("timeoutMs");
    let usual = stack
        .post(&path)
        .admin()
        .json(&json!({"command": "true"}))
        .send()
        .await
        .json(200);
    assert_eq!((&usual["timeoutMs"], &usual["exitCode"]), (&json!(15_000), &json!(0)));
}

async fn what_was_stopped_has_no_exit_code(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    stack.awake(&user).await;
    let body = json!({"command": "echo begun; trap '' TERM; while :; do sleep 1; done", "timeoutMs": 500});
    let begun = Instant::now();
    let answer = stack
        .post(&user.path("/exec-sync"))
        .admin()
        .json(&body)
        .send()
        .await
        .json(200);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(
        (&answer["state"], &answer["status"]),
        (&json!("timed_out"), &json!("error")),
        "{answer}"
    );
    assert_eq!(
        (&answer["exitCode"], &answer["stdout"]),
        (&Value::Null, &json!("begun\n")),
        "{answer}"
    );
    assert!(answer["error"].is_string(), "{answer}");
}

async fn who_hangs_up_stops_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let key = format!("sync-{}", uuid::Uuid::new_v4());
    let body = json!({"command": "sleep 4; echo ran >> ~/runs; cat ~/runs"});
    let call = || {
        stack
            .post(&user.path("/exec-sync"))
            .admin()
            .header("idempotency-key", &key)
            .json(&body)
    };
    // His patience ends while the command runs.
    let hung_up = tokio::time::timeout(Duration::from_secs(2), call().open()).await;
    assert!(hung_up.is_err(), "it was over too soon");
    let answer = call().send().await.json(200);
    assert_eq!(
        (&answer["state"], &answer["stdout"]),
        (&json!("succeeded"), &json!("ran\n")),
        "{answer}"
    );
}

async fn what_takes_longer_is_a_job(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    stack.awake(&user).await;
    // 20 s, and a grace that is longer than the call waits.
    let body =
        json!({"command": "trap '' TERM; while :; do sleep 1; done", "timeoutMs": 20_000, "killGraceMs": 60_000});
    let accepted = stack
        .post(&user.path("/exec-sync"))
        .admin()
        .json(&body)
        .send()
        .await
        .json(202);
    assert_eq!(
        (&accepted["state"], &accepted["async"]),
        (&json!("running"), &json!(true)),
        "{accepted}"
    );
    let id = accepted["execId"].as_str().expect("an id");
    assert_eq!(accepted["pollUrl"], user.path(&format!("/exec/{id}/status")));
    stack.cancel(&accepted).await;
}

async fn a_post_cancels_too(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    stack.awake(&user).await;
    let accepted = stack
        .submit(&user, &json!({"command": "sleep 100", "timeoutMs": 120_000}))
        .await;
    stack.exec_reaches(&accepted, "running").await;
    let id = accepted["execId"].as_str().expect("an id");
    let path = user.path(&format!("/exec/{id}/cancel"));
    stack.post(&path).admin().send().await.expect(202);
    let ended = stack.outcome(&accepted).await;
    assert_eq!(
        (&ended["state"], &ended["exitCode"]),
        (&json!("cancelled"), &Value::Null),
        "{ended}"
    );
    // What has ended stays as it is.
    assert_eq!(stack.post(&path).admin().send().await.json(202)["state"], "cancelled");
}
