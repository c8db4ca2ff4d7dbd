//! The life of a flag.

use crate::world::{ADMIN, FLAGS, GATEWAY, SOMEBODY, cleared, history, on_for_all, path, put, read, version};
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub async fn a_flag_is_set_read_and_cleared(stack: Arc<Stack>) {
    let before = cleared(&stack, GATEWAY).await;
    let unset = stack.get(&path(GATEWAY)).admin().send().await;
    assert_eq!(unset.header("etag"), format!("\"{before}\""));
    let unset = unset.json(200);
    assert_eq!(
        (&unset["source"], &unset["enabled"], &unset["percent"], &unset["killed"]),
        (&json!("var"), &Value::Null, &Value::Null, &json!(false)),
        "{unset}"
    );
    let listed = stack.get(FLAGS).admin().send().await.json(200);
    let names: Vec<&Value> = listed["flags"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|flag| &flag["name"])
        .collect();
    assert_eq!(names, [ADMIN, GATEWAY], "{listed}");
    assert!(listed["epoch"].is_u64() && listed["nextCursor"].is_null(), "{listed}");
    let set_version = listed["version"].as_u64().expect("a version");

    let body = json!({"enabled": true, "percent": 100, "allow": [SOMEBODY.to_uppercase()], "reason": " let him in "});
    let reply = put(&stack, GATEWAY, &body).send().await;
    assert_eq!(reply.header("etag"), format!("\"{}\"", before + 1));
    let set = reply.json(200);
    assert_eq!(
        (
            &set["name"],
            &set["source"],
            &set["enabled"],
            &set["percent"],
            &set["allow"],
            &set["deny"]
        ),
        (
            &json!(GATEWAY),
            &json!("control-plane"),
            &json!(true),
            &json!(100),
            &json!([SOMEBODY]),
            &json!([])
        ),
        "{set}"
    );
    assert_eq!(
        (&set["version"], &set["author"], &set["reason"], &set["discardDisk"]),
        (
            &json!(before + 1),
            &json!("bootstrap"),
            &json!("let him in"),
            &json!(false)
        )
    );
    assert!(set["updatedAt"].is_string());
    assert_eq!(read(&stack, GATEWAY).await, set);
    let listed = stack.get(FLAGS).admin().send().await.json(200);
    assert_eq!(
        (&listed["flags"][1], &listed["version"]),
        (&set, &json!(set_version + 1))
    );

    // What is left out has its default.
    let set = on_for_all(&stack, GATEWAY).await;
    assert_eq!((&set["percent"], &set["allow"]), (&json!(100), &json!([])));
    let off = json!({"enabled": false, "killed": false, "deny": [], "reason": "off"});
    let set = put(&stack, GATEWAY, &off).send().await.json(200);
    assert_eq!((&set["enabled"], &set["percent"]), (&json!(false), &json!(0)));

    let path = format!("{}?reason=the+test+is+over", path(GATEWAY));
    let reply = stack.call("DELETE", &path).admin().send().await.json(200);
    assert_eq!(
        (&reply["source"], &reply["version"], &reply["reason"]),
        (&json!("var"), &json!(before + 4), &json!("the test is over"))
    );
    assert_eq!(cleared(&stack, GATEWAY).await, before + 4, "twice is as good as once");
    assert_eq!(
        version(&on_for_all(&stack, GATEWAY).await),
        before + 5,
        "no version is used twice"
    );
    let actions: Vec<String> = history(&stack, GATEWAY)
        .await
        .iter()
        .take(5)
        .map(|change| format!("{} {}", change["version"], change["action"].as_str().expect("a word")))
        .collect();
    let expected = [(5, "set"), (4, "cleared"), (3, "set"), (2, "set"), (1, "set")];
    assert_eq!(
        actions,
        expected.map(|(number, word)| format!("{} {word}", before + number))
    );
}

pub async fn a_change_is_undone_and_done_again(stack: Arc<Stack>) {
    cleared(&stack, GATEWAY).await;
    let undo = |body: Option<Value>| {
        let call = stack.post(&format!("{}/undo?allowOutage=true", path(GATEWAY))).admin();
        match body {
            Some(body) => call.json(&body),
            None => call,
        }
    };
    let first = on_for_all(&stack, GATEWAY).await;
    let body = json!({"enabled": true, "percent": 7, "deny": ["d"], "discardDisk": true, "reason": "narrow"});
    let second = put(&stack, GATEWAY, &body).send().await.json(200);
    let undone = undo(Some(json!({"reason": "not yet"}))).send().await.json(200);
    assert_eq!(
        (
            &undone["percent"],
            &undone["deny"],
            &undone["discardDisk"],
            &undone["reason"]
        ),
        (&json!(100), &json!([]), &json!(false), &json!("not yet")),
        "{undone}"
    );
    assert_eq!(version(&undone), version(&second) + 1);
    let again = undo(None).send().await.json(200);
    assert_eq!(
        (&again["percent"], &again["deny"]),
        (&json!(7), &json!(["d"])),
        "{again}"
    );
    let newest = &history(&stack, GATEWAY).await[0];
    assert_eq!(
        (
            &newest["action"],
            &newest["before"]["percent"],
            &newest["after"]["percent"]
        ),
        (&json!("undone"), &json!(100), &json!(7))
    );
    assert!(
        newest["requestId"].as_str().is_some_and(|id| id.starts_with("req_")),
        "{newest}"
    );
    assert_eq!(
        (&newest["author"], newest["at"].is_string()),
        (&json!("bootstrap"), true)
    );
    undo(Some(json!({}))).send().await.expect(200);
    // Back to where the variable decided.
    cleared(&stack, GATEWAY).await;
    let restored = undo(None).send().await.json(200);
    assert_eq!(
        (&restored["source"], &restored["percent"]),
        (&json!("control-plane"), &first["percent"])
    );
    assert_eq!(undo(None).send().await.json(200)["source"], "var");
}

pub async fn what_is_so_already_makes_no_version(stack: Arc<Stack>) {
    let body = json!({"enabled": true, "percent": 100, "allow": ["b", "a"], "reason": "first"});
    let first = put(&stack, ADMIN, &body).send().await.json(200);
    let all = async || stack.get(FLAGS).admin().send().await.json(200)["version"].clone();
    let of_all = all().await;
    let again = json!({"enabled": true, "allow": ["a", "B", "b"], "reason": "second"});
    let tag = format!("\"{}\"", version(&first));
    let same = put(&stack, ADMIN, &again).header("if-match", &tag).send().await;
    assert_eq!(same.json(200), first, "author and reason are those of the change");
    assert_eq!(all().await, of_all, "routers need not learn of it");
}

pub async fn a_subject_is_ruled_upon(stack: Arc<Stack>) {
    let evaluate = async |subject: &str| {
        let path = format!("{}/evaluate?subject={subject}", path(GATEWAY));
        stack.get(&path).admin().send().await.json(200)
    };
    cleared(&stack, GATEWAY).await;
    let unset = evaluate(SOMEBODY).await;
    assert_eq!(
        (&unset["on"], &unset["reason"], &unset["source"], &unset["subject"]),
        (&Value::Null, &Value::Null, &json!("var"), &json!(SOMEBODY))
    );
    let mut setting = json!({"enabled": true, "percent": 0, "allow": ["in", "both"], "deny": ["out"], "reason": "r"});
    put(&stack, GATEWAY, &setting).send().await.expect(200);
    let ruled = async |subject: &str| {
        let found = evaluate(subject).await;
        (
            found["on"].as_bool().expect("a ruling"),
            found["reason"].as_str().expect("why").to_owned(),
        )
    };
    assert_eq!(ruled("IN").await, (true, "allowed".into()));
    assert_eq!(ruled("out").await, (false, "denied".into()));
    assert_eq!(ruled("other").await, (false, "percent".into()));
    setting["percent"] = json!(100);
    put(&stack, GATEWAY, &setting).send().await.expect(200);
    assert_eq!(ruled("other").await, (true, "percent".into()));
    let nobody = stack
        .get(&format!("{}/evaluate", path(GATEWAY)))
        .admin()
        .send()
        .await
        .json(200);
    assert_eq!((&nobody["on"], &nobody["subject"]), (&json!(true), &Value::Null));
    setting["enabled"] = json!(false);
    put(&stack, GATEWAY, &setting).send().await.expect(200);
    assert_eq!(ruled("other").await, (false, "disabled".into()));
    assert_eq!(ruled("in").await, (true, "allowed".into()));
    setting["killed"] = json!(true);
    let killed = put(&stack, GATEWAY, &setting).send().await.json(200);
    assert_eq!(ruled("in").await, (false, "killed".into()));
    assert_eq!(evaluate("in").await["version"], killed["version"]);
    on_for_all(&stack, GATEWAY).await;
}

pub async fn changes_are_in_the_trail_and_the_chain_is_sound(stack: Arc<Stack>) {
    on_for_all(&stack, GATEWAY).await;
    let reason = "a drill";
    let secret = format!("planted{}", uuid::Uuid::new_v4().simple());
    let body = json!({"enabled": true, "allow": [SOMEBODY], "reason": format!("{reason} token={secret}")});
    let set = put(&stack, GATEWAY, &body).send().await.json(200);
    assert!(!set.to_string().contains(&secret), "{set}");
    stack
        .post(&format!("{}/undo", path(GATEWAY)))
        .admin()
        .json(&json!({"reason": reason}))
        .send()
        .await
        .expect(200);
    cleared(&stack, GATEWAY).await;
    let report = until("the copy has every entry", Duration::from_secs(30), async || {
        let report = stack.get("/api/super/audit/verify").admin().send().await.json(200);
        (report["copied"] == report["entries"]).then_some(report)
    })
    .await;
    assert_eq!(
        (&report["verified"], &report["copyAgrees"]),
        (&json!(true), &json!(true)),
        "{report}"
    );
    let rows = stack
        .sql(&format!(
            "SELECT actor, action, target, detail FROM audit WHERE chain = 'control-plane' AND target = '{GATEWAY}' ORDER BY seq DESC LIMIT 3"
        ))
        .await;
    let actions: Vec<&Value> = rows.iter().map(|row| &row["action"]).collect();
    assert_eq!(actions, ["flag.cleared", "flag.undone", "flag.set"], "{rows:?}");
    let detail: Value = serde_json::from_str(rows[2]["detail"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        (
            &detail["version"],
            &detail["allowed"],
            &detail["after"]["percent"],
            &detail["before"]["allow"]
        ),
        (&set["version"], &json!([SOMEBODY]), &json!(100), &json!(0)),
        "{detail}"
    );
    assert!(
        detail["reason"].as_str().is_some_and(|text| text.starts_with(reason)),
        "{detail}"
    );
    assert!(!format!("{rows:?}").contains(&secret), "a secret in a reason is masked");
}

pub async fn the_history_is_paged_and_bounded(stack: Arc<Stack>) {
    let base = version(&on_for_all(&stack, ADMIN).await);
    for round in 0..510_u64 {
        let body = json!({"enabled": true, "allow": [format!("round-{round}")], "reason": format!("round {round}")});
        put(&stack, ADMIN, &body).send().await.expect(200);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{}/history?limit=199&cursor={cursor}", path(ADMIN));
        let page = stack.get(&path).admin().send().await.json(200);
        let versions = page["history"].as_array().expect("a list").iter().map(version);
        seen.extend(versions);
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let expected: Vec<u64> = (base + 11..=base + 510).rev().collect();
    assert_eq!(seen, expected, "the newest 500, newest first");
}
