//! A platform that is gone and begins again from its archive, its bucket and its root secrets.

mod seen;

use crate::cli::Ended;
use crate::disk::{Disk, Load};
use crate::people::User;
use crate::stack::{Stack, StateDir, state_dir};
use crate::wait::until;
use molt_common::repository_token::Access;
use molt_common::snapshot::ObjectId;
use seen::{Seen, read};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a copy in D1 may take after a restore, on a busy machine.
const SETTLED: Duration = Duration::from_secs(60);
const FLAG: &str = "USE_NEW_ADMIN_API";

/// How large a platform is that is lost.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Further users, who have rows and chains and no snapshots.
    pub others: u32,
    /// What lies on each of the two disks.
    pub load: Load,
    /// Versions of a configuration.
    pub versions: u32,
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    /// Users in the archive.
    pub users: u64,
    /// Its members.
    pub members: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Of the export.
    pub exported: Duration,
    /// Of the restore, from the first call to the last.
    pub restored: Duration,
    /// From the end of the restore to the first answer of a restored sandbox.
    pub first_start: Duration,
}

/// A state folder with the root secrets of a stack that has stopped, and with a copy of its bucket; nothing else of it.
///
/// # Panics
/// When something cannot be copied.
#[must_use]
pub fn successor(of: &Path) -> StateDir {
    let folder = state_dir().expect("a folder");
    let to = folder.path().join("s");
    fs::create_dir_all(to.join("workers/v3")).expect("folders");
    for private in [to.clone(), to.join("workers")] {
        let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
        fs::set_permissions(private, mode).expect("a mode");
    }
    fs::copy(of.join("secrets.json"), to.join("secrets.json")).expect("the root secrets");
    copy_folder(&of.join("workers/v3/r2"), &to.join("workers/v3/r2"));
    folder
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a listing") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

/// A new stack on such a folder, without the people that a new stack is given.
///
/// # Panics
/// When it does not start.
pub async fn empty_stack(state: &StateDir) -> Stack {
    let stack = Stack::start(&[], state).await.unwrap_or_else(|error| panic!("{error}"));
    stack.sql("DELETE FROM users").await;
    stack
}

impl Stack {
    /// Exports the control plane into a file of this folder.
    ///
    /// # Panics
    /// When it cannot be exported.
    pub async fn export_control_plane(&self, folder: &Path) -> (PathBuf, Value) {
        let file = folder.join(format!("control-plane-{}.tar", uuid::Uuid::new_v4()));
        let told = self
            .molt(&["recovery", "export", "--json", "--to", &file.to_string_lossy()])
            .await;
        (file, told.json())
    }

    /// Restores an archive.
    pub async fn restore_control_plane(&self, file: &Path) -> Ended {
        self.molt(&["recovery", "restore", "--yes", "--json", &file.to_string_lossy()])
            .await
    }

    /// Whether a chain is sound and agrees with its copy in D1; the number of entries.
    ///
    /// # Panics
    /// When it is broken, or the copy does not come to agree.
    pub async fn chain_is_sound(&self, chain: &str) -> u64 {
        until(&format!("the copy of {chain} is whole"), SETTLED, async || {
            let report = self
                .get(&format!("/api/super/audit/verify?chain={chain}"))
                .admin()
                .send()
                .await
                .json(200);
            assert_ne!(report["verified"], json!(false), "{report}");
            let entries = report["entries"]
                .as_u64()
                .filter(|entries| report["copied"] == json!(entries));
            entries.filter(|_| report["verified"] == json!(true))
        })
        .await
    }
}

/// Tells the repository of a snapshot in a generation's name, as whoever has its token could; what was answered.
async fn publish(stack: &Stack, user: &User, generation: u64) -> Value {
    let repository = stack.repository(user);
    let mut claims = repository.claims(Access::Append);
    claims.generation = generation;
    let token = repository.token_of(&claims);
    // One that is there, so that nothing but the generation speaks against it.
    let snapshot = stack.backups(user).await["backups"][0]["id"].take();
    let body = json!({
        "manifest": {"snapshot": snapshot, "tree": ObjectId::of(b"tree"), "parent": null, "takenAt": 1_800_000_000_000_u64,
            "files": 1, "folders": 1, "others": 0, "bytes": 4, "addedBytes": 4, "databases": 0, "unreadable": [], "unreadableCount": 0,
            "packs": [], "indexes": []},
        "reason": "request", "head": snapshot,
    });
    let reply = repository
        .bare("POST", "publish")
        .bearer(&token)
        .json(&body)
        .send()
        .await;
    assert_eq!(reply.status, 409, "{}", reply.text());
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// What a platform is before it is lost.
struct Lost {
    ada: User,
    ben: User,
    carol: User,
    key: String,
    digests: [String; 2],
    seen: Seen,
    chains: Vec<(String, u64)>,
    generation: u64,
}

async fn live(stack: &Stack, size: Size) -> Lost {
    let (ada, ben) = (stack.seeded("Ada"), stack.seeded("Ben"));
    let carol = stack.new_user().await;
    for _ in 0..size.others {
        stack.new_user().await;
    }
    for version in 0..size.versions.max(2) {
        let body = json!({"ui": {"version": version}});
        let call = stack.call("PATCH", &ada.path("/config")).admin().json(&body);
        call.send().await.expect(200);
    }
    let body = json!({"policy": "idle", "seconds": 3_600});
    let call = stack.call("PUT", &ben.path("/keep-alive")).admin().json(&body);
    call.send().await.expect(200);
    let mut digests = vec![];
    for (number, user) in [&ada, &ben].into_iter().enumerate() {
        stack.awake(user).await;
        let disk = Disk::of(stack, user).await;
        disk.change(size.load, 7 + number as u64);
        digests.push(disk.digest());
        stack.exec(user, &json!({"command": "echo audited"})).await;
        stack.backup(user).await;
    }
    for percent in [100, 99, 100] {
        stack
            .set_flag(
                FLAG,
                json!({"enabled": true, "percent": percent, "allow": ["bootstrap"]}),
            )
            .await;
    }
    let (_, key) = stack.admin_key("kept", &["fleet:read"]).await;
    // Of days that objects have long forgotten.
    for row in [
        "usage_days VALUES ('{}', 20000, 'openai', 0, 3, 3, 0, 10, 20, 3, 30, 0, 40, 3, 5000000, 9, 1)",
        "container_days VALUES ('{}', 20000, 1, 60000, 2, 1)",
        "storage_days VALUES ('{}', 20000, 7000000, 1, 1)",
    ] {
        stack.sql(&format!("INSERT INTO {}", row.replace("{}", &ada.id))).await;
    }
    let invited = stack
        .post("/api/super/invitations")
        .admin()
        .json(&json!({"email": "dora@example.test"}));
    invited.send().await.expect(201);
    let suspended = stack
        .post(&carol.path("/suspend"))
        .admin()
        .json(&json!({"reason": "a drill"}));
    suspended.send().await.expect(200);
    let names = [
        "control-plane".into(),
        format!("sandbox:{}", ada.id),
        format!("exec:{}", ada.id),
        format!("exec:{}", ben.id),
    ];
    let mut chains = vec![];
    for name in names {
        let entries = stack.chain_is_sound(&name).await;
        chains.push((name, entries));
    }
    Lost {
        seen: Seen::on(stack, [&ada, &ben]).await,
        generation: stack.generation(&ada).await,
        digests: [digests[0].clone(), digests[1].clone()],
        ada,
        ben,
        carol,
        key,
        chains,
    }
}

/// A platform is exported and lost; another one begins with its archive.
///
/// # Panics
/// When something is not there again as it was.
pub async fn recover(size: Size, tell: impl Fn(&str)) -> Outcome {
    let state = state_dir().expect("a folder");
    let first = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let mut lost = live(&first, size).await;
    let begun = Instant::now();
    let (file, told) = first.export_control_plane(state.path()).await;
    let exported = begun.elapsed();
    tell(&format!("exported in {exported:.1?}: {told}"));
    let number = |name: &str| told[name].as_u64().unwrap_or_else(|| panic!("{name} in {told}"));
    holds_no_secret(&first, &file);
    // The platform of before goes on for a while: its starts count on, and nobody tells the next one.
    let job = first
        .ask(&lost.ada, "POST", "restart", &json!({"scope": "sandbox"}))
        .await
        .json(202);
    let ended = first.job_ends(job["jobId"].as_str().expect("an id")).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let newest = first.generation(&lost.ada).await;
    assert!(newest > lost.generation, "{newest}");
    lost.generation = newest;
    first.stop().await.assert_clean();

    let next = successor(&first.ready.state_dir);
    let second = empty_stack(&next).await;
    dry_run(&second, &file).await;
    let begun = Instant::now();
    second.restore_control_plane(&file).await.done();
    let restored = begun.elapsed();
    tell(&format!("restored in {restored:.1?}"));
    let first_start = is_there_again(&second, &lost).await;
    tell(&format!(
        "the first restored sandbox answered after {first_start:.1?}; both disks are equal"
    ));
    second
        .restore_control_plane(&file)
        .await
        .refused("was restored into this platform");
    second.stop().await.assert_clean();
    Outcome {
        users: number("users"),
        members: number("members"),
        bytes: number("bytes"),
        exported,
        restored,
        first_start,
    }
}

async fn dry_run(stack: &Stack, file: &Path) {
    let told = stack
        .molt(&["recovery", "restore", "--dry-run", &file.to_string_lossy()])
        .await;
    assert!(told.done().contains("can begin"), "{told:?}");
    let status = read(stack, "/api/super/recovery").await;
    assert_eq!(status["state"], "none", "{status}");
}

/// No secret of the deployment, no key and no token that was given out stands in an archive.
fn holds_no_secret(stack: &Stack, file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(file).expect("the archive").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = fs::read(file).expect("the archive");
    let text = String::from_utf8_lossy(&bytes);
    for secret in stack.secrets.all() {
        assert!(!text.contains(&secret), "a secret of the deployment is in the archive");
    }
    let leaked = crate::secrets::found_in(&[file.to_owned()]);
    assert!(leaked.is_empty(), "{leaked:?}");
}

async fn is_there_again(stack: &Stack, lost: &Lost) -> Duration {
    let two = [&lost.ada, &lost.ben];
    assert_eq!(Seen::on(stack, two).await, lost.seen);
    // A key of before, and what it may not do.
    until("the key opens", SETTLED, async || {
        let reply = stack.get("/api/super/users").bearer(&lost.key).send().await;
        (reply.status == 200).then_some(())
    })
    .await;
    stack
        .get("/api/super/keys")
        .bearer(&lost.key)
        .send()
        .await
        .problem(403, "scope_missing");
    let refused = until("he who was suspended is refused", SETTLED, async || {
        let reply = stack.get("/echo").user(&lost.carol).send().await;
        (reply.status == 403).then_some(reply)
    })
    .await;
    refused.problem(403, "user_suspended");
    let begun = Instant::now();
    let mut first_start = None;
    for (user, digest) in two.into_iter().zip(&lost.digests) {
        // What an isolate knew of his row a moment ago says that he is shut out.
        until("he is let in", SETTLED, async || {
            let reply = stack.get("/_molt/boot").user(user).send().await;
            (reply.status == 200).then_some(())
        })
        .await;
        stack.awake(user).await;
        first_start.get_or_insert_with(|| begun.elapsed());
        assert_eq!(
            &Disk::of(stack, user).await.digest(),
            digest,
            "the home of {}",
            user.name
        );
    }
    let generation = stack.generation(&lost.ada).await;
    assert!(
        generation > lost.generation,
        "{generation} is no higher than {}",
        lost.generation
    );
    for old in [lost.generation, lost.generation + 5] {
        let answer = publish(stack, &lost.ada, old).await;
        assert_eq!(answer["answer"], "generation_over", "{answer}");
    }
    // It goes on: a snapshot and a version follow those of before.
    let before = stack.backups(&lost.ada).await["backups"][0]["sequence"]
        .as_u64()
        .expect("a number");
    stack.backup(&lost.ada).await;
    let after = stack.backups(&lost.ada).await["backups"][0]["sequence"]
        .as_u64()
        .expect("a number");
    assert_eq!(after, before + 1);
    stack.exec(&lost.ben, &json!({"command": "echo audited"})).await;
    for (chain, entries) in &lost.chains {
        let now = stack.chain_is_sound(chain).await;
        assert!(now >= *entries, "{chain} had {entries} entries and has {now}");
    }
    first_start.unwrap_or_default()
}
