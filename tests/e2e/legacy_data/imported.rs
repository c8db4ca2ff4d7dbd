//! What was kept becomes the first snapshot.

use crate::archives::{OldHome, archive, destroyed, previous, runs, told};
use e2e_tests::call::Call;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn an_archive_becomes_the_first_snapshot_and_is_never_laid_again(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    assert_eq!(told(&stack, &user).await["state"], "nothing");
    let home = OldHome::new("before");
    home.furnish();
    let packed = home.packed();
    stack.put_object(&archive(&user), &packed).await;
    let secrets = json!({"ANTHROPIC_API_KEY": "sk-ant-not-to-be-seen"}).to_string();
    stack
        .put_object(&format!("users/{}/secrets.json", user.id), secrets.as_bytes())
        .await;
    let view = told(&stack, &user).await;
    assert_eq!(
        (&view["state"], &view["takes"]),
        (&json!("due"), &json!([archive(&user)])),
        "{view}"
    );
    assert_eq!(view["secretNames"], json!(["ANTHROPIC_API_KEY"]), "{view}");
    assert!(!view.to_string().contains("not-to-be-seen"), "{view}");

    stack.awake(&user).await;
    let there = stack
        .sh(
            &user,
            "cd && cat openclaw/letter 'same letter' 'to letter' && readlink 'to letter' && cat openclaw/.git/odd* openclaw/build.log openclaw/nnn* \
             && stat -c '%a %U' openclaw/script secret.key openclaw && ls -A . .openclaw && sha256sum .openclaw/memory.sqlite",
        )
        .await;
    let own = stack.sh(&user, "echo $HOME $(id -un)").await;
    let (place, owner) = own.trim().split_once(' ').expect("two words");
    assert!(
        there.starts_with(&format!("beforebeforebefore{place}/openclaw/letter\nodd")),
        "{there}"
    );
    assert!(
        there.contains("oddkeptlong755 ") && there.contains(&format!("600 {owner}\n")),
        "{there}"
    );
    for absent in ["out", ".restore-time", "gateway.lock", "secrets.json", "root"] {
        assert!(there.lines().all(|line| line != absent), "{absent}: {there}");
    }
    let config: Value = serde_json::from_str(&stack.sh(&user, "cat ~/.openclaw/openclaw.json").await).expect("JSON");
    assert_eq!(
        config["agents"]["defaults"]["workspace"],
        format!("{place}/openclaw"),
        "{config}"
    );

    let backups = stack.backups(&user).await;
    let first = backups["backups"]
        .as_array()
        .and_then(|list| list.last())
        .expect("a snapshot")
        .clone();
    assert_eq!(
        (&first["sequence"], &first["reason"], &first["generation"]),
        (&json!(1), &json!("import"), &json!(1)),
        "{backups}"
    );
    let view = told(&stack, &user).await;
    assert_eq!(
        (&view["state"], &view["snapshot"]),
        (&json!("imported"), &first["id"]),
        "{view}"
    );
    let report = &view["report"];
    assert_eq!(
        (&report["source"], &report["databases"], &report["leftOut"]),
        (&json!(archive(&user)), &json!(1), &json!(2)),
        "{report}"
    );
    assert_eq!(
        report["refused"],
        json!(["root/out: it is a link out of the home, to /etc/passwd"]),
        "{report}"
    );
    assert_eq!(report["rewritten"], json!([".openclaw/openclaw.json"]), "{report}");
    let noted = stack
        .sql(&format!(
            "SELECT 1 FROM audit WHERE chain = 'sandbox:{}' AND action = 'sandbox.legacy_imported'",
            user.id
        ))
        .await;
    assert_eq!(noted.len(), 1, "once");

    // Whatever the old side writes from now on, what was made here stays.
    stack.sh(&user, "echo after > ~/openclaw/letter; rm ~/secret.key").await;
    stack
        .put_object(&archive(&user), &OldHome::new("older, and stored later").packed())
        .await;
    destroyed(&stack, &user).await;
    runs(&stack, &user).await;
    assert_eq!(
        stack
            .sh(&user, "cd && cat openclaw/letter; ls secret.key 2>/dev/null | wc -l")
            .await,
        "after\n0\n"
    );
    assert_eq!(told(&stack, &user).await["report"], *report);
    let late = stack
        .post(&user.path("/backups/import"))
        .admin()
        .json(&json!({"source": archive(&user)}))
        .send()
        .await;
    late.problem(409, "import_settled");
}

pub async fn a_cut_archive_gives_way_to_the_one_before_it(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let (home, mut cut) = (OldHome::new("whole"), OldHome::new("cut").packed());
    stack.put_object(&previous(&user), &home.packed()).await;
    cut.truncate(cut.len() - 20);
    stack.put_object(&archive(&user), &cut).await;
    stack.awake(&user).await;
    assert_eq!(stack.sh(&user, "cat ~/openclaw/letter").await, "whole");
    let report = told(&stack, &user).await["report"].clone();
    assert_eq!(report["source"], previous(&user), "{report}");
    let passed = report["passedOver"][0].as_str().unwrap_or_default();
    assert!(passed.starts_with(&archive(&user)), "{report}");
}

pub async fn single_files_are_taken_where_there_is_no_archive(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let prefix = format!("users/{}/", user.id);
    for (key, text) in [
        ("root/.openclaw/identity/device.json", "newest"),
        ("openclaw/identity/device.json", "older"),
        (
            "openclaw/openclaw.json",
            r#"{"agents": {"defaults": {"workspace": "/root/openclaw"}}}"#,
        ),
        ("clawdbot/clawdbot.json", "oldest, and no JSON"),
        ("clawdbot/devices/paired.json", "{}"),
        ("notes/today.md", "by the files API"),
        ("secrets.json", r#"{"TELEGRAM_BOT_TOKEN": "1"}"#),
        (".registered", "{}"),
    ] {
        stack.put_object(&format!("{prefix}{key}"), text.as_bytes()).await;
    }
    let view = told(&stack, &user).await;
    assert_eq!(
        (&view["state"], &view["takes"], &view["files"]),
        (&json!("due"), &json!(["files"]), &json!(6)),
        "{view}"
    );
    stack.awake(&user).await;
    let there = stack
        .sh(&user, "cd && cat .openclaw/identity/device.json notes/today.md .openclaw/devices/paired.json; grep -c $HOME/openclaw .openclaw/openclaw.json; ls -A | grep -c -e secrets -e registered -e clawdbot || true")
        .await;
    assert_eq!(there, "newestby the files API{}1\n0\n");
    let view = told(&stack, &user).await;
    assert_eq!(
        (&view["state"], &view["report"]["files"]),
        (&json!("imported"), &json!(4)),
        "{view}"
    );
}

pub async fn a_token_reads_what_was_kept_of_its_own_user_alone(stack: Arc<Stack>) {
    let (user, other) = (stack.new_user().await, stack.new_user().await);
    stack.put_object(&archive(&user), &OldHome::new("mine").packed()).await;
    stack
        .put_object(&archive(&other), &OldHome::new("theirs").packed())
        .await;
    stack
        .put_object(&format!("users/{}/secrets.json", user.id), b"{\"K\": \"v\"}")
        .await;
    stack.awake(&user).await;
    let access: Value = stack
        .post(&user.path("/backups/access"))
        .admin()
        .json(&json!({}))
        .send()
        .await
        .json(200);
    let (path, token) = (
        access["path"].as_str().expect("a path"),
        access["token"].as_str().expect("a token"),
    );
    let base = path.split("restic/").next().expect("a base");
    let get = |rest: String| stack.get(&format!("{base}import/{rest}")).bearer(token);
    let listed: Value = get(format!("{}/objects", user.id)).send().await.json(200);
    let keys: Vec<&str> = listed["objects"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|found| found["name"].as_str())
        .collect();
    assert_eq!(keys, [archive(&user)], "neither secrets nor notes: {listed}");
    let etag = listed["objects"][0]["etag"].as_str().expect("an etag");
    let object = |key: &str, etag: &str, length: u64| {
        get(format!(
            "{}/object?key={key}&etag={etag}&offset=0&length={length}",
            user.id
        ))
    };
    assert_eq!(
        &object(&archive(&user), etag, 2).send().await.expect(200).body[..],
        [0x1f, 0x8b]
    );
    object(&archive(&user), "other", 2)
        .send()
        .await
        .problem(412, "replaced");
    for key in [
        archive(&other),
        format!("users/{}/secrets.json", user.id),
        "snapshots/x".into(),
    ] {
        let refused = object(&key, etag, 2).send().await.problem(400, "invalid_request");
        assert_eq!(refused["field"], "key", "{key}");
    }
    assert_eq!(
        object(&archive(&user), etag, 1 << 40)
            .send()
            .await
            .problem(400, "invalid_request")["field"],
        "length"
    );
    get(format!("{}/objects", other.id))
        .send()
        .await
        .problem(400, "invalid_request");
    let none = stack.get(&format!("{base}import/{}/objects", user.id)).send().await;
    none.problem(401, "authentication_required");
    let write: Call = stack
        .call("PUT", &format!("{base}import/{}/object", user.id))
        .bearer(token);
    write.send().await.problem(405, "method_not_allowed");
}
