//! The operator's command line: what it does to the platform, what it prints where, and how it ends.

use e2e_tests::cli::molt_to;
use e2e_tests::secrets;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// Until every router knows of a key, a suspension or a switch.
const SOON: Duration = Duration::from_secs(30);

/// The entry of a list that `molt` prints as JSON.
async fn entry(stack: &Stack, arguments: &[&str], field: &str, wanted: &str) -> Option<Value> {
    let list = stack.molt(&[arguments, &["--json"]].concat()).await.json();
    let entries = list.as_array().expect("a list");
    entries.iter().find(|entry| entry[field] == wanted).cloned()
}

/// Makes a key by `molt`: its id and the whole key.
async fn create(stack: &Stack, arguments: &[&str]) -> (String, String) {
    let made = stack.molt(&[&["keys", "create"], arguments].concat()).await;
    let key = made.done().strip_suffix('\n').expect("a line");
    secrets::used("a key that molt made", key);
    let id = key.split('_').nth(1).expect("an id").to_owned();
    assert_eq!(
        (key.len(), key.starts_with("molt_"), key.contains('\n')),
        (86, true, false),
        "the key stands alone"
    );
    assert!(
        made.stderr.contains(&id) && !made.stderr.contains(key),
        "{}",
        made.stderr
    );
    (id, key.to_owned())
}

pub async fn a_key_is_made_used_listed_and_revoked(stack: Arc<Stack>) {
    let wanted = ["--name", "made by molt", "--scope", "fleet:read", "--expires-in", "1h"];
    let (id, key) = create(&stack, &wanted).await;
    assert!(stack.molt_as(&key, &["users"]).await.done().contains("Ada"));
    // As `$(cat file)` does not, but a variable from a file of variables may.
    stack.molt_as(&format!("{key}\n"), &["users"]).await.done();
    let refused = stack.molt_as(&key, &["keys", "list"]).await;
    refused.refused("403 scope_missing");
    assert!(refused.stderr.contains("keys:write"), "{refused:?}");
    let listed = entry(&stack, &["keys", "list"], "id", &id).await.expect("it is listed");
    assert_eq!(
        (&listed["name"], &listed["scopes"], &listed["enabled"]),
        (&json!("made by molt"), &json!(["fleet:read"]), &json!(true))
    );
    assert!(listed["expiresAt"].is_string(), "{listed}");
    let table = stack.molt(&["keys", "list"]).await;
    let row = table.done().lines().find(|line| line.starts_with(&id)).expect("a row");
    assert!(
        row.contains("made by molt") && !table.stdout.contains(&key[22..]),
        "{row}"
    );
    let revoked = stack.molt(&["keys", "revoke", &id, "--json"]).await.json();
    assert_eq!((&revoked["id"], &revoked["enabled"]), (&json!(id), &json!(false)));
    until("the key is refused", SOON, async || {
        let ended = stack.molt_as(&key, &["users"]).await;
        (ended.code == Some(2) && ended.stderr.contains("403 admin_key_wrong")).then_some(())
    })
    .await;
}

pub async fn a_key_is_made_as_json_too(stack: Arc<Stack>) {
    let wanted = [
        "keys",
        "create",
        "--name",
        "json",
        "--scope",
        "exec:read",
        "audit:read",
        "--json",
    ];
    let ended = stack.molt(&wanted).await;
    let made = ended.json();
    let key = made["key"].as_str().expect("a key");
    secrets::used("a key that molt made", key);
    assert_eq!(
        (&made["scopes"], &made["expiresAt"]),
        (&json!(["exec:read", "audit:read"]), &Value::Null)
    );
    assert!(!ended.stderr.contains(key), "{}", ended.stderr);
    stack.molt_as(key, &["audit", "verify"]).await.done();
}

pub async fn a_key_that_could_not_be_written_is_named_so_that_it_can_be_revoked(stack: Arc<Stack>) {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let secret = Some(stack.ready.admin_secret.as_str());
    let wanted = ["keys", "create", "--name", "lost", "--scope", "fleet:read"];
    let ended = molt_to(full.into(), &stack.ready.url, secret, &wanted).await;
    ended.refused("could not be written");
    assert!(!ended.stderr.contains("molt_"), "{ended:?}");
    let (_, id) = ended.stderr.trim().rsplit_once(' ').expect("a command to revoke it");
    assert_eq!(
        entry(&stack, &["keys", "list"], "id", id).await.expect("it was made")["name"],
        "lost"
    );
    stack.molt(&["keys", "revoke", id]).await.done();
}

/// On a stack of its own: everybody else uses the bootstrap secret.
pub async fn the_bootstrap_secret_is_switched_off_and_on() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let off = ["keys", "bootstrap", "off"];
    stack.molt(&off).await.refused("409 last_way_in");
    let (_, key) = create(&stack, &["--name", "instead", "--scope", "*"]).await;
    let switched = stack
        .molt_as(&key, &["keys", "bootstrap", "off", "--json"])
        .await
        .json();
    assert_eq!(
        (&switched["id"], &switched["enabled"]),
        (&json!("bootstrap"), &json!(false))
    );
    until("the secret is refused", SOON, async || {
        let ended = stack.molt(&["users"]).await;
        (ended.code == Some(2) && ended.stderr.contains("403 bootstrap_off")).then_some(())
    })
    .await;
    let switched = stack.molt_as(&key, &["keys", "bootstrap", "on", "--json"]).await.json();
    assert_eq!(switched["enabled"], true);
    until("the secret opens again", SOON, async || {
        (stack.molt(&["users"]).await.code == Some(0)).then_some(())
    })
    .await;
    stack.stop().await.assert_clean();
}

pub async fn users_are_suspended_and_reinstated_by_name_or_id(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let boot = || stack.get("/_molt/boot").user(&user);
    let suspend = ["users", "suspend", &user.name, "--reason", "a test of molt", "--json"];
    let standing = stack.molt(&suspend).await.json();
    assert_eq!(
        (&standing["userId"], &standing["status"], &standing["changed"]),
        (&json!(user.id), &json!("suspended"), &json!(true))
    );
    until("he is refused", SOON, async || {
        (boot().send().await.status == 403).then_some(())
    })
    .await;
    assert_eq!(
        stack.molt(&suspend).await.json()["changed"],
        false,
        "twice is as good as once"
    );
    let listed = entry(&stack, &["users"], "userId", &user.id).await;
    assert_eq!(listed.expect("he is listed")["status"], "suspended");
    let reinstate = ["users", "reinstate", &user.id, "--reason", "the test is over"];
    let table = stack.molt(&reinstate).await;
    let row = table.done().lines().nth(1).expect("a row");
    assert!(row.starts_with(&user.id) && row.contains("active"), "{row}");
    until("he is let in", SOON, async || {
        (boot().send().await.status == 200).then_some(())
    })
    .await;
}

pub async fn invitations_are_made_listed_and_taken_back(stack: Arc<Stack>) {
    let email = format!("Guest+molt-{}@Example.test", uuid::Uuid::new_v4().simple());
    let lower = email.to_lowercase();
    let listed = async || entry(&stack, &["users", "invitations"], "email", &lower).await;
    let made = stack.molt(&["users", "invite", &email, "--json"]).await.json();
    assert_eq!(
        (&made["email"], &made["invited"], &made["changed"]),
        (&json!(lower), &json!(true), &json!(true))
    );
    assert_eq!(listed().await.expect("it is listed")["invitedBy"], "bootstrap");
    let back = stack.molt(&["users", "uninvite", &email, "--json"]).await.json();
    assert_eq!(
        (&back["email"], &back["invited"], &back["changed"]),
        (&json!(lower), &json!(false), &json!(true))
    );
    assert!(listed().await.is_none());
}

pub async fn a_list_of_several_pages_is_whole(stack: Arc<Stack>) {
    // A page has a hundred; a plus sign in a cursor must not become a space.
    let tag = format!("zz+{}", uuid::Uuid::new_v4().simple());
    let rows: Vec<String> = (0..201)
        .map(|number| format!("('{tag}-{number}@example.test', '2026-01-01T00:00:00.000Z', 'bootstrap')"))
        .collect();
    let insert = "INSERT INTO invitations (email, created_at, invited_by) VALUES";
    stack.sql(&format!("{insert} {}", rows.join(", "))).await;
    let list = stack.molt(&["users", "invitations", "--json"]).await.json();
    let entries = list.as_array().expect("a list");
    let emails = entries.iter().filter_map(|entry| entry["email"].as_str());
    let ours: std::collections::BTreeSet<&str> = emails.filter(|email| email.starts_with(&tag)).collect();
    assert_eq!(ours.len(), 201);
    stack
        .sql(&format!("DELETE FROM invitations WHERE email LIKE '{tag}%'"))
        .await;
}

pub async fn a_sound_chain_ends_with_0_and_a_broken_one_with_1(stack: Arc<Stack>) {
    let verdict = stack.molt(&["audit", "verify"]).await;
    assert!(verdict.done().starts_with("control-plane: sound, "), "{verdict:?}");
    let user = stack.new_user().await;
    let chain = format!("sandbox:{}", user.name);
    let verify = ["audit", "verify", "--chain", chain.as_str(), "--json"];
    let report = until("the copy is made", SOON, async || {
        let report = stack.molt(&verify).await.json();
        (report["copied"] == report["entries"]).then_some(report)
    })
    .await;
    assert_eq!(
        (&report["chain"], &report["verified"]),
        (&json!(format!("sandbox:{}", user.id)), &json!(true))
    );
    let forged = "f".repeat(64);
    stack
        .sql(&format!(
            "UPDATE audit SET hash = '{forged}' WHERE chain = 'sandbox:{}'",
            user.id
        ))
        .await;
    let ended = stack.molt(&verify[..4]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
    assert!(
        ended.stdout.contains("BROKEN") && ended.stdout.contains("entry 1 of its copy"),
        "{ended:?}"
    );
    let ended = stack.molt(&verify).await;
    assert_eq!(ended.code, Some(1));
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(
        (&report["verified"], &report["copyAgrees"]),
        (&json!(false), &json!(false))
    );
}

pub async fn bad_input_ends_with_2_and_is_named(stack: Arc<Stack>) {
    let nobody = uuid::Uuid::new_v4().to_string();
    let long = "x".repeat(101);
    let cases: [(&[&str], &str); 17] = [
        (&["keys", "create", "--name", "", "--scope", "*"], "[field: name]"),
        (&["keys", "create", "--name", &long, "--scope", "*"], "[field: name]"),
        (
            &["keys", "create", "--name", "x", "--scope", "*", "--expires-in", "11y"],
            "[field: expiresInMs]",
        ),
        (
            &["keys", "create", "--name", "x", "--scope", "*", "--expires-in", "0s"],
            "[field: expiresInMs]",
        ),
        (
            &["keys", "create", "--name", "x", "--scope", "*", "--expires-in", "soon"],
            "--expires-in",
        ),
        (&["keys", "create", "--name", "x", "--scope", "fleet:*"], "fleet:read"),
        (&["keys", "revoke", "0000000000000000"], "404 unknown_key"),
        (&["keys", "revoke", "bootstrap"], "molt keys bootstrap off"),
        (&["users", "suspend", "Ada", "--reason", " "], "[field: reason]"),
        (
            &["users", "suspend", "Nobody at all", "--reason", "x"],
            "404 unknown_user",
        ),
        (&["users", "reinstate", &nobody, "--reason", "x"], "404 unknown_user"),
        (&["users", "suspend", "Ada"], "--reason"),
        (&["users", "invite", "no address"], "[field: email]"),
        (&["users", "uninvite", "a/../b"], "[field: email]"),
        (&["audit", "verify", "--chain", "everything"], "--chain"),
        (
            &["audit", "verify", "--chain", "exec:Nobody at all"],
            "404 unknown_user",
        ),
        (
            &[
                "audit",
                "verify",
                "--chain",
                "exec:00000000-0000-0000-0000-000000000000",
            ],
            "404 unknown_user",
        ),
    ];
    for (arguments, saying) in cases {
        stack.molt(arguments).await.refused(saying);
    }
    let bootstrap = entry(&stack, &["keys", "list"], "id", "bootstrap").await;
    assert_eq!(bootstrap.expect("it is listed")["enabled"], true);
    stack
        .get("/_molt/boot")
        .user(&stack.seeded("Ada"))
        .send()
        .await
        .expect(200);
}

pub async fn a_wrong_secret_is_refused_and_not_repeated(stack: Arc<Stack>) {
    let url = &stack.ready.url;
    let commands: [&[&str]; 4] = [
        &["keys", "list"],
        &["keys", "create", "--name", "x", "--scope", "*"],
        &["users", "suspend", "Ada", "--reason", "x"],
        &["audit", "verify"],
    ];
    let key = format!("molt_{}_{}", "0".repeat(16), "5ec2e7".repeat(11).split_at(64).0);
    for command in commands {
        for (secret, saying) in [
            ("wrong-5ec2e7-wrong-5ec2e7", "403 admin_secret_wrong"),
            (key.as_str(), "403 admin_key_wrong"),
            ("5ec2e7-first-line\n5ec2e7-second-line", "MOLT_ADMIN_SECRET"),
        ] {
            let ended = stack.molt_as(secret, command).await;
            ended.refused(saying);
            assert!(!ended.stderr.contains("5ec2e7"), "{ended:?}");
        }
        for missing in [None, Some(""), Some("\n")] {
            let ended = molt_to(Stdio::piped(), url, missing, command).await;
            ended.refused("set MOLT_ADMIN_SECRET");
        }
    }
}

pub async fn an_unreachable_server_is_named(stack: Arc<Stack>) {
    // A port that was free a moment ago and to which nobody listens.
    let port = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("its number")
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let secret = Some(stack.ready.admin_secret.as_str());
    for command in [
        ["keys", "list"].as_slice(),
        &["keys", "bootstrap", "on"],
        &["keys", "revoke", "0123456789abcdef"],
        &["users", "invite", "a@example.test"],
        &["audit", "verify"],
    ] {
        let ended = molt_to(Stdio::piped(), &url, secret, command).await;
        ended.refused(&url);
        assert!(!ended.stderr.contains(&stack.ready.admin_secret), "{ended:?}");
    }
    let ended = molt_to(Stdio::piped(), "127.0.0.1:1", secret, &["keys", "list"]).await;
    ended.refused("--url must begin with http");
}
