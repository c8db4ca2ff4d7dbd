//! `molt flags`.

use crate::world::{ADMIN, GATEWAY, SOMEBODY, cleared, on_for_all, path, put, read, version};
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;

async fn flags(stack: &Stack, words: &str) -> Value {
    let words: Vec<&str> = ["flags"]
        .into_iter()
        .chain(words.split(' '))
        .chain(["--json"])
        .collect();
    stack.molt(&words).await.json()
}

pub async fn molt_changes_what_is_given_and_nothing_else(stack: Arc<Stack>) {
    let first = cleared(&stack, GATEWAY).await;
    let set = flags(
        &stack,
        &format!("set {GATEWAY} --percent 100 --allow {SOMEBODY} --allow second --reason drill"),
    )
    .await;
    assert_eq!(
        (
            &set["enabled"],
            &set["percent"],
            &set["allow"],
            &set["reason"],
            version(&set)
        ),
        (
            &json!(true),
            &json!(100),
            &json!([SOMEBODY, "second"]),
            &json!("drill"),
            first + 1
        )
    );
    let set = flags(
        &stack,
        &format!("set {GATEWAY} --percent 30 --unlist second --discard-disk --allow-outage"),
    )
    .await;
    assert_eq!(
        (
            &set["enabled"],
            &set["percent"],
            &set["allow"],
            &set["discardDisk"],
            &set["reason"]
        ),
        (
            &json!(true),
            &json!(30),
            &json!([SOMEBODY]),
            &json!(true),
            &json!("molt flags set")
        )
    );
    assert_eq!(flags(&stack, &format!("get {GATEWAY}")).await, set);
    let evaluated = flags(&stack, &format!("evaluate {GATEWAY} {SOMEBODY}")).await;
    assert_eq!(
        (&evaluated["on"], &evaluated["reason"]),
        (&json!(true), &json!("allowed"))
    );
    let table = stack.molt(&["flags", "evaluate", GATEWAY, SOMEBODY]).await;
    let row: Vec<&str> = table.done().lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(row[..5], [GATEWAY, SOMEBODY, "true", "allowed", "control-plane"]);
    let table = stack.molt(&["flags", "list"]).await;
    let row = table
        .done()
        .lines()
        .find(|line| line.starts_with(GATEWAY))
        .expect("a row");
    assert!(
        row.contains("30 %, 1 allowed, may discard disks") && row.contains("bootstrap"),
        "{row}"
    );
    let listed = flags(&stack, "list").await;
    assert_eq!((&listed["flags"][1], listed["version"].is_u64()), (&set, true));
    let undone = flags(&stack, &format!("undo {GATEWAY}")).await;
    assert_eq!(
        (&undone["percent"], &undone["allow"]),
        (&json!(100), &json!([SOMEBODY, "second"]))
    );
    let back = flags(&stack, &format!("clear {GATEWAY} --if-version {}", version(&undone))).await;
    assert_eq!(
        (&back["source"], &back["reason"]),
        (&json!("var"), &json!("molt flags clear"))
    );
    let history = flags(&stack, &format!("history {GATEWAY}")).await;
    let actions: Vec<&Value> = history
        .as_array()
        .expect("a list")
        .iter()
        .take(4)
        .map(|change| &change["action"])
        .collect();
    assert_eq!(actions, ["cleared", "undone", "set", "set"]);
    let table = stack.molt(&["flags", "history", GATEWAY]).await;
    let row = table.done().lines().nth(2).expect("a row");
    assert!(row.contains("undone") && row.contains("30 %, 1 allowed"), "{row}");
}

pub async fn molt_kills_and_takes_it_back(stack: Arc<Stack>) {
    let setting = json!({"enabled": true, "percent": 100, "allow": ["a"], "reason": "before"});
    put(&stack, GATEWAY, &setting).send().await.expect(200);
    let kill = ["flags", "kill", GATEWAY, "--reason", "it burns"];
    stack.molt(&kill).await.refused("409 would_cause_outage");
    let killed = stack.molt(&[&kill[..], &["--allow-outage"]].concat()).await;
    assert!(
        killed.done().contains("killed, 1 allowed") && killed.stdout.contains("it burns"),
        "{killed:?}"
    );
    let remarked = stack.molt(&["flags", "set", GATEWAY, "--percent", "50"]).await;
    remarked.done();
    assert!(remarked.stderr.contains("molt flags unkill"), "{remarked:?}");
    let back = flags(&stack, &format!("unkill {GATEWAY}")).await;
    assert_eq!(
        (&back["killed"], &back["percent"], &back["allow"], &back["reason"]),
        (&json!(false), &json!(50), &json!(["a"]), &json!("molt flags unkill"))
    );
    cleared(&stack, GATEWAY).await;
}

pub async fn molt_says_what_was_refused(stack: Arc<Stack>) {
    let before = on_for_all(&stack, ADMIN).await;
    let stale = (version(&before) - 1).to_string();
    let (_, reader) = stack.admin_key("reads flags by molt", &["fleet:read"]).await;
    let set = ["flags", "set", ADMIN, "--allow", "x"];
    stack.molt_as(&reader, &set).await.refused("flags:write");
    stack.molt_as(&reader, &["flags", "get", ADMIN]).await.done();
    stack
        .molt(&[&set[..], &["--if-version", &stale]].concat())
        .await
        .refused("412 version_moved");
    stack
        .molt(&["flags", "undo", ADMIN, "--if-version", &stale])
        .await
        .refused("412 version_moved");
    stack
        .molt(&["flags", "clear", ADMIN, "--if-version", &stale])
        .await
        .refused("412 version_moved");
    stack
        .molt(&["flags", "set", ADMIN, "--percent", "50"])
        .await
        .refused("409 would_cause_outage");
    stack
        .molt(&[&set[..], &["--reason", ""]].concat())
        .await
        .refused("[field: reason]");
    let both = ["flags", "set", ADMIN, "--allow", "x", "--deny", "X", "--allow-outage"];
    stack.molt(&both).await.refused("[field: deny]");
    stack
        .molt(&["flags", "get", "USE_NEW_EVERYTHING"])
        .await
        .refused(GATEWAY);
    assert_eq!(read(&stack, ADMIN).await, before);
    cleared(&stack, ADMIN).await;
    stack
        .molt(&["flags", "set", ADMIN, "--allow", "x"])
        .await
        .refused("--enabled");
    stack.molt(&["flags", "unkill", ADMIN]).await.refused("not killed");
}

pub async fn molt_tries_again_when_somebody_was_faster(stack: Arc<Stack>) {
    on_for_all(&stack, ADMIN).await;
    let names: Vec<String> = (0..4).map(|number| format!("racer-{number}")).collect();
    let runs = names
        .iter()
        .map(async |name| stack.molt(&["flags", "set", ADMIN, "--allow", name]).await);
    for ended in futures_util::future::join_all(runs).await {
        ended.done();
    }
    let now = read(&stack, ADMIN).await;
    assert_eq!(now["allow"], json!(names), "nobody's change was lost: {now}");
    let undo = stack.post(&format!("{}/undo?allowOutage=true", path(ADMIN))).admin();
    undo.send().await.expect(200);
    cleared(&stack, ADMIN).await;
}
