//! Whatever is killed, a command runs once, and what is told about it is true.

use molt_common::control::{ExecReport, ExecState};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Sandbox, children, cmdline, eventually, request, shell};

/// Kills `serve` and waits for the next one.
async fn kill_serve(sandbox: &Sandbox) {
    let killed = sandbox.serve_pid();
    kill(killed, Signal::SIGKILL).unwrap();
    next_serve(sandbox, killed).await;
}

async fn next_serve(sandbox: &Sandbox, killed: Pid) {
    eventually(|| async {
        let next = children(sandbox.init_pid())
            .into_iter()
            .find(|pid| *pid != killed && cmdline(*pid).contains("serve"));
        next?;
        sandbox.try_status().await.map(drop)
    })
    .await;
}

/// Hands a command over until it is taken, as the store does.
async fn hand_over(sandbox: &Sandbox, id: &str, command: &str) -> ExecReport {
    eventually(|| async {
        let sent = sandbox
            .control(Method::POST, "/v1/exec")
            .json(&shell(id, command))
            .send()
            .await;
        let answer = sent.ok().filter(|answer| answer.status() == StatusCode::ACCEPTED)?;
        answer.json().await.ok()
    })
    .await
}

#[tokio::test]
async fn what_was_noted_and_never_begun_runs_when_it_is_handed_over_again() {
    let sandbox = Sandbox::ready().await;
    let first = sandbox.run(shell("model", "echo ran >> runs")).await;
    assert_eq!(first.state, ExecState::Succeeded);
    // As `serve` leaves it when it is killed between the note and the start: the same note under another id, and no shim.
    let exec = sandbox.state_dir().join("exec");
    let note = std::fs::read(exec.join("model/started.json")).unwrap();
    std::fs::create_dir(exec.join("noted")).unwrap();
    std::fs::write(exec.join("noted/request.json"), note).unwrap();
    kill_serve(&sandbox).await;
    let report = hand_over(&sandbox, "noted", "echo ran >> runs").await;
    assert_ne!(report.state, ExecState::Lost);
    assert_eq!(sandbox.exec_ended("noted").await.exit_code, Some(0));
    assert_eq!(
        std::fs::read_to_string(sandbox.home().join("runs")).unwrap(),
        "ran\nran\n"
    );
}

#[tokio::test]
async fn what_was_begun_and_left_no_result_is_lost_and_never_runs_again() {
    let sandbox = Sandbox::ready().await;
    let exec = sandbox.state_dir().join("exec");
    sandbox.run(shell("begun", "echo ran >> runs; echo out")).await;
    // As a shim leaves it that was killed.
    std::fs::remove_file(exec.join("begun/result.json")).unwrap();
    kill_serve(&sandbox).await;
    let report = sandbox.exec_ended("begun").await;
    assert_eq!(
        (report.state, report.exit_code, report.signal),
        (ExecState::Lost, None, None)
    );
    assert_eq!(
        hand_over(&sandbox, "begun", "echo ran >> runs; echo out").await.state,
        ExecState::Lost
    );
    assert_eq!(std::fs::read_to_string(sandbox.home().join("runs")).unwrap(), "ran\n");
}

/// `serve` is killed at random moments while the same commands are handed over again and again: each runs once and says so.
#[tokio::test]
async fn a_serve_that_is_killed_at_any_moment_loses_nothing_and_runs_nothing_twice() {
    let sandbox = Sandbox::ready().await;
    let mut seed = 7_u64;
    for round in 0..12 {
        let commands: Vec<_> = (0..4)
            .map(|index| {
                (
                    format!("r{round}-{index}"),
                    format!("echo x >> runs-{round}-{index}; exit {}", 10 + index),
                )
            })
            .collect();
        let victim = sandbox.serve_pid();
        // Between none and some milliseconds, in which a start is at every stage at some time.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let after = std::time::Duration::from_micros((seed >> 33) % 25_000);
        let killing = async {
            tokio::time::sleep(after).await;
            kill(victim, Signal::SIGKILL).unwrap();
        };
        let handing =
            futures_util::future::join_all(commands.iter().map(|(id, command)| hand_over(&sandbox, id, command)));
        let ((), _) = tokio::join!(killing, handing);
        for (index, (id, _)) in commands.iter().enumerate() {
            let report = sandbox.exec_ended(id).await;
            assert_eq!(
                (report.state, report.exit_code),
                (ExecState::Failed, Some(10 + index as i32)),
                "{id}"
            );
            let runs = std::fs::read_to_string(sandbox.home().join(format!("runs-{round}-{index}"))).unwrap();
            assert_eq!(runs, "x\n", "{id} ran once");
        }
        next_serve(&sandbox, victim).await;
    }
}

#[tokio::test]
async fn a_result_that_the_disk_does_not_take_is_told_and_written_later() {
    let sandbox = Sandbox::ready().await;
    sandbox
        .start_exec(&shell(
            "full",
            "while [ ! -e go ]; do sleep 0.01; done; echo out; exit 7",
        ))
        .await;
    // Nothing can be written where a folder stands; a disk without room refuses in the same way.
    let obstacle = sandbox.state_dir().join("exec/full/stdout");
    std::fs::create_dir(&obstacle).unwrap();
    std::fs::write(sandbox.home().join("go"), "").unwrap();
    let report = sandbox.exec_ended("full").await;
    assert_eq!(
        (report.state, report.exit_code, report.stdout.as_str()),
        (ExecState::Failed, Some(7), "out\n")
    );
    assert!(!sandbox.state_dir().join("exec/full/result.json").exists());
    kill_serve(&sandbox).await;
    let again = eventually(|| async { Some(sandbox.exec_ended("full").await) }).await;
    assert_eq!(again, report, "the next serve hears it too");
    std::fs::remove_dir(&obstacle).unwrap();
    eventually(|| async { sandbox.state_dir().join("exec/full/result.json").exists().then_some(()) }).await;
    assert_eq!(sandbox.exec_ended("full").await, report);
    eventually(|| async { (sandbox.status().await.running_commands == 0).then_some(()) }).await;
}

#[tokio::test]
async fn a_note_that_the_disk_does_not_take_starts_nothing_and_leaves_the_id_free() {
    let sandbox = Sandbox::ready().await;
    let obstacle = sandbox.state_dir().join("exec/note");
    std::fs::write(&obstacle, "").unwrap();
    let refused = sandbox.post_exec(&shell("note", "echo ran >> runs")).await;
    let (status, error) = crate::support::error_of(refused).await;
    assert_eq!(
        (status, error.code.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "not_started")
    );
    std::fs::remove_file(&obstacle).unwrap();
    assert_eq!(sandbox.run(shell("note", "echo ran >> runs")).await.exit_code, Some(0));
    assert_eq!(std::fs::read_to_string(sandbox.home().join("runs")).unwrap(), "ran\n");
}

#[tokio::test]
async fn a_command_cannot_reach_what_watches_it() {
    let sandbox = Sandbox::ready().await;
    let attack = "kill -9 $PPID && echo killed-shim; kill -9 $SERVE && echo killed-serve; kill -9 -1 2>/dev/null; \
                  echo x > $STATE/exec/attack/result.json && echo wrote; ls $STATE && echo listed; exit 5";
    let mut start = request(json!({ "execId": "attack", "command": attack }));
    start.env.insert("SERVE".into(), sandbox.serve_pid().to_string());
    start
        .env
        .insert("STATE".into(), sandbox.state_dir().display().to_string());
    // A user of its own: everything else of that user on this machine would die with it.
    start.uid = Some(4_713);
    start.cwd = Some("/tmp".into());
    let serve = sandbox.serve_pid();
    let report = sandbox.run(start).await;
    assert_eq!(
        (report.state, report.exit_code, report.stdout.as_str()),
        (ExecState::Failed, Some(5), "")
    );
    assert_eq!(sandbox.serve_pid(), serve);
}

#[tokio::test]
async fn an_output_that_is_closed_early_or_held_open_does_not_change_the_end() {
    let sandbox = Sandbox::ready().await;
    let closed = sandbox
        .run(shell("closed", "echo one; exec >&- 2>&-; sleep 0.3; exit 4"))
        .await;
    assert_eq!((closed.exit_code, closed.stdout.as_str()), (Some(4), "one\n"));
    assert!(
        closed.completed_at.unwrap() - closed.started_at >= 300,
        "it ended with the process"
    );
    let begun = std::time::Instant::now();
    let held = sandbox
        .run(shell(
            "held",
            "setsid sh -c 'while :; do echo late; sleep 0.05; done' & echo one; exit 6",
        ))
        .await;
    assert_eq!((held.state, held.exit_code), (ExecState::Failed, Some(6)));
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}
