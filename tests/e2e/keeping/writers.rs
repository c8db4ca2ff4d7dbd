//! Two who write into one repository: tokens as the platform makes them, restic and the real calls on one side, the sandbox itself on the other.

use e2e_tests::people::User;
use e2e_tests::repository::{Repository, has_restic};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use futures_util::future::join;
use molt_common::repository_token::{Access, RepositoryClaims};
use molt_common::snapshot::ObjectId;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

/// An isolate goes by what it knows of a generation for ten seconds.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(30);
const V2: &str = "application/vnd.x.restic.rest.v2";

/// Another writer than the sandbox: it holds the token of a generation and the repository's password.
struct Writer<'a> {
    repository: Repository<'a>,
    token: String,
    password: String,
}

impl<'a> Writer<'a> {
    async fn of(stack: &'a Stack, user: &User, generation: u64) -> Self {
        let call = stack.post(&user.path("/backups/access")).admin().json(&json!({}));
        let granted = call.send().await.json(200);
        let repository = stack.repository(user);
        let claims = RepositoryClaims {
            generation,
            ..repository.claims(Access::Append)
        };
        Self {
            token: repository.token_of(&claims),
            password: granted["password"].as_str().expect("a password").to_owned(),
            repository,
        }
    }

    /// Saves a folder of its own with restic; the name of the snapshot.
    async fn saves(&self, text: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("note.txt"), text).expect("a file");
        let path = folder.path().to_str().expect("a path");
        let told = self
            .repository
            .restic_with(&self.token, &self.password, &["backup", "--json", path])
            .await;
        let told = told.succeeded();
        let summary = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let id = summary
            .filter_map(|line| line["snapshot_id"].as_str().map(str::to_owned))
            .next_back();
        // Older releases tell the first digits alone.
        let id = id.unwrap_or_else(|| panic!("no snapshot: {told}"));
        let names = self.repository.names("snapshots").await;
        names
            .into_iter()
            .find(|name| name.starts_with(&id))
            .expect("its object")
    }

    async fn listed(&self, kind: &str) -> Value {
        let call = self
            .repository
            .bare("GET", &format!("restic/{kind}/"))
            .bearer(&self.token);
        let listed = call.header("accept", V2).send().await;
        let listed: Value = serde_json::from_slice(&listed.expect(200).body).expect("a list");
        let one = |one: &Value| json!({"id": one["name"], "size": one["size"]});
        listed.as_array().expect("a list").iter().map(one).collect()
    }

    /// Asks that a snapshot counts on top of `head`.
    async fn publishes(&self, snapshot: &str, head: &str) -> (u16, Value) {
        let (packs, indexes) = (self.listed("data").await, self.listed("index").await);
        let body = json!({
            "manifest": {
                "snapshot": snapshot, "tree": ObjectId::of(b"tree"), "parent": null, "takenAt": e2e_tests::people::now() * 1_000,
                "files": 1, "folders": 1, "others": 0, "bytes": 9, "addedBytes": 9, "databases": 0,
                "unreadable": [], "unreadableCount": 0, "packs": packs, "indexes": indexes,
            },
            "reason": "request", "head": head,
        });
        let call = self.repository.bare("POST", "publish").bearer(&self.token).json(&body);
        let reply = call.send().await;
        (reply.status, serde_json::from_slice(&reply.body).expect("an answer"))
    }
}

/// Names of the snapshots that count, the newest first, with the newest one's number.
async fn counted(stack: &Stack, user: &User) -> (Vec<String>, u64) {
    let list = stack.backups(user).await;
    let all = list["backups"].as_array().expect("a list");
    let names = all.iter().filter(|one| one["standing"] == "published");
    let names: Vec<String> = names.filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
    let newest = all.iter().find(|one| one["newest"] == true);
    (
        names,
        newest.and_then(|one| one["sequence"].as_u64()).expect("a newest one"),
    )
}

pub async fn of_two_writers_one_wins_and_the_other_is_told(stack: Arc<Stack>) {
    if !has_restic() {
        return;
    }
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "echo mine > mine.txt").await;
    let first = stack.backup(&user).await;
    let writer = Writer::of(&stack, &user, 1).await;
    let (one, other) = (writer.saves("one").await, writer.saves("other").await);
    let (a, b) = join(writer.publishes(&one, &first), writer.publishes(&other, &first)).await;
    let (winner, loser, told) = match (a.0, b.0) {
        (200, 409) => (&one, &other, b.1),
        (409, 200) => (&other, &one, a.1),
        statuses => panic!("{statuses:?}: {} {}", a.1, b.1),
    };
    assert_eq!(
        (&told["answer"], &told["head"]),
        (&json!("head_moved"), &json!(winner)),
        "{told}"
    );
    let (names, sequence) = counted(&stack, &user).await;
    assert_eq!((names, sequence), (vec![winner.clone(), first.clone()], 2));
    // The sandbox itself goes by the old head; it is told as well, and loses nothing by it.
    let sum = stack
        .sh(&user, "head -c 200000 /dev/urandom > later.bin; sha256sum < later.bin")
        .await;
    let own = stack.backup(&user).await;
    let (names, sequence) = counted(&stack, &user).await;
    assert_eq!((names, sequence), (vec![own.clone(), winner.clone(), first.clone()], 3));
    // Who goes by what was the head moves nothing backward.
    for (snapshot, head) in [(loser, winner), (loser, &first)] {
        let (status, told) = writer.publishes(snapshot, head).await;
        assert_eq!((status, &told["head"]), (409, &json!(own)), "{told}");
    }
    // Repeated, an answer that was not heard is the same.
    let (status, told) = writer.publishes(winner, &first).await;
    assert_eq!((status, &told["sequence"]), (200, &json!(2)), "{told}");
    let body = json!({"scope": "sandbox"});
    e2e_tests::changes::ended(&stack.changed(&user, "POST", "restart-async", &body).await, "succeeded");
    assert_eq!(stack.sh(&user, "sha256sum < later.bin").await, sum);
    assert_eq!(stack.sh(&user, "cat mine.txt").await, "mine\n");
}

/// What a container can still do that was left behind when the network was split.
pub async fn a_generation_that_was_replaced_adds_and_publishes_nothing(stack: Arc<Stack>) {
    if !has_restic() {
        return;
    }
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "echo mine > mine.txt").await;
    stack.backup(&user).await;
    let left = Writer::of(&stack, &user, 1).await;
    // Written while it was still the one.
    let late = left.saves("late").await;
    let body = json!({"scope": "sandbox"});
    e2e_tests::changes::ended(&stack.changed(&user, "POST", "restart-async", &body).await, "succeeded");
    let (before, sequence) = counted(&stack, &user).await;
    let head = before.first().expect("a newest one").clone();
    let (status, told) = left.publishes(&late, &head).await;
    assert_eq!(
        (status, &told["answer"], &told["generation"]),
        (409, &json!("generation_over"), &json!(2)),
        "{told}"
    );
    let store = async |token: &str, text: String| {
        let id = ObjectId::of(text.as_bytes());
        let call = left.repository.bare("POST", &format!("restic/data/{id}")).bearer(token);
        call.body(text.into_bytes()).send().await
    };
    let mut count = 0;
    let refused = until("its token stores nothing any more", FORGOTTEN_WITHIN, async || {
        count += 1;
        let reply = store(&left.token, format!("left behind {count}")).await;
        (reply.status != 200).then_some(reply)
    })
    .await;
    refused.problem(403, "generation_over");
    let objects = left.repository.names("data").await.len();
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("more.txt"), "more").expect("a file");
    let path = folder.path().to_str().expect("a path");
    let ran = left
        .repository
        .restic_with(&left.token, &left.password, &["--no-lock", "backup", path])
        .await;
    assert!(!ran.ok, "{}", ran.told);
    assert_eq!(left.repository.names("data").await.len(), objects, "nothing was added");
    // Its successor goes on.
    let next = Writer::of(&stack, &user, 2).await;
    store(&next.token, "of the successor".to_owned()).await.expect(200);
    stack.sh(&user, "echo more > more.txt").await;
    stack.backup(&user).await;
    let (after, later) = counted(&stack, &user).await;
    assert!(
        later == sequence + 1 && after.ends_with(&before),
        "{before:?} became {after:?}"
    );
}
