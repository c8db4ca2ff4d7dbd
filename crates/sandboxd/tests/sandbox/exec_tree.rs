//! Whatever a stopped command has started ends, however it resists.

use std::time::{Duration, Instant};

use molt_common::control::ExecState;
use nix::unistd::Uid;
use reqwest::Method;
use serde_json::json;

use crate::support::{Sandbox, eventually, request};
use crate::told::Told;

/// Commands of these tests run as a user of their own, so that one that takes all the processes it may have is in nobody's way.
const USER: u32 = 4_711;
const GRACE: Duration = Duration::from_millis(500);

/// How many living processes have `marker` in their environment.
fn alive(marker: &str) -> usize {
    let marker = format!("MARKER={marker}");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|entry| {
            let path = entry.path();
            let ended = || {
                let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
                stat.rsplit_once(')')
                    .is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
            };
            std::fs::read(path.join("environ")).is_ok_and(|environ| {
                environ
                    .split(|byte| *byte == 0)
                    .any(|variable| variable == marker.as_bytes())
            }) && !ended()
        })
        .count()
}

struct Case {
    name: &'static str,
    command: &'static str,
    /// How many processes there are to be before it is stopped.
    processes: usize,
}

const CASES: &[Case] = &[
    Case {
        name: "term-ignored",
        command: "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & while :; do sleep 1; done",
        processes: 3,
    },
    Case {
        name: "own-session",
        command: "setsid sh -c 'trap \"\" TERM; sleep 300; sleep 300' & setsid setsid sleep 300 & sleep 300",
        processes: 4,
    },
    Case {
        name: "double-fork",
        command: "(setsid sh -c 'trap \"\" TERM; (sleep 301; sleep 300) & exit' &) ; (sleep 300 &) ; sleep 300",
        processes: 3,
    },
    Case {
        name: "stopped",
        command: "sh -c 'trap \"\" TERM; kill -STOP $$; sleep 300' & sleep 300",
        processes: 3,
    },
    Case {
        name: "fork-bomb",
        command: "exec perl -e '$SIG{TERM}=\"IGNORE\"; fork while 1'",
        processes: 100,
    },
    Case {
        name: "fork-bomb-of-sessions",
        command: "exec perl -MPOSIX -e '$SIG{TERM}=\"IGNORE\"; while(1) { my $p=fork; setsid() if defined $p && !$p }'",
        processes: 100,
    },
    Case {
        name: "fork-and-exit",
        command: "perl -MPOSIX -e '$SIG{TERM}=\"IGNORE\"; while(1) { my $p=fork; exit if $p }' & sleep 300",
        processes: 2,
    },
    Case {
        name: "fork-and-exit-in-sessions",
        command: "perl -MPOSIX -e '$SIG{TERM}=\"IGNORE\"; while(1) { my $p=fork; exit if $p; setsid() }' & \
                  perl -MPOSIX -e '$SIG{TERM}=\"IGNORE\"; while(1) { my $p=fork; exit if $p; setsid() }' & sleep 300",
        processes: 2,
    },
    Case {
        name: "children-that-replace-each-other",
        command: "exec perl -MPOSIX -e '$SIG{TERM}=\"IGNORE\"; $SIG{CHLD}=\"IGNORE\"; while(1) { fork or do { setsid(); exit } }'",
        processes: 1,
    },
];

/// Time since the epoch, as reports tell it.
fn now() -> Duration {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
}

/// At most 150 processes each: outside a container the kernel gives every session the same share of the processors (autogroups), so here
/// hundreds of them take from the supervisor what they cannot take in a sandbox.
async fn run_and_stop(sandbox: &Sandbox, case: &Case, by_timeout: bool) -> (Told, Duration) {
    let id = format!("{}-{by_timeout}", case.name);
    let timeout = if by_timeout { 1_500 } else { 60_000 };
    let mut start = json!({
        "execId": id, "command": case.command, "cwd": "/tmp", "timeoutMs": timeout, "killGraceMs": GRACE.as_millis(),
        "env": { "MARKER": id }, "limits": { "processes": 150 },
    });
    if Uid::effective().is_root() {
        start["uid"] = json!(USER);
    }
    let started = sandbox.start_exec(&request(start)).await;
    eventually(|| async { (alive(&id) >= case.processes.min(2)).then_some(()) }).await;
    let path = format!("/v1/exec/{id}");
    let stopped = if by_timeout {
        let end = started.started_at + timeout;
        Duration::from_millis(end)
    } else {
        eventually(|| async { (alive(&id) >= case.processes).then_some(()) }).await;
        let before = now();
        sandbox.control(Method::DELETE, &path).send().await.unwrap();
        before
    };
    let report = sandbox.exec_ended(&id).await;
    let took = now().saturating_sub(stopped);
    assert_eq!(alive(&id), 0, "{id}: nothing is alive once its end is told");
    (report, took)
}

#[tokio::test]
async fn nothing_of_a_stopped_command_stays_alive() {
    let sandbox = Sandbox::ready().await;
    for case in CASES {
        for by_timeout in [false, true] {
            let (report, took) = run_and_stop(&sandbox, case, by_timeout).await;
            let expected = if by_timeout {
                ExecState::TimedOut
            } else {
                ExecState::Cancelled
            };
            assert_eq!(report.state, expected, "{}", case.name);
            assert!(report.exit_code.is_some() != report.signal.is_some(), "{report:?}");
            println!("{} {by_timeout}: {took:?}", case.name);
            assert!(
                // Half a second where nothing else runs.
                took < GRACE + Duration::from_secs(10),
                "{} {by_timeout}: {took:?}",
                case.name
            );
        }
    }
    assert!(sandbox.log().lines().all(|line| !line.contains("are left")));
}

#[tokio::test]
async fn a_stop_reaches_others_while_one_forks_without_end() {
    let sandbox = Sandbox::ready().await;
    let begun = Instant::now();
    let mut bomb = json!({
        "execId": "bomb", "command": "exec perl -e 'fork while 1'", "cwd": "/tmp",
        "killGraceMs": 200, "timeoutMs": 120_000, "env": { "MARKER": "bomb-beside" }, "limits": { "processes": 400 },
    });
    if Uid::effective().is_root() {
        bomb["uid"] = json!(USER + 1);
    }
    sandbox.start_exec(&request(bomb)).await;
    eventually(|| async { (alive("bomb-beside") > 50).then_some(()) }).await;
    let beside = sandbox
        .run(request(json!({ "execId": "beside", "command": "echo here" })))
        .await;
    assert_eq!((beside.state, beside.stdout.as_str()), (ExecState::Succeeded, "here\n"));
    sandbox.control(Method::DELETE, "/v1/exec/bomb").send().await.unwrap();
    assert_eq!(sandbox.exec_ended("bomb").await.state, ExecState::Cancelled);
    assert_eq!(alive("bomb-beside"), 0);
    assert!(begun.elapsed() < Duration::from_secs(25));
}
