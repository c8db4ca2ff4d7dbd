//! Archives as the old system made them, by GNU tar.

use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Until a start has failed and says so.
pub const TOLD_WITHIN: Duration = Duration::from_secs(120);

/// A home of the old system, below a folder that stands for `/`.
pub struct OldHome {
    slash: TempDir,
}

impl OldHome {
    /// With its agent's configuration and one file of the user's.
    pub fn new(letter: &str) -> Self {
        let home = Self {
            slash: tempfile::tempdir().expect("a folder"),
        };
        home.write("openclaw/letter", letter.as_bytes());
        let config = json!({"agents": {"defaults": {"workspace": "/root/openclaw"}}, "gateway": {"port": 18789}});
        home.write(".openclaw/openclaw.json", config.to_string().as_bytes());
        home
    }

    /// Its `/root`.
    pub fn root(&self) -> std::path::PathBuf {
        self.slash.path().join("root")
    }

    /// A file of it.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    /// Odd names, links, modes, a database, and what belongs to the old system alone.
    pub fn furnish(&self) {
        self.write("openclaw/.git/odd\n n\u{e4}me", b"odd");
        self.write("openclaw/build.log", b"kept");
        self.write("openclaw/script", b"#!/bin/sh\n");
        self.write(&format!("openclaw/{}", "n".repeat(200)), b"long");
        self.write(".openclaw/.restore-time", b"1");
        self.write(".openclaw/gateway.lock", b"{}");
        self.write("secret.key", b"key");
        let root = self.root();
        fs::set_permissions(root.join("openclaw/script"), fs::Permissions::from_mode(0o755)).expect("a mode");
        fs::set_permissions(root.join("secret.key"), fs::Permissions::from_mode(0o600)).expect("a mode");
        symlink("/root/openclaw/letter", root.join("to letter")).expect("a link");
        symlink("/etc/passwd", root.join("out")).expect("a link");
        fs::hard_link(root.join("openclaw/letter"), root.join("same letter")).expect("a link");
        self.database(".openclaw/memory.sqlite");
    }

    /// A database with a thousand rows.
    pub fn database(&self, path: &str) {
        self.write(path, b"");
        fs::remove_file(self.root().join(path)).expect("the file just written");
        let database = Connection::open(self.root().join(path)).expect("a database");
        database
            .execute_batch(
                "create table memory (id integer primary key, text text);
                 with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)
                 insert into memory select i, hex(randomblob(50)) from n; create index text on memory (text);",
            )
            .expect("rows");
    }

    /// As the old system packed it: what lies in `/root`, gzipped.
    pub fn packed(&self) -> Vec<u8> {
        let slash: &Path = self.slash.path();
        let packed = Command::new("tar")
            .args(["-czf", "-", "root"])
            .current_dir(slash)
            .output();
        let packed = packed.expect("GNU tar");
        assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
        packed.stdout
    }
}

/// Key of a user's archive.
pub fn archive(user: &User) -> String {
    format!("users/{}/backup.tar.gz", user.id)
}

/// Key of the archive before it.
pub fn previous(user: &User) -> String {
    format!("users/{}/backup-archive.tar.gz", user.id)
}

/// What the platform tells of what was kept.
pub async fn told(stack: &Stack, user: &User) -> Value {
    stack.get(&user.path("/backups/import")).admin().send().await.json(200)
}

/// Decides about it.
pub async fn decide(stack: &Stack, user: &User, body: &Value) -> Value {
    stack
        .post(&user.path("/backups/import"))
        .admin()
        .json(body)
        .send()
        .await
        .json(200)
}

/// The cause of a start that failed, which began with a request of the user's.
pub async fn failed(stack: &Stack, user: &User) -> String {
    stack.get("/").user(user).send().await;
    let boot = until("the start has failed", TOLD_WITHIN, async || {
        let boot = stack.get("/_molt/boot").user(user).send().await.json(200);
        (boot["lifecycle"] == "failed").then_some(boot)
    })
    .await;
    stack.engine.none(user).await;
    boot["cause"].as_str().unwrap_or_default().to_owned()
}

/// Asks until the sandbox runs, after one that failed.
pub async fn runs(stack: &Stack, user: &User) {
    until("the sandbox runs", TOLD_WITHIN, async || {
        let reply = stack.get("/echo").user(user).send().await;
        (reply.status == 200).then_some(())
    })
    .await;
}

/// The container goes, with what was on its disk after the last snapshot.
pub async fn destroyed(stack: &Stack, user: &User) {
    let asked = stack.post(&user.path("/destroy")).admin().json(&json!({})).send().await;
    let problem = asked.problem(409, "confirmation_required");
    let job = stack
        .changed(user, "POST", "destroy", &json!({"confirm": problem["confirm"]}))
        .await;
    e2e_tests::changes::ended(&job, "succeeded");
}
