//! The stand-in for the `docker` command, against an engine.

mod support;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use support::{Engine, GUEST, PROGRAM};

/// Runs `docker` by that name, as wrangler does.
fn docker(engine: &Engine, args: &[&str], input: &str) -> Output {
    let link = engine.directory.path().join("docker");
    if !link.exists() {
        std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
    }
    let mut child = Command::new(link)
        .args(args)
        .env("WRANGLER_DOCKER_HOST", format!("unix://{}", engine.socket().display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(engine: &Engine, args: &[&str]) -> String {
    let output = docker(engine, args, "");
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn wranglers_calls_are_answered() {
    let engine = Engine::start();
    said(&engine, &["info"]);
    let host = format!("unix://{}", engine.socket().display());
    assert_eq!(
        said(
            &engine,
            &["--host", &host, "info", "--format", "{{json .SecurityOptions}}"]
        ),
        "[]"
    );
    let recipe = "FROM scratch\n".repeat(20_000);
    let build = [
        "build",
        "--load",
        "-t",
        GUEST,
        "--platform",
        "linux/amd64",
        "--provenance=false",
        "-f",
        "-",
        "/ctx",
    ];
    let built = docker(&engine, &build, &recipe);
    assert!(built.status.success(), "{built:?}");
    assert_eq!(
        said(
            &engine,
            &[
                "image",
                "inspect",
                GUEST,
                "--format",
                "{{ .Os }} {{ len .Config.ExposedPorts }}"
            ]
        ),
        "linux 1"
    );
    said(&engine, &["pull", support::SIDECAR, "--platform", "linux/amd64"]);
    said(&engine, &["tag", "anything:1", GUEST]);
    assert!(said(&engine, &["context", "ls", "--format", "json"]).contains(&host));
    assert_eq!(
        said(
            &engine,
            &[
                "image",
                "ls",
                "--filter",
                "reference=x*",
                "--format",
                "{{.Repository}}:{{.Tag}}"
            ]
        ),
        ""
    );
}

#[test]
fn containers_are_listed_read_and_removed() {
    let engine = Engine::start();
    engine.sandbox("a");
    let names = said(
        &engine,
        &[
            "ps",
            "--filter",
            "label=dev.workerd.session=s1",
            "--format",
            "{{.Names}} {{.State}}",
        ],
    );
    assert_eq!(names, "a running\na-proxy running");
    assert_eq!(said(&engine, &["logs", "a"]), "listening");
    let ids = said(&engine, &["ps", "--all", "--quiet"]);
    let mut remove = vec!["rm", "--force"];
    remove.extend(ids.lines());
    said(&engine, &remove);
    assert_eq!(engine.containers().len(), 0);
}

#[test]
fn what_fails_fails() {
    let engine = Engine::start();
    for args in [
        vec!["build", "-t", "docker.io/other:1", "-f", "-", "."],
        vec!["pull", "docker.io/other:1"],
        vec!["image", "inspect", "docker.io/other:1"],
        vec!["rm", "nobody"],
        vec!["push", GUEST],
        vec!["--host", "unix:///no/such/socket", "info"],
        vec!["--host", "tcp://1.2.3.4:1", "info"],
    ] {
        let output = docker(&engine, &args, "");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}
