//! Archives that are not what they say, targets that are not empty, and restores that break off.

use e2e_tests::people::User;
use e2e_tests::recovery::{empty_stack, successor};
use e2e_tests::reply::Reply;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use molt_common::recovery::manifest::{Manifest, sha256};
use molt_common::recovery::{DIGEST, MANIFEST};
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Members of an archive.
fn members(file: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(fs::File::open(file).expect("the archive"));
    let entries = archive.entries().expect("entries").map(|entry| {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").to_string_lossy().into_owned();
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).expect("its bytes");
        (name, bytes)
    });
    entries.collect()
}

fn write(file: &Path, members: &[(String, Vec<u8>)]) {
    let mut archive = tar::Builder::new(fs::File::create(file).expect("a file"));
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        archive
            .append_data(&mut header, name, bytes.as_slice())
            .expect("a member");
    }
    archive.finish().expect("the end");
}

/// The same archive with other lines, and a manifest that agrees with them.
fn forged(from: &[(String, Vec<u8>)], change: impl Fn(&str) -> String) -> Vec<(String, Vec<u8>)> {
    let mut members = from.to_vec();
    let last = members
        .iter()
        .position(|(name, _)| name == MANIFEST)
        .expect("a manifest");
    let mut manifest: Manifest = serde_json::from_slice(&members[last].1).expect("a manifest");
    for ((name, bytes), told) in members[1..last].iter_mut().zip(&mut manifest.members) {
        *bytes = change(std::str::from_utf8(bytes).expect("text")).into_bytes();
        *told = molt_common::recovery::manifest::Member::of(name, bytes);
    }
    members[last].1 = serde_json::to_vec(&manifest).expect("JSON");
    let digest = Manifest::digest_line(&members[last].1);
    let at = members.iter().position(|(name, _)| name == DIGEST).expect("a digest");
    members[at].1 = digest.into_bytes();
    members
}

async fn begin(stack: &Stack, archive: &str, members: u64, dry_run: bool) -> Reply {
    let body =
        json!({"archive": archive, "exportedAt": "2026-01-01T00:00:00.000Z", "members": members, "dryRun": dry_run});
    stack
        .post("/api/super/recovery/restore")
        .admin()
        .json(&body)
        .send()
        .await
}

async fn member(stack: &Stack, archive: &str, number: u64, text: &str) -> Reply {
    let path = format!("/api/super/recovery/restore/members/{number}?archive={archive}");
    stack.post(&path).admin().body(text.to_owned()).send().await
}

fn user_row(user: &User) -> Value {
    json!({"place": "database", "table": "users", "row": {"id": user.id, "name": user.name, "email": null, "status": "active", "tier": 1,
        "workspace_id": "default", "created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z"}})
}

pub async fn a_bad_archive_is_refused_and_named() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let user = stack.new_user().await;
    let (file, told) = stack.export_control_plane(state.path()).await;
    assert_eq!(told["users"], 3, "{told}");
    let whole = members(&file);
    let bad = state.path().join("bad.tar");
    let verify = async |saying: &str| {
        let told = stack.molt(&["recovery", "verify", &bad.to_string_lossy()]).await;
        told.refused(saying);
        // Nothing is sent of an archive that is not whole.
        stack.restore_control_plane(&bad).await.refused(saying);
    };
    let bytes = fs::read(&file).expect("the archive");
    fs::write(&bad, &bytes[..bytes.len() / 2]).expect("a file");
    verify("bad.tar").await;
    let mut flipped = whole.clone();
    let at = flipped[1].1.len() / 2;
    flipped[1].1[at] ^= 1;
    write(&bad, &flipped);
    verify(&whole[1].0).await;
    write(
        &bad,
        &forged(&whole, |text| {
            text.replacen("\"workspace_id\":\"default\"", "\"workspace_id\":7", 1)
        }),
    );
    verify("000001.jsonl, line 1: column workspace_id does not hold what it must").await;
    let stranger = uuid::Uuid::new_v4().to_string();
    write(
        &bad,
        &forged(&whole, |text| {
            text.replace(
                &format!("\"place\":\"sandbox\",\"user\":\"{}\"", user.id),
                &format!("\"place\":\"sandbox\",\"user\":\"{stranger}\""),
            )
        }),
    );
    verify("whose own row does not stand before").await;
    // The platform itself is not empty, and says what of it is not.
    let told = stack.restore_control_plane(&file).await;
    told.refused("recovery_target_not_empty");
    assert!(
        told.stderr.contains("database.users (3)") && told.stderr.contains("control-plane.audit"),
        "{told:?}"
    );
    stack.stop().await.assert_clean();
}

pub async fn a_restore_that_broke_off_goes_on() {
    let state = state_dir().expect("a folder");
    let first = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let user = first.new_user().await;
    let (file, _) = first.export_control_plane(state.path()).await;
    first.stop().await.assert_clean();
    let next = successor(&first.ready.state_dir);
    let stack = empty_stack(&next).await;
    let whole = members(&file);
    let manifest = whole.iter().find(|(name, _)| name == MANIFEST).expect("a manifest");
    let archive = sha256(&manifest.1);
    let text = String::from_utf8(whole[1].1.clone()).expect("text");

    for (body, field) in [
        (
            json!({"archive": "x", "exportedAt": "2026-01-01T00:00:00Z", "members": 1}),
            "archive",
        ),
        (
            json!({"archive": archive, "exportedAt": "yesterday", "members": 1}),
            "exportedAt",
        ),
        (
            json!({"archive": archive, "exportedAt": "2026-01-01T00:00:00Z", "members": 0}),
            "members",
        ),
        (
            json!({"archive": archive, "exportedAt": "2026-01-01T00:00:00Z", "members": 1, "x": 1}),
            "x",
        ),
    ] {
        stack
            .post("/api/super/recovery/restore")
            .admin()
            .json(&body)
            .send()
            .await
            .names_field(field);
    }
    let (_, key) = ((), "molt_0123456789abcdef_0123456789abcdef0123456789abcdef");
    stack
        .post("/api/super/recovery/restore")
        .bearer(key)
        .json(&json!({}))
        .send()
        .await
        .expect(403);
    member(&stack, &archive, 1, &text)
        .await
        .problem(409, "recovery_not_begun");
    let begun = begin(&stack, &archive, 2, true).await.json(200);
    assert_eq!(begun["state"], "possible", "{begun}");
    begin(&stack, &archive, 2, false).await.expect(200);
    member(&stack, &archive, 2, &text)
        .await
        .problem(409, "recovery_out_of_order");
    let other = "0".repeat(64);
    begin(&stack, &other, 1, false)
        .await
        .problem(409, "recovery_other_archive");
    member(&stack, &other, 1, &text)
        .await
        .problem(409, "recovery_other_archive");
    let stranger = json!({"place": "exec", "user": uuid::Uuid::new_v4(), "end": 0});
    for (bad, said) in [
        (format!("{}\n{{\n", user_row(&user)), "line 2: is no line of an archive"),
        (format!("{}\n{stranger}\n", user_row(&user)), "line 2: is of user"),
        (
            format!("{}\n{}\n", user_row(&user), "x".repeat(700_001)),
            "line 2: is longer than",
        ),
    ] {
        let problem = member(&stack, &archive, 1, &bad).await.problem(400, "invalid_request");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains(said)),
            "{problem}"
        );
    }
    assert!(
        stack.sql("SELECT id FROM users").await.is_empty(),
        "nothing of a bad member is kept"
    );
    member(&stack, &archive, 1, &"x".repeat(800_001))
        .await
        .problem(413, "too_large");

    // The first call of a restore, and then nothing: whoever has a row is shut out meanwhile.
    let half: String = text
        .lines()
        .filter(|line| line.contains("\"database\""))
        .map(|line| format!("{line}\n"))
        .collect();
    let kept = member(&stack, &archive, 1, &half).await.json(200);
    assert_eq!(
        (&kept["restored"], &kept["rows"]["database.users"]),
        (&json!(1), &json!(3)),
        "{kept}"
    );
    let again = member(&stack, &archive, 1, &half).await.json(200);
    assert_eq!((&again["restored"], &again["rows"]), (&json!(1), &json!({})), "{again}");
    stack
        .get("/echo")
        .user(&user)
        .send()
        .await
        .problem(403, "user_suspended");
    // Nothing is noted beside what is still to come: it would not fit any more.
    let invited = json!({"email": "late@example.test"});
    for (method, path, body) in [
        ("POST", "/api/super/invitations".to_owned(), &invited),
        ("PATCH", user.path(""), &json!({"name": "Late"})),
        ("PUT", user.path("/keep-alive"), &json!({"enabled": true})),
        ("POST", user.path("/exec"), &json!({"command": "true"})),
    ] {
        let refused = stack.call(method, &path).admin().json(body).send().await;
        refused.problem(409, "recovery_under_way");
    }
    for noted in ["/api/super/recovery/export".to_owned(), user.path("/files/a.txt")] {
        let refused = stack.get(&noted).admin().send().await;
        refused.problem(409, "recovery_under_way");
    }
    stack.get(&user.path("")).admin().send().await.expect(200);
    let early = json!({"archive": archive});
    let early = stack
        .post("/api/super/recovery/restore/finish")
        .admin()
        .json(&early)
        .send()
        .await;
    early.problem(409, "recovery_out_of_order");
    let status = stack.molt(&["recovery", "status"]).await;
    assert!(status.done().contains("under way: 1 of 2 members"), "{status:?}");
    // What is left comes with the second, and all is there.
    let rest: String = text
        .lines()
        .filter(|line| !line.contains("\"database\""))
        .map(|line| format!("{line}\n"))
        .collect();
    let rest = member(&stack, &archive, 2, &rest).await.json(200);
    assert_eq!(rest["restored"], 2, "{rest}");
    let body = json!({"archive": archive});
    let finished = stack
        .post("/api/super/recovery/restore/finish")
        .admin()
        .json(&body)
        .send()
        .await
        .json(200);
    assert_eq!(finished["state"], "finished", "{finished}");
    let again = stack
        .post("/api/super/recovery/restore/finish")
        .admin()
        .json(&body)
        .send()
        .await
        .json(200);
    assert_eq!(again, finished);
    let late = stack.post("/api/super/invitations").admin().json(&invited).send().await;
    late.expect(201);
    stack.chain_is_sound("control-plane").await;
    stack.chain_is_sound(&format!("sandbox:{}", user.id)).await;
    stack.stop().await.assert_clean();
}

pub async fn other_root_keys_are_named_and_shut_everybody_out() {
    let state = state_dir().expect("a folder");
    let first = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let user = first.seeded("Ada");
    first.awake(&user).await;
    let (file, _) = first.export_control_plane(state.path()).await;
    first.stop().await.assert_clean();
    let next = successor(&first.ready.state_dir);
    let secrets = next.path().join("s/secrets.json");
    let mut told: Value = serde_json::from_slice(&fs::read(&secrets).expect("secrets")).expect("JSON");
    told["MOLT_REPOSITORY_KEYS"] = json!({"current": "k1", "keys": {"k1": "A".repeat(43)}});
    fs::write(&secrets, told.to_string()).expect("secrets");
    let stack = empty_stack(&next).await;
    let refused = stack.restore_control_plane(&file).await;
    refused.refused("recovery_refused");
    assert!(
        refused.stderr.contains("MOLT_REPOSITORY_KEYS") && refused.stderr.contains(&format!("sandbox of {}", user.id)),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("0 of 1 members are restored"), "{refused:?}");
    // Whoever looks what became of her notes nothing in her object, so that the same command goes on once the keys are put right.
    let seen = stack.get(&user.path("/files/a.txt")).admin().send().await;
    seen.problem(409, "recovery_under_way");
    let rows = stack.sql("SELECT status FROM users").await;
    assert!(
        rows.len() == 2 && rows.iter().all(|row| row["status"] == "suspended"),
        "{rows:?}"
    );
    // The stack asked as her when it came up, and what an isolate was told of her then counts for ten seconds.
    until("she is refused", Duration::from_secs(30), async || {
        let reply = stack.get("/_molt/boot").user(&user).send().await;
        (reply.status == 403).then_some(())
    })
    .await;
    stack.stop().await.assert_clean();
}
