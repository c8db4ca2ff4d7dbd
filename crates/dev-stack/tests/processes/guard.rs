//! A guard leaves nothing of its program behind, whoever dies first.

use std::path::PathBuf;
use std::process::Child;
use std::time::Instant;

use crate::support::{
    LIMIT, assert_nothing_is_left, dev_stack, end_of, line_of, marked, send, spawn_with_lifeline, until,
};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// A guard whose program has left a grandchild in a session of its own that ignores TERM.
struct Fixture {
    _folder: TempDir,
    pid_file: PathBuf,
    mark: String,
    guard: Child,
    lifeline: Option<std::io::PipeWriter>,
}

impl Fixture {
    /// `traps` is what the program does about signals.
    fn start(grace_ms: u32, traps: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mark = format!("MARK={}", folder.path().display());
        let pid_file = folder.path().join("program.pid");
        let (stray, ready) = (folder.path().join("stray"), folder.path().join("ready"));
        let script = format!(
            "{traps}
            (setsid sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1; done' &)
            echo $$ > {}; while :; do sleep 0.01; done",
            stray.display(),
            ready.display(),
        );
        let (guard, lifeline) = spawn_with_lifeline(
            dev_stack()
                .args([
                    "guard",
                    "--pid-file",
                    pid_file.to_str().unwrap(),
                    "--grace-ms",
                    &grace_ms.to_string(),
                    "--",
                ])
                .args(["sh", "-c", &script])
                .env("MARK", folder.path()),
        )
        .unwrap();
        line_of(&stray);
        line_of(&ready);
        Self {
            _folder: folder,
            pid_file,
            mark,
            guard,
            lifeline: Some(lifeline),
        }
    }

    fn program(&self) -> u32 {
        line_of(&self.pid_file).parse().unwrap()
    }
}

#[test]
fn a_stack_that_vanishes_takes_everything_with_it() {
    let mut fixture = Fixture::start(60_000, "");
    assert!(marked(&fixture.mark).len() >= 3);
    drop(fixture.lifeline.take());
    end_of(&mut fixture.guard);
    assert_nothing_is_left(&fixture.mark);
}

#[test]
fn a_program_that_ignores_term_is_killed_after_its_grace() {
    let mut fixture = Fixture::start(300, "trap '' TERM");
    let began = Instant::now();
    send(fixture.guard.id(), Signal::SIGTERM);
    assert_eq!(end_of(&mut fixture.guard).code(), Some(128 + 9));
    assert!(began.elapsed().as_millis() >= 300);
    assert_nothing_is_left(&fixture.mark);
}

#[test]
fn a_second_request_does_not_wait_for_the_grace() {
    let mut fixture = Fixture::start(600_000, "trap : TERM");
    let began = Instant::now();
    send(fixture.guard.id(), Signal::SIGTERM);
    until("the guard to take up the first request", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", fixture.guard.id())).ok()?;
        let pending = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))?
                .trim()
                .parse::<u64>()
                .ok()
        };
        (pending("ShdPnd:") == Some(0)).then_some(())
    });
    send(fixture.guard.id(), Signal::SIGTERM);
    assert_eq!(end_of(&mut fixture.guard).code(), Some(128 + 9));
    assert!(began.elapsed() < LIMIT);
    assert_nothing_is_left(&fixture.mark);
}

#[test]
fn a_program_gets_the_signal_and_its_exit_code_is_passed_on() {
    let mut fixture = Fixture::start(600_000, "trap 'exit 7' TERM");
    send(fixture.guard.id(), Signal::SIGTERM);
    assert_eq!(end_of(&mut fixture.guard).code(), Some(7));
    assert_nothing_is_left(&fixture.mark);
}

#[test]
fn what_a_killed_program_leaves_is_killed_too() {
    let mut fixture = Fixture::start(600_000, "");
    send(fixture.program(), Signal::SIGKILL);
    assert_eq!(end_of(&mut fixture.guard).code(), Some(128 + 9));
    assert_nothing_is_left(&fixture.mark);
}

#[test]
fn a_program_does_not_outlive_a_killed_guard() {
    let mut fixture = Fixture::start(600_000, "");
    let program = fixture.program();
    send(fixture.guard.id(), Signal::SIGKILL);
    end_of(&mut fixture.guard);
    until("the end of the program", || {
        let stat = std::fs::read_to_string(format!("/proc/{program}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
    // The stray one belongs to whoever adopted it, here not to a stack: this test ends it.
    for pid in marked(&fixture.mark) {
        send(u32::try_from(pid).unwrap(), Signal::SIGKILL);
    }
    assert_nothing_is_left(&fixture.mark);
}
