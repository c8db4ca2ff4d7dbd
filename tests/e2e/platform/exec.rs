//! Commands run by an admin: what they were told reaches them, and what they did is told as it was.

use crate::answers::is_time;
use e2e_tests::people::{User, now};
use e2e_tests::stack::Stack;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn ada(stack: &Stack) -> User {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    ada
}

pub async fn a_command_ends_with_its_output(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let accepted = stack.submit(&ada, &json!({"command": "echo hello"})).await;
    assert_eq!(accepted["userId"], ada.id.as_str());
    assert_eq!(
        (&accepted["command"], &accepted["async"]),
        (&json!("echo hello"), &json!(true))
    );
    assert_eq!(
        (&accepted["state"], &accepted["status"]),
        (&json!("queued"), &json!("running")),
        "{accepted}"
    );
    assert!(
        accepted["execId"].as_str().is_some_and(|id| id.starts_with("exec_")),
        "{accepted}"
    );
    assert!(
        is_time(accepted["timestamp"].as_str().unwrap_or_default()),
        "{accepted}"
    );

    let status = stack.outcome(&accepted).await;
    let expected = json!({
        "execId": accepted["execId"], "found": true, "userId": ada.id, "command": "echo hello",
        "state": "succeeded", "status": "completed", "exitCode": 0, "signal": null, "stdout": "hello\n", "stderr": "",
        "stdoutBytes": 6, "stderrBytes": 0, "truncated": false, "error": null,
        "createdAt": status["createdAt"], "startedAt": status["startedAt"], "completedAt": status["completedAt"],
        "generation": status["generation"],
    });
    assert_eq!(status, expected);
    assert!(
        status["generation"].as_u64().is_some_and(|generation| generation >= 1),
        "{status}"
    );
    let times = ["createdAt", "startedAt", "completedAt"].map(|name| status[name].as_str().unwrap_or_default());
    assert!(times.iter().all(|time| is_time(time)), "{times:?}");
    assert!(times[0] <= times[2] && times[1] <= times[2], "{times:?}");

    let path = ada.path(&format!("/exec/{}", accepted["execId"].as_str().unwrap_or_default()));
    assert_eq!(
        stack.get(&path).admin().send().await.json(200),
        status,
        "the newer path answers the same"
    );
    assert_eq!(accepted["pollUrl"], format!("{path}/status"));
}

pub async fn a_failing_command_says_how(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let status = stack
        .exec(&ada, &json!({"command": "echo out; echo err >&2; exit 7"}))
        .await;
    assert_eq!(
        (&status["state"], &status["status"]),
        (&json!("failed"), &json!("completed")),
        "{status}"
    );
    assert_eq!(
        (&status["exitCode"], &status["signal"]),
        (&json!(7), &Value::Null),
        "{status}"
    );
    assert_eq!(
        (&status["stdout"], &status["stderr"]),
        (&json!("out\n"), &json!("err\n"))
    );
}

pub async fn a_killed_command_names_the_signal(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    for signal in [9, 15, 11] {
        let status = stack
            .exec(&ada, &json!({"command": format!("kill -{signal} $$")}))
            .await;
        assert_eq!(
            (&status["state"], &status["status"]),
            (&json!("failed"), &json!("completed")),
            "{status}"
        );
        assert_eq!(
            (&status["exitCode"], &status["signal"]),
            (&Value::Null, &json!(signal)),
            "{status}"
        );
    }
}

pub async fn both_streams_are_kept_apart(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let command = "for i in 1 2 3; do echo out$i; echo err$i >&2; done; printf 'no newline'; printf '\\377' >&2";
    let status = stack.exec(&ada, &json!({"command": command})).await;
    assert_eq!(status["stdout"], "out1\nout2\nout3\nno newline");
    assert_eq!(
        status["stderr"], "err1\nerr2\nerr3\n\u{fffd}",
        "bytes that are no text are shown as such"
    );
    assert_eq!(
        (&status["stdoutBytes"], &status["stderrBytes"]),
        (&json!(25), &json!(16))
    );
    let silent = stack.exec(&ada, &json!({"command": "true"})).await;
    assert_eq!(
        (&silent["stdout"], &silent["stderr"], &silent["exitCode"]),
        (&json!(""), &json!(""), &json!(0))
    );
}

pub async fn input_environment_and_directory_are_used(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let body = json!({
        "command": "cat; echo; echo \"$GREETING|$EMPTY\"; pwd; echo \"$HOME\"",
        "stdin": "line one\nGrüße 🐙", "env": {"GREETING": "a b'c\"$d", "EMPTY": ""}, "cwd": "/tmp",
    });
    let status = stack.exec(&ada, &body).await;
    assert_eq!(
        status["stdout"], "line one\nGrüße 🐙\na b'c\"$d|\n/tmp\n/home/agent\n",
        "{status}"
    );
    // Without input a reader is not left waiting, and the home is where one starts.
    assert_eq!(stack.sh(&ada, "cat; pwd").await, "/home/agent\n");
    let names = stack.sh(&ada, "env | cut -d= -f1").await;
    assert!(names.contains("PATH") && !names.contains("MOLT_"), "{names}");
}

pub async fn argv_is_not_read_by_a_shell(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let argv = json!({"argv": ["printf", "%s|", "$HOME", "a b", "*", ";id", ""]});
    let status = stack.exec(&ada, &argv).await;
    assert_eq!(
        (&status["stdout"], &status["exitCode"]),
        (&json!("$HOME|a b|*|;id||"), &json!(0)),
        "{status}"
    );
}

pub async fn older_names_are_understood(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let body = json!({"command": "pwd", "workingDir": "/usr", "timeout": 20_000, "async": true});
    assert_eq!(stack.exec(&ada, &body).await["stdout"], "/usr\n");
}

pub async fn a_key_replays_and_never_runs_twice(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let file = format!("/tmp/once-{}", now());
    let key = format!("key-{}", uuid::Uuid::new_v4());
    let submit = |body: Value, key: &str| {
        stack
            .post(&ada.path("/exec"))
            .admin()
            .header("idempotency-key", key)
            .json(&body)
            .send()
    };
    let body = json!({"command": format!("echo ran >> {file}; cat {file}")});
    let replies = join_all((0..5).map(|_| submit(body.clone(), &key))).await;
    let ids: Vec<Value> = replies.iter().map(|reply| reply.json(202)["execId"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let status = stack.outcome(&replies[0].json(202)).await;
    assert_eq!(status["stdout"], "ran\n");
    // After the end too.
    let again = submit(body.clone(), &key).await.json(202);
    assert_eq!(
        (&again["execId"], &again["status"]),
        (&ids[0], &json!("completed")),
        "{again}"
    );
    assert_eq!(stack.sh(&ada, &format!("cat {file}")).await, "ran\n");

    submit(json!({"command": "echo other"}), &key)
        .await
        .problem(422, "idempotency_key_reused");
    let other = submit(body, &format!("{key}-2")).await.json(202);
    assert_ne!(other["execId"], ids[0]);
    for bad in ["", "a b", &"k".repeat(256)] {
        submit(json!({"command": "true"}), bad)
            .await
            .names_field("Idempotency-Key");
    }
}

pub async fn ten_commands_run_at_once(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let rendezvous = format!("/tmp/meet-{}", now());
    stack.sh(&ada, &format!("mkdir {rendezvous}")).await;
    // Each waits until all ten are there, so they end only if they run beside each other.
    let command = |number: usize| {
        format!(
            "touch {rendezvous}/{number}; until [ $(ls {rendezvous} | wc -l) -eq 10 ]; do sleep 0.05; done; echo {number}"
        )
    };
    let outcomes =
        join_all((0..10).map(async |number| stack.exec(&ada, &json!({"command": command(number)})).await)).await;
    for (number, status) in outcomes.iter().enumerate() {
        assert_eq!(
            (&status["stdout"], &status["exitCode"]),
            (&json!(format!("{number}\n")), &json!(0)),
            "{status}"
        );
    }
}

pub async fn a_long_command_does_not_delay_a_short_one(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let long = stack
        .submit(&ada, &json!({"command": "sleep 60", "timeoutMs": 120_000}))
        .await;
    stack.exec_reaches(&long, "running").await;
    let begun = Instant::now();
    stack.sh(&ada, "echo short").await;
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        begun.elapsed()
    );
    let status = stack.exec_status(&long).await;
    assert_eq!(
        (&status["state"], &status["exitCode"]),
        (&json!("running"), &Value::Null),
        "{status}"
    );
    stack.cancel(&long).await;
    assert_eq!(stack.outcome(&long).await["state"], "cancelled");
}

pub async fn a_command_wakes_its_sandbox(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let status = stack.exec(&user, &json!({"command": "echo awake"})).await;
    assert_eq!(
        (&status["stdout"], &status["generation"]),
        (&json!("awake\n"), &json!(1)),
        "{status}"
    );
    stack.engine.only(&user).await;
}

pub async fn results_belong_to_their_user(stack: Arc<Stack>) {
    let (ada, ben) = (ada(&stack).await, stack.seeded("Ben"));
    let status = stack.exec(&ada, &json!({"command": "echo mine"})).await;
    let id = status["execId"].as_str().expect("an id").to_owned();
    for path in [
        format!("/exec/{id}"),
        format!("/exec/{id}/status"),
        "/exec/exec_1_unknown".into(),
    ] {
        let problem = stack
            .get(&ben.path(&path))
            .admin()
            .send()
            .await
            .problem(404, "unknown_exec");
        assert_eq!(problem["error"], "Exec result not found");
    }
    stack
        .call("DELETE", &ben.path(&format!("/exec/{id}")))
        .admin()
        .send()
        .await
        .problem(404, "unknown_exec");
    stack
        .get(&ada.path("/exec/a%20b"))
        .admin()
        .send()
        .await
        .names_field("execId");
}
