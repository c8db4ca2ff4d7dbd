//! Whatever way the engine ends, nothing of its containers is left.

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use support::{Engine, PATIENCE, PROGRAM, Setup, eventually, processes_with};

/// Marks a process inside with an argument that no other has.
fn mark(sandbox: &support::Sandbox<'_>, tag: u32) -> String {
    let mark = format!("8{tag}{}", std::process::id());
    sandbox.run(&format!("setsid sleep {mark} > /dev/null 2>&1 < /dev/null &"));
    eventually("the marked process", || {
        (!processes_with(&mark).is_empty()).then_some(())
    });
    mark
}

#[test]
fn term_ends_everything_in_order() {
    let mut engine = Engine::start();
    let mark = {
        let sandbox = engine.sandbox("a");
        mark(&sandbox, 1)
    };
    let group = engine.containers()[0]["cgroup"].as_str().unwrap().to_owned();
    let status = engine.end(Signal::SIGTERM);
    assert_eq!(status.code(), Some(0), "{}", engine.log());
    assert_eq!(processes_with(&mark), [0; 0]);
    assert!(!engine.socket().exists());
    assert!(!std::path::Path::new(&group).exists());
    assert_eq!(
        std::fs::read_dir(engine.run_dir().join("containers")).unwrap().count(),
        0
    );
    let log = std::fs::read_to_string(engine.run_dir().join("logs/a.log")).unwrap();
    assert!(
        log.ends_with("TERM\n"),
        "the program was asked before it was killed: {log}"
    );
}

#[test]
fn when_the_engine_is_killed_its_containers_die_with_it_and_the_next_engine_cleans_up() {
    let mut engine = Engine::start();
    let (mark, holder) = {
        let sandbox = engine.sandbox("a");
        (
            mark(&sandbox, 2),
            engine.inspect("a-proxy")["State"]["Pid"].as_i64().unwrap(),
        )
    };
    let group = engine.containers()[0]["cgroup"].as_str().unwrap().to_owned();
    engine.end(Signal::SIGKILL);
    eventually("the end of all processes", || {
        processes_with(&mark).is_empty().then_some(())
    });
    eventually("the end of the network", || {
        let status = std::fs::read_to_string(format!("/proc/{holder}/status")).unwrap_or_default();
        (status.is_empty() || status.contains("State:\tZ")).then_some(())
    });

    let directory = std::mem::replace(&mut engine.directory, tempfile::tempdir().unwrap());
    assert_eq!(
        std::fs::read_dir(directory.path().join("run/containers"))
            .unwrap()
            .count(),
        1,
        "files are left behind"
    );
    let next = Engine::with(Setup {
        directory: Some(directory),
        ..Setup::default()
    });
    assert_eq!(std::fs::read_dir(next.run_dir().join("containers")).unwrap().count(), 0);
    assert!(!std::path::Path::new(&group).exists());
    assert_eq!(next.containers().len(), 0);
    assert_eq!(next.sandbox("a").run("echo again"), "again", "the names are free again");
}

#[test]
fn the_engine_ends_with_the_process_that_started_it() {
    let first = Engine::start();
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(
        first.directory.path().join("images.json"),
        directory.path().join("images.json"),
    )
    .unwrap();
    // A shell in between, which is killed.
    let line = format!(
        "{PROGRAM} serve --socket {0}/engine.sock --run-dir {0}/run --images {0}/images.json 2> {0}/engine.log & wait",
        directory.path().display()
    );
    let mut shell = Command::new("/bin/sh")
        .args(["-c", &line])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let socket = directory.path().join("engine.sock");
    eventually("the socket", || std::os::unix::net::UnixStream::connect(&socket).ok());
    shell.kill().unwrap();
    shell.wait().unwrap();
    eventually("the end of the engine", || (!socket.exists()).then_some(()));
    eventually("its last word", || {
        std::fs::read_to_string(directory.path().join("engine.log"))
            .unwrap()
            .contains("stopped")
            .then_some(())
    });
}

/// What an engine says that does not start.
fn refusal(directory: &std::path::Path) -> String {
    let child = Engine::command(directory).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_engine_that_cannot_serve_says_why() {
    let engine = Engine::start();
    let said = refusal(engine.directory.path());
    assert!(said.contains("another engine uses the run directory"), "{said}");
    assert_eq!(
        engine.call("GET", "/_ping").status,
        200,
        "and the other one is not harmed"
    );

    let directory = tempfile::tempdir().unwrap();
    assert!(refusal(directory.path()).contains("cannot read the images file"));
    let missing = json!({"images": [{"match": "x", "entrypoint": ["/x"], "mounts": [{"source": "/no/such/file", "target": "/opt/x"}]}]});
    std::fs::write(directory.path().join("images.json"), missing.to_string()).unwrap();
    assert!(refusal(directory.path()).contains("images[0] (x): mounts.source /no/such/file does not exist"));
    std::fs::write(directory.path().join("images.json"), r#"{"images":[]}"#).unwrap();
    std::fs::write(directory.path().join("engine.sock"), "precious").unwrap();
    assert!(refusal(directory.path()).contains("is no socket"));
    assert_eq!(
        std::fs::read_to_string(directory.path().join("engine.sock")).unwrap(),
        "precious"
    );
}

#[test]
fn a_program_that_ignores_term_does_not_hold_the_engine_up_for_ever() {
    let mut engine = Engine::with(Setup {
        grace: Some(1),
        ..Setup::default()
    });
    engine.sidecar("a");
    let stubborn = json!({"Entrypoint": ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]});
    assert_eq!(engine.create("a", &stubborn).status, 201);
    assert_eq!(engine.call("POST", "/containers/a/start").status, 204);
    let begun = std::time::Instant::now();
    assert_eq!(engine.end(Signal::SIGTERM).code(), Some(0));
    let elapsed = begun.elapsed();
    assert!(
        (Duration::from_secs(1)..PATIENCE).contains(&elapsed),
        "it had its second, and no more: {elapsed:?}"
    );
}
