//! restic's own client reads what we write. Needs `restic` in the path; says so where it is not.

mod support;

use molt_snapshots::order::Work;
use std::process::{Command, Output};
use support::{Sandbox, tree};

fn restic(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let mut command = Command::new("restic");
    command
        .args(["--no-cache", "-r"])
        .arg(sandbox.server.restic_url())
        .args(arguments)
        .env("RESTIC_PASSWORD", "a password of an operator");
    command.output().unwrap()
}

#[test]
fn restic_lists_checks_and_restores_what_was_saved() {
    if Command::new("restic").arg("version").output().is_err() {
        eprintln!("SKIPPED: restic is not installed, so nobody but us has read what we write");
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.at("folder/below")).unwrap();
    std::fs::write(sandbox.at("folder/below/text"), "text ".repeat(500_000)).unwrap();
    std::fs::write(sandbox.at("new\nline\\ \"quoted\" \u{1}\u{7f} ü"), b"odd").unwrap();
    std::fs::write(
        sandbox
            .home()
            .join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(
                b"not \xff utf-8",
            )),
        b"odder",
    )
    .unwrap();
    std::fs::hard_link(sandbox.at("folder/below/text"), sandbox.at("same")).unwrap();
    std::os::unix::fs::symlink("folder/below/text", sandbox.at("link")).unwrap();
    std::fs::write(sandbox.at("empty"), b"").unwrap();
    rusqlite::Connection::open(sandbox.at("state.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    let first = sandbox.save(None);
    std::fs::write(sandbox.at("more"), b"more").unwrap();
    let second = sandbox.save(Some(first.snapshot));
    let access = sandbox
        .order(Work::Save {
            parent: None,
            tags: vec![],
        })
        .repository;
    molt_snapshots::add_password(&access, "a password of an operator").unwrap();

    let listed = restic(&sandbox, &["snapshots", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap_or_else(|_| panic!("{listed:?}"));
    let ids: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|snapshot| snapshot["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [first.snapshot.to_string(), second.snapshot.to_string()]);
    let checked = restic(&sandbox, &["check", "--read-data"]);
    assert!(
        checked.status.success() && String::from_utf8_lossy(&checked.stdout).contains("no errors were found"),
        "{checked:?}"
    );
    let target = tempfile::tempdir().unwrap();
    let restored = restic(
        &sandbox,
        &[
            "restore",
            &second.snapshot.to_string(),
            "--target",
            target.path().to_str().unwrap(),
        ],
    );
    assert!(restored.status.success(), "{restored:?}");
    let ours = sandbox.restored(second.snapshot).unwrap();
    tree::assert_same(&tree::read(&ours.path().join("home")), &tree::read(target.path()));
}
