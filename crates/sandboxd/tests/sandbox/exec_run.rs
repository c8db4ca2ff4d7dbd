//! Commands: what they get and what is told about them.

use std::time::{Duration, Instant};

use molt_common::control::ExecState;
use nix::unistd::Uid;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Sandbox, error_of, request, shell};

#[tokio::test]
async fn the_outcome_is_the_commands_own() {
    let sandbox = Sandbox::ready().await;
    let good = sandbox.run(shell("ok", "echo out; echo err >&2")).await;
    assert_eq!(
        (good.state, good.exit_code, good.signal, good.error.as_deref()),
        (ExecState::Succeeded, Some(0), None, None)
    );
    assert_eq!((good.stdout.as_str(), good.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!((good.stdout_bytes, good.stderr_bytes, good.truncated), (4, 4, false));
    assert!(good.completed_at.unwrap() >= good.started_at);

    let seven = sandbox.run(shell("seven", "exit 7")).await;
    assert_eq!(
        (seven.state, seven.exit_code, seven.signal),
        (ExecState::Failed, Some(7), None)
    );

    let killed = sandbox.run(shell("killed", "kill -9 $$")).await;
    assert_eq!(
        (killed.state, killed.exit_code, killed.signal),
        (ExecState::Failed, None, Some(9))
    );
    assert!(killed.error.as_deref().unwrap().contains("SIGKILL"));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let sandbox = Sandbox::ready().await;
    let missing = sandbox
        .run(request(
            json!({ "execId": "missing", "argv": ["no-such-program", "x"] }),
        ))
        .await;
    assert_eq!(
        (missing.state, missing.exit_code, missing.signal),
        (ExecState::Failed, None, None)
    );
    assert!(
        missing.error.as_ref().unwrap().contains("no-such-program"),
        "{missing:?}"
    );

    let nowhere = sandbox
        .run(request(
            json!({ "execId": "nowhere", "command": "true", "cwd": "/no/such/folder" }),
        ))
        .await;
    assert_eq!((nowhere.state, nowhere.exit_code), (ExecState::Failed, None));
    assert!(
        nowhere.error.as_ref().unwrap().starts_with("cwd /no/such/folder"),
        "{nowhere:?}"
    );

    let not_found = sandbox.run(shell("sh-missing", "no-such-program")).await;
    assert_eq!(
        (not_found.state, not_found.exit_code),
        (ExecState::Failed, Some(127)),
        "the shell's own answer"
    );
}

#[tokio::test]
async fn arguments_environment_folder_and_input_arrive() {
    let sandbox = Sandbox::ready().await;
    let argv = sandbox
        .run(request(
            json!({ "execId": "argv", "argv": ["printf", "[%s]", "a b", "$HOME", "*"] }),
        ))
        .await;
    assert_eq!(argv.stdout, "[a b][$HOME][*]");
    let env = sandbox.run(request(json!({ "execId": "env", "command": "echo $A-$TERM; pwd", "cwd": "/usr", "env": { "A": "1 2", "TERM": "x" } }))).await;
    assert_eq!(env.stdout, "1 2-x\n/usr\n");
    let home = sandbox.run(shell("home", "pwd; echo $HOME")).await;
    let folder = sandbox.home().display().to_string();
    assert_eq!(home.stdout, format!("{folder}\n{folder}\n"));
    let input = sandbox
        .run(request(
            json!({ "execId": "input", "command": "tr a-z A-Z", "stdin": "hällo" }),
        ))
        .await;
    assert_eq!(input.stdout, "HäLLO");
    let no_input = sandbox.run(shell("no-input", "cat; echo end")).await;
    assert_eq!(
        (no_input.state, no_input.stdout.as_str()),
        (ExecState::Succeeded, "end\n")
    );
    let unread = request(json!({ "execId": "unread", "command": "exit 3", "stdin": "x".repeat(500_000) }));
    assert_eq!(sandbox.run(unread).await.exit_code, Some(3));
}

#[tokio::test]
async fn a_command_is_an_ordinary_user_without_a_way_up() {
    let sandbox = Sandbox::ready().await;
    let report = sandbox
        .run(shell(
            "id",
            "id -u; id -G; grep -E 'NoNewPrivs|CapEff' /proc/self/status; cat /proc/self/oom_score_adj; ulimit -c",
        ))
        .await;
    let lines: Vec<&str> = report.stdout.lines().collect();
    if Uid::effective().is_root() {
        assert_eq!(lines[..2], ["1000", "1000"]);
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("CapEff") && line.ends_with("0000000000000000")),
            "{lines:?}"
        );
    }
    assert!(lines.contains(&"NoNewPrivs:\t1"), "{lines:?}");
    assert_eq!(lines[lines.len() - 2..], ["800", "0"]);
}

#[tokio::test]
async fn output_beyond_the_limit_keeps_both_ends_and_counts_all() {
    let sandbox = Sandbox::ready().await;
    let command = "printf START; head -c 5000000 /dev/zero | tr '\\0' x; printf END; printf few >&2";
    let report = sandbox
        .run(request(
            json!({ "execId": "big", "command": command, "maxOutputBytes": 1000 }),
        ))
        .await;
    assert_eq!((report.state, report.truncated), (ExecState::Succeeded, true));
    assert_eq!((report.stdout_bytes, report.stderr_bytes), (5_000_008, 3));
    assert_eq!(report.stdout.len(), 1000);
    assert!(report.stdout.starts_with("STARTxxx") && report.stdout.ends_with("xxxEND"));
    assert_eq!(report.stderr, "few");
}

#[tokio::test]
async fn output_can_be_read_while_it_runs_and_a_long_poll_ends_with_it() {
    let sandbox = Sandbox::ready().await;
    let started = sandbox
        .start_exec(&shell(
            "slow",
            "echo first; while [ ! -e go ]; do sleep 0.05; done; echo second",
        ))
        .await;
    assert_eq!((started.state, started.completed_at), (ExecState::Running, None));
    crate::support::eventually(|| async { (sandbox.exec_now("slow").await.stdout == "first\n").then_some(()) }).await;
    assert_eq!(sandbox.status().await.running_commands, 1);
    let path = "/v1/exec/slow?waitMs=10000";
    let waiting = tokio::spawn(sandbox.control(reqwest::Method::GET, path).send());
    let begun = Instant::now();
    std::fs::write(sandbox.home().join("go"), "").unwrap();
    let report: molt_common::control::ExecReport = waiting.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(report.state, ExecState::Succeeded);
    assert_eq!(sandbox.exec_now("slow").await.stdout, "first\nsecond\n");
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "the poll ended with the command, not with its time"
    );
    assert_eq!(sandbox.status().await.running_commands, 0);
}

#[tokio::test]
async fn the_same_id_runs_once_and_another_request_under_it_is_a_conflict() {
    let sandbox = Sandbox::ready().await;
    let count = shell("once", "echo run >> runs; cat runs");
    let answers = futures_util::future::join_all((0..8).map(|_| sandbox.start_exec(&count))).await;
    assert!(answers.iter().all(|report| report.exec_id == "once"));
    assert_eq!(sandbox.exec_ended("once").await.stdout, "run\n");
    let again = sandbox.start_exec(&count).await;
    assert_eq!(again.state, ExecState::Succeeded);
    assert_eq!(sandbox.exec_now("once").await.stdout, "run\n");
    let (status, error) = error_of(sandbox.post_exec(&shell("once", "echo other")).await).await;
    assert_eq!((status, error.code.as_str()), (StatusCode::CONFLICT, "conflict"));
}

#[tokio::test]
async fn many_commands_run_side_by_side() {
    let sandbox = Sandbox::ready().await;
    // Each waits for all the others, so this ends only if all run at the same time.
    let command = |index: usize| {
        format!("touch here-{index}; while [ $(ls | grep -c here-) -lt 20 ]; do sleep 0.05; done; exit {index}")
    };
    let requests: Vec<_> = (0..20)
        .map(|index| shell(&format!("many-{index}"), &command(index)))
        .collect();
    futures_util::future::join_all(requests.iter().map(|request| sandbox.start_exec(request))).await;
    for (index, request) in requests.iter().enumerate() {
        let report = sandbox.exec_ended(&request.exec_id).await;
        assert_eq!(report.exit_code, Some(index as i32), "{report:?}");
    }
}
