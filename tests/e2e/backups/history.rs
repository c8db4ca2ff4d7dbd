//! Saving, listing, going back.

use e2e_tests::changes::ended;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

async fn list(stack: &Stack, user: &User) -> Value {
    stack.get(&user.path("/backups")).admin().send().await.json(200)
}

/// Saves; the id of the snapshot.
async fn saved(stack: &Stack, user: &User) -> String {
    let job = stack.changed(user, "POST", "backups", &json!({})).await;
    ended(&job, "succeeded");
    let id = job["change"]["outcome"]["snapshot"].as_str();
    id.unwrap_or_else(|| panic!("no snapshot: {job}")).to_owned()
}

pub async fn what_is_saved_is_listed_compared_and_restored(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "echo one > kept.txt").await;
    let first = saved(&stack, &user).await;
    stack.sh(&user, "echo two > kept.txt; echo new > later.txt").await;
    let second = saved(&stack, &user).await;
    assert_ne!(first, second);
    let all = list(&stack, &user).await;
    assert_eq!(
        (&all["backups"][0]["id"], &all["backups"][0]["newest"]),
        (&json!(second), &json!(true)),
        "{all}"
    );
    assert_eq!(all["summary"]["newest"], json!(second), "{all}");
    let numbers: Vec<u64> = all["backups"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["sequence"].as_u64())
        .collect();
    assert!(numbers.is_sorted_by(|left, right| left > right), "{all}");
    // Pages tell each once.
    let page = stack.get(&user.path("/backups?limit=1")).admin().send().await.json(200);
    let cursor = page["nextCursor"].as_str().expect("a next page");
    let next = stack
        .get(&user.path(&format!("/backups?limit=1&cursor={cursor}")))
        .admin()
        .send()
        .await
        .json(200);
    assert_eq!(
        (&page["backups"][0], &next["backups"][0]),
        (&all["backups"][0], &all["backups"][1])
    );

    let restore = format!("backups/{first}/restore");
    let job = stack.changed(&user, "POST", &restore, &json!({"dryRun": true})).await;
    ended(&job, "succeeded");
    let differences = job["change"]["outcome"]["differences"].as_array().expect("differences");
    let of = |path: &str| {
        differences
            .iter()
            .find(|one| one["path"] == path)
            .map(|one| one["kind"].clone())
    };
    assert_eq!(
        (of("kept.txt"), of("later.txt")),
        (Some(json!("changed")), Some(json!("removed"))),
        "{job}"
    );
    assert_eq!(stack.sh(&user, "cat kept.txt").await.trim(), "two");

    let before = stack.generation(&user).await;
    let job = stack.changed(&user, "POST", &restore, &json!({})).await;
    ended(&job, "succeeded");
    assert!(stack.generation(&user).await > before);
    stack.awake(&user).await;
    assert_eq!(
        stack
            .sh(&user, "cat kept.txt; ls later.txt 2>/dev/null || echo gone")
            .await,
        "one\ngone\n"
    );
    let ids: Vec<Value> = list(&stack, &user).await["backups"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["id"].clone())
        .collect();
    assert!(ids.contains(&json!(second)), "the way forward stays: {ids:?}");
}

pub async fn one_path_is_put_back_beside_what_is_there(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "mkdir -p notes; echo then > notes/today.md").await;
    saved(&stack, &user).await;
    stack.sh(&user, "echo now > notes/today.md").await;
    let body = json!({"path": "notes/today.md", "to": "notes/then.md"});
    let job = stack.changed(&user, "POST", "backups/latest/restore", &body).await;
    ended(&job, "succeeded");
    assert_eq!(stack.sh(&user, "cat notes/today.md notes/then.md").await, "now\nthen\n");
}

pub async fn a_snapshot_is_taken_off_the_list_after_a_confirmation(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "echo one > a").await;
    let first = saved(&stack, &user).await;
    stack.sh(&user, "echo two > a").await;
    let second = saved(&stack, &user).await;
    let path = user.path(&format!("/backups/{first}"));
    let asked = stack
        .call("DELETE", &path)
        .admin()
        .send()
        .await
        .problem(409, "confirmation_required");
    // A token for one says nothing about another.
    let confirm = json!({"confirm": asked["confirm"]});
    let other = user.path(&format!("/backups/{second}"));
    stack
        .call("DELETE", &other)
        .admin()
        .json(&confirm)
        .send()
        .await
        .problem(409, "confirmation_required");
    stack
        .call("DELETE", &path)
        .admin()
        .json(&confirm)
        .send()
        .await
        .expect(200);
    stack.get(&path).admin().send().await.problem(404, "unknown_backup");
    let asked = stack
        .call("DELETE", &other)
        .admin()
        .send()
        .await
        .problem(409, "confirmation_required");
    let confirm = json!({"confirm": asked["confirm"]});
    stack
        .call("DELETE", &other)
        .admin()
        .json(&confirm)
        .send()
        .await
        .problem(409, "backup_needed");
    let pinned = stack.post(&format!("{other}/pin")).admin().send().await.json(200);
    assert_eq!(pinned["pinned"], true, "{pinned}");
    let job = stack.changed(&user, "POST", "backups/prune", &json!({})).await;
    ended(&job, "succeeded");
    let job = stack
        .changed(&user, "POST", "backups/latest/verify", &json!({"full": true}))
        .await;
    ended(&job, "succeeded");
    assert_eq!(job["change"]["outcome"]["verification"]["ok"], true, "{job}");
}

pub async fn old_words_are_answered_from_the_list(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let status = stack.get(&user.path("/r2-status")).admin().send().await.json(200);
    assert_eq!(
        (&status["backupFormat"], &status["hasBackup"], &status["backup"]),
        (&json!("none"), &json!(false), &Value::Null)
    );
    assert_eq!(stack.generation(&user).await, 0, "a question starts nothing");
    stack.awake(&user).await;
    stack.sh(&user, "echo one > a").await;
    for old in ["sync-async", "force-sync", "backup-safe"] {
        let accepted = stack
            .post(&user.path(&format!("/{old}")))
            .admin()
            .send()
            .await
            .json(202);
        assert_eq!(accepted["checkStatusAt"], user.path("/r2-status"), "{accepted}");
        let job = stack.job_ends(accepted["jobId"].as_str().expect("an id")).await;
        ended(&job, "succeeded");
    }
    stack.get(&user.path("/force-sync")).admin().send().await.expect(405);
    let status = stack.get(&user.path("/r2-status")).admin().send().await.json(200);
    assert_eq!(
        (&status["backupFormat"], &status["healthy"]),
        (&json!("restic"), &json!(true)),
        "{status}"
    );
    let health = stack.get(&user.path("/r2-health")).admin().send().await.json(200);
    assert_eq!(
        (&health["healthy"], &health["userId"]),
        (&json!(true), &json!(user.id)),
        "{health}"
    );
}

pub async fn restic_itself_reads_and_cannot_write(stack: Arc<Stack>) {
    if Command::new("restic").arg("version").output().is_err() {
        eprintln!("SKIPPED: there is no restic");
        return;
    }
    let user = stack.new_user().await;
    stack
        .post(&user.path("/backups/access"))
        .admin()
        .send()
        .await
        .problem(404, "no_repository");
    stack.awake(&user).await;
    stack.sh(&user, "head -c 300000 /dev/urandom > random.bin").await;
    let sum = stack.sh(&user, "sha256sum < random.bin").await;
    saved(&stack, &user).await;
    let folder = tempfile::tempdir().expect("a folder");
    let into = folder.path().join("access");
    stack
        .molt(&["backups", "access", &user.id, "--into", into.to_str().expect("a path")])
        .await
        .done();
    let restic = |arguments: &[&str]| {
        Command::new("restic")
            .args(["--no-cache", "--repository-file"])
            .arg(into.join("repository"))
            .arg("--password-file")
            .arg(into.join("password"))
            .args(arguments)
            .output()
            .expect("restic")
    };
    let checked = restic(&["check", "--no-lock", "--read-data"]);
    assert!(checked.status.success(), "{checked:?}");
    let target = folder.path().join("home");
    let restored = restic(&[
        "restore",
        "latest",
        "--no-lock",
        "--target",
        target.to_str().expect("a path"),
    ]);
    assert!(restored.status.success(), "{restored:?}");
    let found = Command::new("sh")
        .arg("-c")
        .arg(format!("sha256sum < $(find {} -name random.bin)", target.display()))
        .output()
        .expect("sha256sum");
    assert_eq!(String::from_utf8_lossy(&found.stdout), sum);
    for refused in [&["forget", "latest", "--prune"][..], &["backup", "/etc/hostname"]] {
        let refused = restic(refused);
        assert!(!refused.status.success(), "{refused:?}");
    }
}

pub async fn what_is_wrong_is_named(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for (path, body, field) in [
        ("/backups", json!({"timeoutMs": 5}), "timeoutMs"),
        ("/backups/xyz/verify", json!({}), "snapshot"),
        ("/backups/access", json!({"ttlSeconds": 59}), "ttlSeconds"),
    ] {
        stack
            .post(&user.path(path))
            .admin()
            .json(&body)
            .send()
            .await
            .names_field(field);
    }
    stack
        .post(&user.path("/backups/latest/restore"))
        .admin()
        .send()
        .await
        .problem(404, "unknown_backup");
    stack
        .get(&user.path("/backups?cursor=x"))
        .admin()
        .send()
        .await
        .names_field("cursor");
    let (_, key) = stack
        .admin_key("reads snapshots", &["backup:read", "backup:write"])
        .await;
    stack.get(&user.path("/backups")).bearer(&key).send().await.expect(200);
    follows_what_it_asked_for(&stack, &user, &key).await;
    stack
        .post(&user.path("/backups/access"))
        .bearer(&key)
        .send()
        .await
        .problem(403, "scope_missing");
    stack
        .call("DELETE", &user.path(""))
        .bearer(&key)
        .send()
        .await
        .problem(403, "scope_missing");
}

/// Whoever may save follows the job of it, and no other job.
async fn follows_what_it_asked_for(stack: &Stack, user: &User, key: &str) {
    stack.awake(user).await;
    let asked = stack.post(&user.path("/backups")).bearer(key).json(&json!({}));
    let accepted = asked.send().await.json(202);
    let id = accepted["jobId"].as_str().expect("an id");
    until("the save has ended", Duration::from_secs(60), async || {
        let job = stack
            .get(&format!("/api/super/jobs/{id}"))
            .bearer(key)
            .send()
            .await
            .json(200);
        (job["state"] == "succeeded").then_some(())
    })
    .await;
    let other = stack.begin_change(user, "POST", "wake", &json!({})).await;
    let path = format!("/api/super/jobs/{other}");
    for method in ["GET", "DELETE"] {
        let call = stack.call(method, &path).bearer(key);
        call.send().await.problem(403, "scope_missing");
    }
    let listed = until("the list has both", Duration::from_secs(30), async || {
        let all = stack
            .get(&format!("/api/super/jobs?user={}", user.id))
            .admin()
            .send()
            .await
            .json(200);
        let both = [id, &other].iter().all(|id| all.to_string().contains(*id));
        let call = stack.get(&format!("/api/super/jobs?user={}", user.id)).bearer(key);
        both.then_some(call.send().await.json(200))
    })
    .await;
    let jobs = listed["jobs"].as_array().expect("a list");
    let of = |id: &str| jobs.iter().any(|job| job["jobId"] == id);
    assert!(of(id) && !of(&other), "{listed}");
}
