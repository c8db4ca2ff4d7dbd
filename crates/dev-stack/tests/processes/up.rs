//! The stack's own life: whatever happens to it, it says so and leaves nothing. The programs it starts are stand-ins here; the
//! end-to-end tests do the same with the real ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{assert_nothing_is_left, dev_stack, end_of, line_of, send, until};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// A clone in which everything is built, with an engine that is the given shell script.
struct Clone {
    folder: TempDir,
}

impl Clone {
    fn new(engine: &str) -> Self {
        let clone = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for worker in ["router", "admin", "container-gateway"] {
            clone.write(
                &format!("wrangler/{worker}.jsonc"),
                &format!(r#"{{"name": "{worker}", "main": "../index.js"}}"#),
            );
        }
        clone.write("index.js", "");
        clone.write("wrangler.js", "");
        for (name, script) in [("local-engine", engine), ("sandboxd", "exit 1"), ("node", "exit 1")] {
            clone.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
            fs::set_permissions(clone.path(&format!("bin/{name}")), fs::Permissions::from_mode(0o755)).unwrap();
        }
        clone
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn up(&self, state: &Path) -> Command {
        let mut command = dev_stack();
        command
            .args(["up", "--port=0", "--agent=echo", "--no-open"])
            .arg("--state-dir")
            .arg(state);
        for (option, path) in [
            ("--root", ""),
            ("--bin", "bin"),
            ("--node", "bin/node"),
            ("--wrangler", "wrangler.js"),
        ] {
            command.arg(option).arg(self.path(path));
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_remove("MOLT_OPENCLAW");
        command
    }

    fn state(&self) -> PathBuf {
        self.path("state")
    }

    fn mark(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// A stack whose engine runs, with a stray grandchild, and never answers.
    fn start_with_silent_engine() -> (Self, Child) {
        let clone = Self::new("(setsid sleep 1000 &); echo > \"$0.started\"; trap '' HUP; while :; do sleep 1; done");
        let stack = clone.up(&clone.state()).spawn().unwrap();
        until("the engine", || {
            clone.path("bin/local-engine.started").exists().then_some(())
        });
        line_of(&clone.path("state/run/engine.pid"));
        (clone, stack)
    }
}

#[test]
fn a_stack_that_is_told_to_stop_while_it_starts_stops() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let (clone, mut stack) = Clone::start_with_silent_engine();
        send(stack.id(), signal);
        assert_eq!(end_of(&mut stack).code(), Some(0), "{signal}");
        assert_nothing_is_left(&clone.mark());
    }
}

#[test]
fn a_killed_stack_leaves_nothing() {
    let (clone, mut stack) = Clone::start_with_silent_engine();
    send(stack.id(), Signal::SIGKILL);
    end_of(&mut stack);
    assert_nothing_is_left(&clone.mark());
    // Its lock went with it.
    let (status, text) = run(&mut Clone::new("exit 1").up(&clone.state()));
    assert_eq!(status, Some(1));
    assert!(!text.contains("runs on"), "{text}");
}

#[test]
fn a_program_that_ends_at_once_ends_the_start_with_its_last_words() {
    let clone = Clone::new("echo no such device >&2; exit 3");
    let (status, text) = run(&mut clone.up(&clone.state()));
    assert_eq!(status, Some(1));
    assert!(
        text.contains("engine ended with exit code 3") && text.contains("no such device"),
        "{text}"
    );
    assert!(!clone.path("state/ready.json").exists());
    assert_nothing_is_left(&clone.mark());
}

#[test]
fn a_second_stack_on_the_same_state_is_told_who_holds_it() {
    let (clone, mut first) = Clone::start_with_silent_engine();
    let (status, text) = run(&mut clone.up(&clone.state()));
    assert_eq!(status, Some(1));
    assert!(text.contains(&format!("process {}", first.id())), "{text}");
    send(first.id(), Signal::SIGTERM);
    assert_eq!(end_of(&mut first).code(), Some(0));
}

#[test]
fn what_is_missing_is_named() {
    let clone = Clone::new("exit 1");
    fs::remove_file(clone.path("bin/sandboxd")).unwrap();
    let (_, text) = run(&mut clone.up(&clone.state()));
    assert!(text.contains("bin/sandboxd is missing"), "{text}");
    clone.write("bin/sandboxd", "");
    fs::remove_file(clone.path("index.js")).unwrap();
    let (_, text) = run(&mut clone.up(&clone.state()));
    assert!(text.contains("index.js is missing; run scripts/build"), "{text}");
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code(), text)
}
