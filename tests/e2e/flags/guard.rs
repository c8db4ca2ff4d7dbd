//! What keeps changes of a flag from doing harm.

use crate::world::{ADMIN, FLAGS, GATEWAY, SOMEBODY, cleared, on_for_all, path, put, read, version};
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn of_twenty_parallel_changes_of_one_version_one_wins(stack: Arc<Stack>) {
    let tag = format!("\"{}\"", version(&on_for_all(&stack, GATEWAY).await));
    let changes = (0..20).map(|number| {
        let body = json!({"enabled": true, "allow": [format!("racer-{number}")], "reason": "a race"});
        put(&stack, GATEWAY, &body).header("if-match", &tag).send()
    });
    let replies = futures_util::future::join_all(changes).await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 19));
    let set = won[0].json(200);
    for reply in lost {
        assert_eq!(reply.problem(412, "version_moved")["version"], set["version"]);
    }
    assert_eq!(
        read(&stack, GATEWAY).await,
        set,
        "what the winner was told is what is there"
    );
}

pub async fn a_version_that_moved_is_told(stack: Arc<Stack>) {
    let now = version(&on_for_all(&stack, ADMIN).await);
    let body = json!({"enabled": true, "allow": ["x"], "reason": "r"});
    let old = format!("\"{}\"", now - 1);
    let calls = || {
        [
            put(&stack, ADMIN, &body),
            stack.call("DELETE", &path(ADMIN)).admin(),
            stack.post(&format!("{}/undo?allowOutage=true", path(ADMIN))).admin(),
        ]
    };
    for tag in [old.as_str(), "\"0\"", "\"9007199254740991\""] {
        for call in calls() {
            let problem = call.header("if-match", tag).send().await.problem(412, "version_moved");
            assert_eq!(problem["version"], json!(now), "{tag}");
        }
    }
    for tag in [
        "0",
        "*",
        "\"\"",
        "\"x\"",
        "\"1\", \"2\"",
        "\"-1\"",
        "\"99999999999999999999\"",
        "\"1",
    ] {
        for call in calls() {
            call.header("if-match", tag).send().await.names_field("If-Match");
        }
    }
    let twice = put(&stack, ADMIN, &body).header("if-match", &old);
    twice.header("if-match", &format!("\"{now}\"")).send().await.expect(400);
    assert_eq!(
        version(&read(&stack, ADMIN).await),
        now,
        "nothing of this changed anything"
    );
    // As an edge that compresses passes it on.
    let weak = format!("W/\"{now}\"");
    let set = put(&stack, ADMIN, &body)
        .header("if-match", &weak)
        .send()
        .await
        .json(200);
    assert_eq!(version(&set), now + 1);
}

pub async fn bad_input_is_named_by_field(stack: Arc<Stack>) {
    let before = on_for_all(&stack, ADMIN).await;
    let many: Vec<String> = (0..1_001).map(|number| format!("u{number}")).collect();
    for (field, body) in [
        ("enabled", json!({"reason": "r"})),
        ("enabled", json!({"enabled": "true", "reason": "r"})),
        ("enabled", json!({"enabled": null, "reason": "r"})),
        ("reason", json!({"enabled": true})),
        ("reason", json!({"enabled": true, "reason": ""})),
        ("reason", json!({"enabled": true, "reason": " \t "})),
        ("reason", json!({"enabled": true, "reason": "a\nb"})),
        ("reason", json!({"enabled": true, "reason": "x".repeat(501)})),
        ("reason", json!({"enabled": true, "reason": 5})),
        ("percent", json!({"enabled": true, "percent": 101, "reason": "r"})),
        ("percent", json!({"enabled": true, "percent": -1, "reason": "r"})),
        ("percent", json!({"enabled": true, "percent": 1.5, "reason": "r"})),
        ("percent", json!({"enabled": true, "percent": "5", "reason": "r"})),
        (
            "allow[1]",
            json!({"enabled": true, "allow": [SOMEBODY, "a b"], "reason": "r"}),
        ),
        ("allow[0]", json!({"enabled": true, "allow": [7], "reason": "r"})),
        ("allow", json!({"enabled": true, "allow": "all", "reason": "r"})),
        ("allow", json!({"enabled": true, "allow": many, "reason": "r"})),
        ("deny[0]", json!({"enabled": true, "deny": [""], "reason": "r"})),
        ("deny", json!({"enabled": true, "deny": many, "reason": "r"})),
        (
            "deny",
            json!({"enabled": true, "allow": ["a"], "deny": ["b", "A"], "reason": "r"}),
        ),
        ("killed", json!({"enabled": true, "killed": 1, "reason": "r"})),
        (
            "discardDisk",
            json!({"enabled": true, "discardDisk": "no", "reason": "r"}),
        ),
        ("percentage", json!({"enabled": true, "percentage": 5, "reason": "r"})),
        ("body", json!([true])),
        ("body", json!("on")),
    ] {
        let problem = put(&stack, ADMIN, &body).send().await.problem(400, "invalid_request");
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    let put_text = |text: &'static str| stack.call("PUT", &path(ADMIN)).admin().body(text);
    for broken in ["", "{", "{\"enabled\":true,\"reason\":\"r\"} {}"] {
        put_text(broken).send().await.problem(400, "invalid_json");
    }
    let valid = json!({"enabled": true, "reason": "r"});
    let call = stack
        .call("PUT", &format!("{}?allowOutage=1", path(ADMIN)))
        .admin()
        .json(&valid);
    call.send().await.names_field("allowOutage");
    let undo = |body: Value| stack.post(&format!("{}/undo", path(ADMIN))).admin().json(&body);
    undo(json!({"reason": ""})).send().await.names_field("reason");
    undo(json!({"why": "x"})).send().await.names_field("why");
    let get = async |path: &str| stack.get(path).admin().send().await;
    let clear = format!("{}?reason=", path(ADMIN));
    stack.call("DELETE", &clear).admin().send().await.names_field("reason");
    get(&format!("{}/evaluate?subject=a%2Fb", path(ADMIN)))
        .await
        .names_field("subject");
    get(&format!("{}/evaluate?subject=", path(ADMIN)))
        .await
        .names_field("subject");
    for bad in ["x", "-1", "1.0", "99999999999999999999"] {
        get(&format!("{}/history?cursor={bad}", path(ADMIN)))
            .await
            .names_field("cursor");
    }
    get(&format!("{}/history?limit=201", path(ADMIN)))
        .await
        .names_field("limit");
    for unknown in ["USE_NEW_EVERYTHING", "use_new_admin_api", "%00", "USE_NEW_ADMIN_API%20"] {
        for (method, below) in [
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/history"),
            ("POST", "/undo"),
            ("GET", "/evaluate"),
        ] {
            let reply = stack
                .call(method, &format!("{FLAGS}/{unknown}{below}"))
                .admin()
                .send()
                .await;
            let problem = reply.problem(404, "unknown_flag");
            assert!(
                problem["detail"]
                    .as_str()
                    .is_some_and(|text| text.contains(ADMIN) && text.contains(GATEWAY))
            );
        }
        put(&stack, unknown, &valid).send().await.problem(404, "unknown_flag");
    }
    stack.call("PATCH", &path(ADMIN)).admin().send().await.expect(405);
    assert_eq!(read(&stack, ADMIN).await, before, "nothing of this changed anything");
}

pub async fn reading_and_changing_take_their_scopes(stack: Arc<Stack>) {
    on_for_all(&stack, ADMIN).await;
    let (_, reader) = stack.admin_key("reads flags", &["fleet:read"]).await;
    let (id, writer) = stack.admin_key("writes flags", &["flags:write"]).await;
    let reads = [
        path(ADMIN),
        FLAGS.into(),
        format!("{}/history", path(ADMIN)),
        format!("{}/evaluate", path(ADMIN)),
    ];
    for read in &reads {
        stack.get(read).bearer(&reader).send().await.expect(200);
        let problem = stack
            .get(read)
            .bearer(&writer)
            .send()
            .await
            .problem(403, "scope_missing");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.contains("fleet:read")),
            "{problem}"
        );
        stack.get(read).send().await.expect(401);
    }
    let body = json!({"enabled": true, "allow": ["by-key"], "reason": "by a key"});
    let writes = |key: &str| {
        [
            stack.call("PUT", &path(ADMIN)).json(&body).bearer(key),
            stack.post(&format!("{}/undo", path(ADMIN))).bearer(key),
            stack.call("DELETE", &path(ADMIN)).bearer(key),
        ]
    };
    for write in writes(&reader) {
        let problem = write.send().await.problem(403, "scope_missing");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.contains("flags:write")),
            "{problem}"
        );
    }
    for write in writes(&writer) {
        assert_eq!(write.send().await.json(200)["author"], format!("key:{id}"));
    }
    on_for_all(&stack, ADMIN).await;
}

pub async fn nobody_is_left_without_an_answer_unless_that_is_wanted(stack: Arc<Stack>) {
    let before = cleared(&stack, GATEWAY).await;
    let change = |query: &str, body: Value| {
        stack
            .call("PUT", &format!("{}{query}", path(GATEWAY)))
            .admin()
            .json(&body)
    };
    let narrowed = [
        json!({"enabled": false, "reason": "r"}),
        json!({"enabled": true, "percent": 99, "reason": "r"}),
        json!({"enabled": true, "killed": true, "reason": "r"}),
        json!({"enabled": true, "deny": ["x"], "reason": "r"}),
    ];
    // From the variable, and from a setting.
    for _ in 0..2 {
        for body in &narrowed {
            for query in ["", "?allowOutage=false"] {
                let problem = change(query, body.clone())
                    .send()
                    .await
                    .problem(409, "would_cause_outage");
                let text = problem["detail"].as_str().expect("text");
                assert!(text.contains("LEGACY") && text.contains("allowOutage"), "{text}");
            }
        }
        on_for_all(&stack, GATEWAY).await;
    }
    assert_eq!(
        version(&read(&stack, GATEWAY).await),
        before + 1,
        "what was refused changed nothing"
    );
    change("?allowOutage=true", narrowed[1].clone())
        .send()
        .await
        .expect(200);
    // Widening takes nothing from anybody, its undo does, and the undo of that does not.
    let all = json!({"enabled": true, "percent": 100, "reason": "r"});
    change("", all).send().await.expect(200);
    let undo = |query: &str| stack.post(&format!("{}/undo{query}", path(GATEWAY))).admin();
    undo("").send().await.problem(409, "would_cause_outage");
    assert_eq!(undo("?allowOutage=true").send().await.json(200)["percent"], 99);
    assert_eq!(undo("").send().await.json(200)["percent"], 100);
    cleared(&stack, GATEWAY).await;
}
