//! Commands that do not end by themselves, write too much, or cannot be started.

use e2e_tests::people::{User, now};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn ada(stack: &Stack) -> User {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    ada
}

/// Processes in the sandbox that sleep for exactly this many seconds. The pattern does not match the command that looks.
async fn sleepers(stack: &Stack, user: &User, seconds: &str) -> usize {
    let (head, last) = seconds.split_at(seconds.len() - 1);
    let look = format!("grep -lsz '{head}[{last}]' /proc/[0-9]*/cmdline; true");
    stack.sh(user, &look).await.lines().count()
}

pub async fn a_command_is_stopped_at_its_time_limit(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let begun = Instant::now();
    let status = stack
        .exec(
            &ada,
            &json!({"command": "echo before; sleep 300; echo after", "timeoutMs": 700}),
        )
        .await;
    assert_eq!(
        (&status["state"], &status["status"]),
        (&json!("timed_out"), &json!("error")),
        "{status}"
    );
    assert_eq!(
        (&status["exitCode"], &status["stdout"]),
        (&Value::Null, &json!("before\n")),
        "{status}"
    );
    assert!(
        status["error"].as_str().is_some_and(|text| !text.is_empty()),
        "{status}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "it took {:?}",
        begun.elapsed()
    );
    // One that ignores TERM too.
    let deaf = json!({"command": "trap '' TERM; while :; do sleep 1; done", "timeoutMs": 500});
    let status = stack.exec(&ada, &deaf).await;
    assert_eq!(
        (&status["state"], &status["exitCode"]),
        (&json!("timed_out"), &Value::Null),
        "{status}"
    );
}

pub async fn a_cancelled_command_ends(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let seconds = format!("7{}", now());
    let accepted = stack
        .submit(
            &ada,
            &json!({"command": format!("echo begun; sleep {seconds}"), "timeoutMs": 86_400_000}),
        )
        .await;
    stack.exec_reaches(&accepted, "running").await;
    until("it sleeps", Duration::from_secs(20), async || {
        (sleepers(&stack, &ada, &seconds).await > 0).then_some(())
    })
    .await;
    stack.cancel(&accepted).await;
    let status = stack.outcome(&accepted).await;
    assert_eq!(
        (&status["state"], &status["status"]),
        (&json!("cancelled"), &json!("error")),
        "{status}"
    );
    assert_eq!(
        (&status["exitCode"], &status["stdout"]),
        (&Value::Null, &json!("begun\n")),
        "{status}"
    );
    assert_eq!(sleepers(&stack, &ada, &seconds).await, 0);
    // Twice does no harm, and changes nothing.
    stack.cancel(&accepted).await;
    assert_eq!(stack.exec_status(&accepted).await, status);
}

pub async fn children_that_went_their_own_way_end_too(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let seconds = format!("8{}", now());
    let command = format!(
        "setsid setsid sleep {seconds} </dev/null >/dev/null 2>&1 & (setsid nohup sleep {seconds} &) ; sleep {seconds}"
    );
    let accepted = stack
        .submit(&ada, &json!({"command": command, "timeoutMs": 3_600_000}))
        .await;
    let all = async || (sleepers(&stack, &ada, &seconds).await >= 3).then_some(());
    until("all three sleep", Duration::from_secs(20), all).await;
    stack.cancel(&accepted).await;
    assert_eq!(stack.outcome(&accepted).await["state"], "cancelled");
    assert_eq!(sleepers(&stack, &ada, &seconds).await, 0, "children were left");
}

pub async fn long_output_is_cut_and_counted(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let body = json!({"command": "seq 1 100000; seq 1 3 >&2", "maxOutputBytes": 1000});
    let status = stack.exec(&ada, &body).await;
    let stdout = status["stdout"].as_str().expect("text");
    assert_eq!((&status["truncated"], &status["exitCode"]), (&json!(true), &json!(0)));
    assert_eq!(
        (&status["stdoutBytes"], &status["stderrBytes"]),
        (&json!(588_895), &json!(6))
    );
    assert!(
        stdout.starts_with("1\n2\n3\n") && stdout.ends_with("99999\n100000\n"),
        "{stdout}"
    );
    assert!((900..1200).contains(&stdout.len()), "{} bytes were kept", stdout.len());
    assert_eq!(status["stderr"], "1\n2\n3\n", "what fits stays whole");
    // Endless output neither hangs nor fills anything.
    let endless = stack
        .exec(
            &ada,
            &json!({"command": "yes", "timeoutMs": 1500, "maxOutputBytes": 100}),
        )
        .await;
    assert_eq!(
        (&endless["state"], &endless["truncated"]),
        (&json!("timed_out"), &json!(true))
    );
}

pub async fn output_that_fits_is_whole(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let most = 512 * 1024;
    let command = format!("head -c {most} /dev/zero | tr '\\0' x; head -c {most} /dev/zero | tr '\\0' y >&2");
    let status = stack
        .exec(&ada, &json!({"command": command, "maxOutputBytes": most}))
        .await;
    assert_eq!(status["truncated"], false);
    assert_eq!(status["stdout"].as_str().map(str::len), Some(most));
    assert!(
        status["stderr"]
            .as_str()
            .is_some_and(|text| text.len() == most && text.bytes().all(|byte| byte == b'y'))
    );
}

pub async fn a_program_that_is_not_there_is_no_result(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let status = stack.exec(&ada, &json!({"argv": ["/no/such/program", "x"]})).await;
    assert_eq!(
        (&status["state"], &status["exitCode"]),
        (&json!("failed"), &Value::Null),
        "{status}"
    );
    assert!(
        status["error"]
            .as_str()
            .is_some_and(|text| text.contains("/no/such/program")),
        "{status}"
    );
    // A shell's own answer to the same is a result.
    let status = stack.exec(&ada, &json!({"command": "/no/such/program"})).await;
    assert_eq!(
        (&status["state"], &status["exitCode"]),
        (&json!("failed"), &json!(127)),
        "{status}"
    );
}

pub async fn a_directory_that_is_not_there_is_no_result(stack: Arc<Stack>) {
    let ada = ada(&stack).await;
    let status = stack
        .exec(&ada, &json!({"command": "echo x", "cwd": "/no/such/directory"}))
        .await;
    assert_eq!(
        (&status["exitCode"], &status["stdout"]),
        (&Value::Null, &json!("")),
        "{status}"
    );
    assert!(
        ["failed", "rejected"].contains(&status["state"].as_str().unwrap_or_default()),
        "{status}"
    );
    assert!(
        status["error"]
            .as_str()
            .is_some_and(|text| text.contains("/no/such/directory")),
        "{status}"
    );
}
