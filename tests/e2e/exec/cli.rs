//! `molt exec`, `molt jobs` and `molt bulk` as operators run them.

use e2e_tests::harness::Group;
use e2e_tests::processes;
use e2e_tests::stack::Stack;
use e2e_tests::wait::{until, within};
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// From its start to its end, the start of a sandbox included.
const LIMIT: Duration = Duration::from_secs(120);
/// Until what happened in a sandbox is seen.
const SOON: Duration = Duration::from_secs(30);

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![
        group.shared("cli::it_ends_as_the_command_did", it_ends_as_the_command_did),
        group.shared(
            "cli::output_comes_while_the_command_runs",
            output_comes_while_the_command_runs,
        ),
        group.shared(
            "cli::any_bytes_come_as_they_were_written",
            any_bytes_come_as_they_were_written,
        ),
        group.shared(
            "cli::input_and_environment_reach_the_command",
            input_and_environment_reach_the_command,
        ),
        group.shared(
            "cli::an_interruption_leaves_no_process",
            an_interruption_leaves_no_process,
        ),
        group.shared(
            "cli::a_detached_command_is_followed_again",
            a_detached_command_is_followed_again,
        ),
        group.shared(
            "cli::a_reader_that_goes_away_leaves_the_command",
            a_reader_that_goes_away_leaves_the_command,
        ),
        group.shared(
            "cli::jobs_are_listed_shown_and_cancelled",
            jobs_are_listed_shown_and_cancelled,
        ),
        group.shared(
            "cli::one_command_for_many_tells_of_each",
            one_command_for_many_tells_of_each,
        ),
        group.shared(
            "cli::bad_input_ends_with_2_and_is_named",
            bad_input_ends_with_2_and_is_named,
        ),
    ]
}

async fn ended(mut command: Command) -> Output {
    let child = command.spawn().expect("molt starts");
    within("molt has ended", LIMIT, child.wait_with_output())
        .await
        .expect("its output")
}

async fn finished(child: Child) -> Output {
    within("molt has ended", LIMIT, child.wait_with_output())
        .await
        .expect("its output")
}

fn interrupt(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id().expect("it runs")).expect("a pid");
    kill(Pid::from_raw(pid), signal).expect("a signal");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn it_ends_as_the_command_did(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--", "echo out; echo err >&2"], 0, "err\n"),
        (&["--", "exit 7"], 7, ""),
        (&["--", "sh", "-c", "exit 255"], 255, ""),
        (&["--", "kill -KILL $$"], 137, "signal"),
        (
            &["--timeout", "1s", "--grace", "500ms", "--", "sleep 60"],
            3,
            "timed out",
        ),
        (
            &["--limit", "cpu=1", "--timeout", "60s", "--", "while :; do :; done"],
            152,
            "signal",
        ),
        (&["--cwd", "/nowhere", "--", "true"], 3, "/nowhere"),
    ];
    for (arguments, code, said) in cases {
        let run = ended(stack.molt_command(&[&["exec", &user.name], arguments].concat())).await;
        assert_eq!(run.status.code(), Some(code), "{arguments:?}: {run:?}");
        assert!(text(&run.stderr).contains(said), "{arguments:?}: {run:?}");
    }
    let run = stack
        .molt(&["exec", &user.id, "--json", "--", "echo out; exit 7"])
        .await;
    let status: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(
        (run.code, &status["stdout"], &status["exitCode"]),
        (Some(7), &json!("out\n"), &json!(7))
    );
}

async fn output_comes_while_the_command_runs(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let line = "echo first; until test -e ~/seen; do sleep 0.1; done; echo last";
    let mut child = stack
        .molt_command(&["exec", &user.name, "--timeout", "60s", "--", line])
        .spawn()
        .expect("molt");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let first = within("the first line comes", SOON, lines.next_line())
        .await
        .expect("it is read");
    assert_eq!(first.as_deref(), Some("first"));
    // It goes on only because its first line was seen.
    stack.sh(&user, "touch ~/seen").await;
    let last = within("the last line comes", SOON, lines.next_line())
        .await
        .expect("it is read");
    assert_eq!(last.as_deref(), Some("last"));
    assert_eq!(finished(child).await.status.code(), Some(0));
}

async fn any_bytes_come_as_they_were_written(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let line =
        "head -c 300000 /dev/urandom > ~/bytes; head -c 100000 ~/bytes >&2; cat ~/bytes; sha256sum < ~/bytes > ~/sum";
    let run = ended(stack.molt_command(&["exec", &user.name, "--max-output", "4MiB", "--", line])).await;
    // Bytes that are no text are no message of a test.
    assert_eq!(
        (run.status.code(), run.stdout.len(), run.stderr.len()),
        (Some(0), 300_000, 100_000)
    );
    assert!(
        run.stderr == run.stdout[..100_000],
        "standard error is not what was written"
    );
    let mut sum = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum");
    sum.stdin
        .take()
        .expect("a pipe")
        .write_all(&run.stdout)
        .await
        .expect("bytes");
    assert_eq!(text(&finished(sum).await.stdout), stack.sh(&user, "cat ~/sum").await);

    let capped = ended(stack.molt_command(&["exec", &user.name, "--max-output", "1000", "--", "cat ~/bytes"])).await;
    assert_eq!(capped.status.code(), Some(0));
    assert!(
        capped.stdout == [&run.stdout[..500], &run.stdout[299_500..]].concat(),
        "not the first and the last half"
    );
    assert!(
        text(&capped.stderr).contains("299,000 bytes of standard output were not kept"),
        "{}",
        text(&capped.stderr)
    );
}

async fn input_and_environment_reach_the_command(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let arguments = [
        "exec",
        &user.name,
        "--stdin",
        "--env",
        "GIVEN=a b",
        "--env",
        "TAKEN",
        "--cwd",
        "/tmp",
        "--",
    ];
    let line = ["printf '%s|%s|%s|' \"$GIVEN\" \"$TAKEN\" \"$PWD\"; cat"];
    let mut command = stack.molt_command(&[arguments.as_slice(), &line].concat());
    let mut child = command
        .env("TAKEN", "from outside")
        .stdin(Stdio::piped())
        .spawn()
        .expect("molt");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all("über\n".as_bytes()).await.expect("input");
    drop(stdin);
    let run = finished(child).await;
    assert_eq!(
        (run.status.code(), text(&run.stdout)),
        (Some(0), "a b|from outside|/tmp|über\n".into()),
        "{run:?}"
    );
}

/// Starts a command that ignores TERM and has a child in another session; once both run.
async fn stubborn(stack: &Stack, user: &str, mark: &str, arguments: &[&str]) -> Child {
    let line = "trap '' TERM; setsid sleep 300 & while :; do sleep 1; done";
    let variable = format!("CLI_MARK={mark}");
    let before = ["exec", user, "--timeout", "5m", "--grace", "1s", "--env", &variable];
    let child = stack
        .molt_command(&[&before, arguments, &["--", line]].concat())
        .spawn()
        .expect("molt");
    until("its processes run", LIMIT, async || {
        (processes::marked("CLI_MARK", mark).len() >= 2).then_some(())
    })
    .await;
    child
}

async fn an_interruption_leaves_no_process(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mark = uuid::Uuid::new_v4().to_string();
        let child = stubborn(&stack, &user.name, &mark, &[]).await;
        interrupt(&child, signal);
        let run = finished(child).await;
        assert_eq!(run.status.code(), Some(code), "{run:?}");
        assert!(text(&run.stderr).contains("cancelled"), "{run:?}");
        assert_eq!(
            processes::marked("CLI_MARK", &mark).len(),
            0,
            "nothing of it is alive when molt has ended"
        );
    }
}

async fn a_detached_command_is_followed_again(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let run = stack
        .molt(&[
            "exec",
            &user.name,
            "--detach",
            "--",
            "echo one; sleep 1; echo two >&2; exit 7",
        ])
        .await;
    let job = run.done().trim_end().to_owned();
    assert!(
        job.starts_with(&format!("exec.{}.", user.id)) && run.stderr.contains(&job),
        "{run:?}"
    );
    let run = stack.molt(&["jobs", "attach", &job]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(7), "one\n"), "{run:?}");
    assert!(run.stderr.starts_with("two\n"), "{run:?}");

    // An interruption that detaches leaves the command alone.
    let mark = uuid::Uuid::new_v4().to_string();
    let child = stubborn(&stack, &user.name, &mark, &["--on-interrupt", "detach"]).await;
    interrupt(&child, Signal::SIGINT);
    let run = finished(child).await;
    let stderr = text(&run.stderr);
    assert_eq!(run.status.code(), Some(130), "{stderr}");
    assert!(processes::marked("CLI_MARK", &mark).len() >= 2, "it goes on");
    let (_, job) = stderr.trim_end().rsplit_once(' ').expect("how to attach");
    let cancelled = stack.molt(&["jobs", "cancel", job, "--json"]).await.json();
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(processes::marked("CLI_MARK", &mark).len(), 0);
    assert_eq!(stack.molt(&["jobs", "attach", job]).await.code, Some(3));
}

async fn a_reader_that_goes_away_leaves_the_command(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let line = "echo first; until test -e ~/go; do sleep 0.1; done; echo more; echo end > ~/ended";
    let mut child = stack
        .molt_command(&["exec", &user.name, "--timeout", "60s", "--", line])
        .spawn()
        .expect("molt");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    within("the first line comes", LIMIT, lines.next_line())
        .await
        .expect("it is read");
    drop(lines);
    stack.sh(&user, "touch ~/go").await;
    let run = finished(child).await;
    assert_eq!(run.status.code(), Some(141), "{run:?}");
    assert!(text(&run.stderr).contains("molt jobs attach exec."), "{run:?}");
    until("the command has ended by itself", SOON, async || {
        (stack.sh(&user, "cat ~/ended 2>/dev/null || true").await == "end\n").then_some(())
    })
    .await;
}

async fn jobs_are_listed_shown_and_cancelled(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let long = ["exec", &user.name, "--detach", "--timeout", "5m", "--", "sleep 300"];
    let job = stack.molt(&long).await.done().trim_end().to_owned();
    let list = ["jobs", "list", "--user", &user.name, "--state", "running", "--json"];
    let listed = until("it is listed as running", LIMIT, async || {
        let jobs = stack.molt(&list).await.json();
        jobs.as_array().expect("a list").first().cloned()
    })
    .await;
    assert_eq!((&listed["jobId"], &listed["userId"]), (&json!(job), &json!(user.id)));
    let table = stack.molt(&["jobs", "list", "--user", &user.id, "--limit", "1"]).await;
    let row = table.done().lines().nth(1).expect("a row");
    assert!(
        row.starts_with(&job) && row.contains("running") && row.contains("sleep 300"),
        "{row}"
    );
    let (_, exec_id) = job.rsplit_once('.').expect("an id");
    let shown = stack
        .molt(&["jobs", "show", exec_id, "--user", &user.name, "--json"])
        .await
        .json();
    assert_eq!(shown["state"], "running");
    stack.molt(&["jobs", "cancel", &job, "--no-wait"]).await.done();
    let watched = stack.molt(&["jobs", "watch", &job, "--json"]).await;
    let view: Value = serde_json::from_str(&watched.stdout).expect("JSON");
    assert_eq!((watched.code, &view["state"]), (Some(1), &json!("cancelled")));
    // What has ended stays as it is.
    assert_eq!(
        stack.molt(&["jobs", "cancel", &job, "--json"]).await.json()["state"],
        "cancelled"
    );
}

async fn one_command_for_many_tells_of_each(stack: Arc<Stack>) {
    let (well, ill) = (stack.new_user().await, stack.new_user().await);
    stack.sh(&ill, "touch ~/ill").await;
    let users = format!("{},{}", well.name, ill.id);
    let run = stack
        .molt(&["bulk", "exec", "--users", &users, "--", "test ! -e ~/ill || exit 7"])
        .await;
    assert_eq!(run.code, Some(1), "{run:?}");
    let row = |user: &str| run.stdout.lines().find(|line| line.starts_with(user)).expect("a row");
    assert!(row(&well.id).contains("succeeded"), "{run:?}");
    assert!(row(&ill.id).contains("failed") && row(&ill.id).contains('7'), "{run:?}");
    let run = stack
        .molt(&["bulk", "exec", "--users", &users, "--json", "--", "true"])
        .await;
    assert_eq!(run.json()["progress"]["succeeded"], 2);
}

async fn bad_input_ends_with_2_and_is_named(stack: Arc<Stack>) {
    let cases: [(&[&str], &str); 9] = [
        (&["exec", "Ada", "--cwd", "tmp", "--", "true"], "[field: cwd]"),
        (&["exec", "Ada", "--uid", "0", "--", "true"], "[field: uid]"),
        (
            &["exec", "Ada", "--max-output", "5MiB", "--", "true"],
            "[field: maxOutputBytes]",
        ),
        (
            &["exec", "Ada", "--limit", "memory=1", "--", "true"],
            "[field: limits.memoryBytes]",
        ),
        (&["exec", "Ada", "--env", "CLI_TEST_NOT_SET", "--", "true"], "not set"),
        (&["exec", "Nobody at all", "--", "true"], "404 unknown_user"),
        (&["jobs", "attach", "bulk-exec.fleet.b"], "molt jobs watch"),
        (&["jobs", "show", "exec_1", "--user", "Ada"], "404"),
        (&["bulk", "exec", "--users", "all,Ada", "--", "true"], "--users"),
    ];
    for (arguments, saying) in cases {
        stack.molt(arguments).await.refused(saying);
    }
}
