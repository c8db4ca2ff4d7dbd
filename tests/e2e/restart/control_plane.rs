//! What only a stack of its own can show: the bootstrap secret switched off, and a trail that somebody has tampered with.

use e2e_tests::launch::root;
use e2e_tests::stack::{Stack, StateDir, state_dir};
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const KEYS: &str = "/api/super/keys";
const BOOTSTRAP: &str = "/api/super/keys/bootstrap";
/// Routers learn of a change within this.
const SOON: Duration = Duration::from_secs(30);

async fn start(state: &StateDir) -> Stack {
    Stack::start(&[], state).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn report(stack: &Stack, key: &str) -> Value {
    let call = stack.get("/api/super/audit/verify").header("x-admin-secret", key);
    call.send().await.json(200)
}

/// Waits until D1 has what the chain has.
async fn settled(stack: &Stack, key: &str) -> Value {
    until("the copy has every entry", SOON, async || {
        let report = report(stack, key).await;
        (report["copied"] == report["entries"]).then_some(report)
    })
    .await
}

async fn make(stack: &Stack, maker: &str, body: Value) -> (String, String) {
    let made = stack.post(KEYS).header("x-admin-secret", maker).json(&body);
    let made = made.send().await.json(201);
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    (text("id"), text("key"))
}

pub async fn the_bootstrap_secret_goes_and_comes_but_never_the_last_way_in() {
    let state = state_dir().expect("a folder");
    let stack = start(&state).await;
    let bootstrap = stack.ready.admin_secret.clone();
    // A key that makes keys is no way back to everything.
    make(
        &stack,
        &bootstrap,
        json!({"name": "makes keys", "scopes": ["keys:write"]}),
    )
    .await;
    let before = settled(&stack, &bootstrap).await;
    let refused = stack.call("DELETE", BOOTSTRAP).admin().send().await;
    refused.problem(409, "last_way_in");
    assert_eq!(
        report(&stack, &bootstrap).await["entries"],
        before["entries"],
        "refused and undone leave no entry"
    );

    let (id, key) = make(&stack, &bootstrap, json!({"name": "does everything", "scopes": ["*"]})).await;
    let with_key = |method: &str, path: &str| stack.call(method, path).header("x-admin-secret", &key);
    let off = with_key("DELETE", BOOTSTRAP).send().await.json(200);
    assert_eq!(off["enabled"], false, "{off}");
    until("the bootstrap secret is refused", SOON, async || {
        (stack.get(KEYS).admin().send().await.status == 403).then_some(())
    })
    .await;

    let before = settled(&stack, &key).await;
    let path = format!("{KEYS}/{id}");
    with_key("DELETE", &path).send().await.problem(409, "last_way_in");
    let kept = with_key("GET", &path).send().await.json(200);
    assert_eq!(
        (&kept["enabled"], &kept["revokedAt"]),
        (&json!(true), &Value::Null),
        "what was refused is undone"
    );
    let after = report(&stack, &key).await;
    assert_eq!(
        (&after["entries"], &after["head"]),
        (&before["entries"], &before["head"]),
        "its entry too: {after}"
    );

    let on = with_key("POST", BOOTSTRAP).send().await.json(200);
    assert_eq!(on["enabled"], true, "{on}");
    until("the bootstrap secret opens again", SOON, async || {
        (stack.get(KEYS).admin().send().await.status == 200).then_some(())
    })
    .await;
    stack.call("DELETE", &path).admin().send().await.expect(200);

    // Off, with a key that expires: nobody is locked out for good.
    let (_, short) = make(
        &stack,
        &bootstrap,
        json!({"name": "short", "scopes": ["*"], "expiresInMs": 10_000}),
    )
    .await;
    let off = stack.call("DELETE", BOOTSTRAP).header("x-admin-secret", &short);
    off.send().await.expect(200);
    until("it comes back when the key has expired", SOON, async || {
        let reply = stack.get(BOOTSTRAP_ENTRY).admin().send().await;
        (reply.status == 200 && reply.json(200)["keys"][0]["enabled"] == true).then_some(())
    })
    .await;
    let trail = stack
        .sql("SELECT actor, action FROM audit WHERE chain = 'control-plane' AND actor = 'system'")
        .await;
    assert_eq!(trail, [json!({"actor": "system", "action": "bootstrap.switched_on"})]);
    stack.stop().await.assert_clean();
}

const BOOTSTRAP_ENTRY: &str = "/api/super/keys?limit=1";

/// Runs SQL on the files of a stopped stack's object or database, as somebody with access to the disk would.
fn tamper(files: &[PathBuf], sql: &str) {
    let script = r#". scripts/lib/env.sh; exec "$MOLT_NODE" --no-warnings -e 'const {DatabaseSync} = require("node:sqlite");
        const [sql, ...files] = process.argv.slice(1); let changed = 0;
        for (const file of files) { try { changed += Number(new DatabaseSync(file).prepare(sql).run().changes); }
        catch (error) { if (!/no such table/.test(error.message)) throw error; } }
        if (changed !== 1) throw new Error(`${changed} rows were changed`);' "$@""#;
    let status = Command::new("bash")
        .args(["-c", script, "tamper", sql])
        .args(files)
        .current_dir(root())
        .status()
        .expect("bash");
    assert!(status.success(), "{sql}");
}

fn databases(state: &Path, below: &str) -> Vec<PathBuf> {
    let folder = state.join("s/workers/v3").join(below);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries.map(|entry| entry.expect("an entry").path());
    let files: Vec<PathBuf> = files
        .filter(|path| {
            path.extension().is_some_and(|end| end == "sqlite") && path.file_stem() != Some("metadata".as_ref())
        })
        .collect();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

pub async fn tampering_with_the_trail_is_found() {
    let state = state_dir().expect("a folder");
    let mut stack = start(&state).await;
    let bootstrap = stack.ready.admin_secret.clone();
    for name in ["first", "second", "third"] {
        make(&stack, &bootstrap, json!({"name": name, "scopes": ["fleet:read"]})).await;
    }
    let sound = settled(&stack, &bootstrap).await;
    assert_eq!(
        (&sound["verified"], &sound["entries"]),
        (&json!(true), &json!(3)),
        "{sound}"
    );
    let object = "do/moltworker-admin-api-ControlPlane";
    for (what, sql, undo, broken_at) in [
        (
            "another actor",
            "UPDATE audit SET actor = 'key:0123456789abcdef' WHERE seq = 2",
            "UPDATE audit SET actor = 'bootstrap' WHERE seq = 2",
            json!(2),
        ),
        (
            "a missing entry",
            "UPDATE audit SET seq = 99 WHERE seq = 2",
            "UPDATE audit SET seq = 2 WHERE seq = 99",
            json!(2),
        ),
        // The chain itself is sound without its end; the copy knows better.
        ("a missing end", "DELETE FROM audit WHERE seq = 3", "", Value::Null),
    ] {
        stack.stop().await.assert_clean();
        drop(stack);
        tamper(&databases(state.path(), object), sql);
        stack = start(&state).await;
        let found = report(&stack, &bootstrap).await;
        assert_eq!(
            (&found["verified"], &found["brokenAt"]),
            (&json!(false), &broken_at),
            "{what}: {found}"
        );
        if undo.is_empty() {
            assert_eq!(
                (&found["entries"], &found["copied"], &found["copyAgrees"]),
                (&json!(2), &json!(3), &json!(false))
            );
            continue;
        }
        stack.stop().await.assert_clean();
        drop(stack);
        tamper(&databases(state.path(), object), undo);
        stack = start(&state).await;
        assert_eq!(report(&stack, &bootstrap).await["verified"], true, "{what}, undone");
    }
    stack.stop().await.assert_clean();
}
