//! A user's way to the platform and back.

use crate::world::{Watch, answered_by, assert_apart, cover, legacy, person, placed};
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use molt_common::snapshot::ObjectId;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const DOCUMENT: &[u8] = b"what he wrote before \x00\xff";

pub async fn a_user_moves_and_goes_back_and_never_has_two_agents(stack: Arc<Stack>) {
    let user = person(&stack);
    let document = || stack.get("/documents/letter").user(&user);
    answered_by(&stack, &user, "legacy").await;
    let put = stack.call("PUT", "/documents/letter").user(&user).body(DOCUMENT);
    put.send().await.expect(200);
    let watch = Watch::begin(&stack, &user);
    for round in 0..2 {
        cover(&stack, &[&user], false).await;
        answered_by(&stack, &user, "container-gateway").await;
        let there = legacy(&stack, &user).await.expect("it answers");
        assert_eq!(
            (&there["fence"]["owner"], &there["fence"]["agentRunning"]),
            (&json!("new"), &json!(false)),
            "{there}"
        );
        assert_eq!(stack.state(&user).await["owner"], "new");
        assert_eq!(document().send().await.status, 404, "the sandbox has no such page");

        cover(&stack, &[], true).await;
        let back = answered_by(&stack, &user, "legacy").await.json(200);
        assert!(back["agent"]["runningSince"].is_u64(), "{back}");
        assert_eq!(document().send().await.body, DOCUMENT, "round {round}");
        stack.engine.none(&user).await;
        assert_eq!(stack.state(&user).await["owner"], "legacy");
    }
    assert!(watch.end().await > 20, "it hardly looked");
    assert_apart(&stack, &user).await;
    let epoch = legacy(&stack, &user).await.expect("it answers")["fence"]["epoch"].clone();
    assert_eq!(epoch, 4, "two moves there and two back");
    let known = until("lists know", Duration::from_secs(15), async || {
        placed(&stack, &user)
            .await
            .filter(|placed| placed["owner"] == "legacy" && placed["moving"] == false)
    });
    assert_eq!(known.await["epoch"], 4);
}

pub async fn what_he_made_goes_with_him(stack: Arc<Stack>) {
    let user = person(&stack);
    answered_by(&stack, &user, "legacy").await;
    cover(&stack, &[&user], false).await;
    answered_by(&stack, &user, "container-gateway").await;
    let made = "mkdir -p ~/work && cd ~/work && head -c 20000000 /dev/urandom > bytes && ln -sf ~/work/bytes link && chmod 640 bytes && sha256sum < bytes";
    let sum = stack.sh(&user, made).await;
    let archive = format!("users/{}/backup.tar.gz", user.id);
    stack.put_object(&archive, b"what was there before").await;

    cover(&stack, &[], false).await;
    answered_by(&stack, &user, "legacy").await;
    stack.engine.none(&user).await;
    let unpacked = tempfile::tempdir().expect("a folder");
    let packed = unpacked.path().join("backup.tar.gz");
    fs::write(&packed, stack.object(&archive).await).expect("a file");
    let tar = Command::new("tar")
        .args(["-xzf"])
        .arg(&packed)
        .current_dir(unpacked.path())
        .output()
        .expect("GNU tar");
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    let work = unpacked.path().join("root/work");
    let bytes = fs::read(work.join("bytes")).expect("his file");
    assert_eq!(format!("{}  -\n", ObjectId::of(&bytes)), sum);
    assert_eq!(
        fs::read_link(work.join("link")).expect("his link").to_str(),
        Some("/root/work/bytes")
    );
    assert_eq!(
        fs::metadata(work.join("bytes")).expect("his file").permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(
        stack.object(&format!("users/{}/backup-archive.tar.gz", user.id)).await,
        b"what was there before"
    );
    let noted = String::from_utf8(stack.object(&format!("users/{}/.last-sync", user.id)).await).expect("text");
    assert!(noted.starts_with("tar-") && noted.contains('|'), "{noted}");

    // Nothing was saved there meanwhile: he finds what he left here.
    cover(&stack, &[&user], false).await;
    answered_by(&stack, &user, "container-gateway").await;
    assert_eq!(stack.sh(&user, "sha256sum < ~/work/bytes").await, sum);
    assert_eq!(imported(&stack, &user).await["state"], "saved");

    // He works there, and what he makes there comes with him.
    cover(&stack, &[], false).await;
    answered_by(&stack, &user, "legacy").await;
    fs::write(work.join("from there"), "made there").expect("a file");
    let packed = Command::new("tar")
        .args(["-czf", "-", "root"])
        .current_dir(unpacked.path())
        .output()
        .expect("GNU tar");
    stack.put_object(&archive, &packed.stdout).await;
    cover(&stack, &[&user], false).await;
    answered_by(&stack, &user, "container-gateway").await;
    assert_eq!(
        stack
            .sh(&user, "cat ~/work/'from there'; sha256sum < ~/work/bytes")
            .await,
        format!("made there{sum}")
    );
    assert_eq!(imported(&stack, &user).await["state"], "imported");
}

async fn imported(stack: &Stack, user: &User) -> Value {
    stack.get(&user.path("/backups/import")).admin().send().await.json(200)
}

/// Waits until he is told to be staying. Whatever his requests are answered meanwhile: his sandbox may be on its way down or up.
async fn refused(stack: &Stack, user: &User) -> Value {
    until("he is refused", Duration::from_secs(60), async || {
        drop(stack.get("/echo").user(user).attempt().await);
        placed(stack, user).await.filter(|placed| !placed["refused"].is_null())
    })
    .await
}

pub async fn what_cannot_be_written_stays(stack: Arc<Stack>) {
    let user = person(&stack);
    answered_by(&stack, &user, "legacy").await;
    cover(&stack, &[&user], false).await;
    answered_by(&stack, &user, "container-gateway").await;
    stack.sh(&user, "echo mine > ~/mine").await;
    stack.backup(&user).await;
    let packs = stack.repository(&user).names("data").await;
    let files: Vec<_> = packs
        .iter()
        .map(|name| stack.repository(&user).file(&ObjectId::parse(name).expect("a name")))
        .collect();
    let whole: Vec<_> = files.iter().map(|file| fs::read(file).expect("a pack")).collect();
    for (file, bytes) in files.iter().zip(&whole) {
        fs::write(file, vec![0; bytes.len()]).expect("a pack");
    }

    cover(&stack, &[], false).await;
    // Until every router has seen it, he is not even asked to go.
    let refused = refused(&stack, &user).await;
    assert!(
        refused["refused"]
            .as_str()
            .is_some_and(|why| why.contains("could not be written")),
        "{refused}"
    );
    assert_eq!(
        (&refused["owner"], &refused["moving"]),
        (&json!("new"), &json!(false)),
        "{refused}"
    );
    for (file, bytes) in files.iter().zip(&whole) {
        fs::write(file, bytes).expect("a pack");
    }
    for _ in 0..5 {
        assert_eq!(
            answered_by(&stack, &user, "container-gateway").await.backend(),
            "container-gateway"
        );
    }
    assert_eq!(stack.sh(&user, "cat ~/mine").await, "mine\n");
    let counts = stack.get("/api/super/migration").admin().send().await.json(200)["counts"].clone();
    assert!(counts["refused"].as_u64() >= Some(1), "{counts}");
    assert!(counts["staying"].as_u64() >= Some(1), "{counts}");

    cover(&stack, &[], true).await;
    answered_by(&stack, &user, "legacy").await;
    stack.engine.none(&user).await;
    let bad = stack.get("/api/super/migration?owner=nobody").admin().send().await;
    assert_eq!(bad.problem(400, "invalid_request")["field"], "owner");
}

pub async fn who_cannot_be_saved_stays(stack: Arc<Stack>) {
    let user = person(&stack);
    answered_by(&stack, &user, "legacy").await;
    cover(&stack, &[&user], false).await;
    answered_by(&stack, &user, "container-gateway").await;
    stack
        .sh(
            &user,
            "mkdir ~/w && cd ~/w && for n in $(seq 400); do echo $n > $n; done",
        )
        .await;
    stack.backup(&user).await;
    // So much less that the save before the stop waits for somebody's decision.
    stack.sh(&user, "rm -r ~/w").await;

    cover(&stack, &[], false).await;
    let refused = refused(&stack, &user).await;
    let why = refused["refused"].as_str().unwrap_or_default();
    assert!(why.contains("could not be saved"), "{refused}");
    assert_eq!(
        (&refused["owner"], &refused["moving"]),
        (&json!("new"), &json!(false)),
        "{refused}"
    );
    answered_by(&stack, &user, "container-gateway").await;
    // One save was tried, not one after the other.
    let state = stack.state(&user).await;
    assert_eq!(state["disk"]["quarantined"], 1, "{state}");
    cover(&stack, &[], true).await;
    answered_by(&stack, &user, "legacy").await;
}

pub async fn an_admin_call_starts_nothing_for_a_user_who_is_elsewhere(stack: Arc<Stack>) {
    let user = person(&stack);
    cover(&stack, &[&user], false).await;
    answered_by(&stack, &user, "container-gateway").await;
    cover(&stack, &[], true).await;
    answered_by(&stack, &user, "legacy").await;
    let generation = stack.generation(&user).await;
    let exec = stack
        .post(&user.path("/exec"))
        .admin()
        .json(&json!({"command": "true"}))
        .send()
        .await;
    exec.problem(409, "owned_by_legacy");
    // As a part of a job about many users it is refused for him alone.
    let bulk = stack
        .bulk(std::slice::from_ref(&user), json!({"command": "true"}))
        .await;
    assert_eq!(stack.job_ends(&bulk).await["state"], "failed");
    let part = stack.children(&bulk, 1).await.remove(0);
    assert_eq!(
        (&part["state"], &part["exitCode"], &part["execId"]),
        (&json!("rejected"), &Value::Null, &Value::Null),
        "{part}"
    );
    assert!(
        part["error"]
            .as_str()
            .is_some_and(|why| why.contains("what ran before")),
        "{part}"
    );
    let state = stack.state(&user).await;
    assert_eq!(
        (&state["generation"], &state["lifecycle"]),
        (&json!(generation), &json!("stopped")),
        "{state}"
    );
    stack.engine.none(&user).await;
    // Nor does reading how far the boot is.
    stack.get("/_molt/boot").user(&user).send().await.expect(404);
}

pub async fn a_client_does_not_reach_the_fence(stack: Arc<Stack>) {
    let user = person(&stack);
    answered_by(&stack, &user, "legacy").await;
    let token = &stack.secrets.legacy_fence;
    for path in [
        "/_molt/ownership/",
        "/_molt/ownership",
        "/_molt/%6fwnership/",
        "/_molt//ownership/",
    ] {
        let path = format!("{path}{}", user.id);
        let body = r#"{"owner": "new", "epoch": 99}"#;
        let reply = stack.call("PUT", &path).bearer(token).body(body).send().await;
        assert!(matches!(reply.status, 400 | 401 | 404), "{path}: {}", reply.status);
    }
    let fence = legacy(&stack, &user).await.expect("it answers")["fence"].clone();
    assert_eq!(
        (&fence["owner"], &fence["epoch"]),
        (&json!("legacy"), &json!(0)),
        "{fence}"
    );
}
