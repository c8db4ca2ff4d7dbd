//! Input that is wrong: always a 4xx that says why, and nothing is done.

use e2e_tests::people::User;
use e2e_tests::raw;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;

const NOBODY: &str = "11111111-1111-4111-8111-111111111111";

fn nobody() -> User {
    User {
        id: NOBODY.into(),
        name: String::new(),
        token: String::new(),
    }
}

pub async fn unknown_and_malformed_users_are_4xx(stack: Arc<Stack>) {
    let run = json!({"command": "echo x"});
    let nobody = nobody();
    stack
        .get(&nobody.path("/state"))
        .admin()
        .send()
        .await
        .problem(404, "unknown_user");
    stack
        .post(&nobody.path("/exec"))
        .admin()
        .json(&run)
        .send()
        .await
        .problem(404, "unknown_user");
    stack
        .get(&nobody.path("/exec/exec_1_a"))
        .admin()
        .send()
        .await
        .problem(404, "unknown_exec");
    let long = "a".repeat(2000);
    for id in [
        "undefined",
        "null",
        "0",
        "ada",
        "%20",
        "..%2f",
        "ada00000000040008000000000000001",
        "%7B%7D",
        &long,
    ] {
        for path in ["state", "exec/exec_1_a"] {
            stack
                .get(&format!("/api/super/users/{id}/{path}"))
                .admin()
                .send()
                .await
                .names_field("id");
        }
        stack
            .post(&format!("/api/super/users/{id}/exec"))
            .admin()
            .json(&run)
            .send()
            .await
            .names_field("id");
    }
}

pub async fn bodies_that_are_no_command_are_named_by_field(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let long = "x".repeat(200_000);
    for (body, field) in [
        (json!({}), "command"),
        (json!({"command": ""}), "command"),
        (json!({"command": " \n"}), "command"),
        (json!({"command": 1}), "command"),
        (json!({"command": ["echo"]}), "command"),
        (json!({"command": "a\u{0}b"}), "command"),
        (json!({"command": long}), "command"),
        (json!({"command": "a", "argv": ["b"]}), "argv"),
        (json!({"argv": []}), "argv"),
        (json!({"argv": [""]}), "argv"),
        (json!({"argv": ["a", 1]}), "argv[1]"),
        (json!({"command": "a", "cwd": "relative"}), "cwd"),
        (json!({"command": "a", "cwd": 7}), "cwd"),
        (json!({"command": "a", "timeoutMs": 0}), "timeoutMs"),
        (json!({"command": "a", "timeoutMs": -1}), "timeoutMs"),
        (json!({"command": "a", "timeoutMs": 1.5}), "timeoutMs"),
        (json!({"command": "a", "timeoutMs": "soon"}), "timeoutMs"),
        (json!({"command": "a", "timeoutMs": 86_400_001}), "timeoutMs"),
        (json!({"command": "a", "maxOutputBytes": 0}), "maxOutputBytes"),
        (json!({"command": "a", "maxOutputBytes": 4_194_305}), "maxOutputBytes"),
        (json!({"command": "a", "killGraceMs": 0}), "killGraceMs"),
        (json!({"command": "a", "killGraceMs": 60_001}), "killGraceMs"),
        (json!({"command": "a", "uid": 0}), "uid"),
        (json!({"command": "a", "uid": -1}), "uid"),
        (
            json!({"command": "a", "limits": {"memoryBytes": 1}}),
            "limits.memoryBytes",
        ),
        (json!({"command": "a", "limits": {"memory": 1}}), "limits.memory"),
        (json!({"command": "a", "env": {"A": 1}}), "env.A"),
        (json!({"command": "a", "env": {"1A": "x"}}), "env"),
        (json!({"command": "a", "env": {"MOLT_OWNER": "x"}}), "env"),
        (json!({"command": "a", "env": ["A=x"]}), "env"),
        (json!({"command": "a", "stdin": {}}), "stdin"),
        (json!([]), "body"),
        (json!(["echo x"]), "body"),
        (json!("echo"), "body"),
        (Value::Null, "body"),
    ] {
        let reply = stack.post(&ada.path("/exec")).admin().json(&body).send().await;
        let problem = reply.problem(400, "invalid_request");
        assert_eq!(problem["field"], field, "{body:.200}: {problem}");
        assert!(
            problem["detail"].as_str().is_some_and(|text| text.starts_with(field)),
            "{problem}"
        );
    }
    let misspelt = stack
        .post(&ada.path("/exec"))
        .admin()
        .json(&json!({"command": "a", "timeuot": 1}))
        .send()
        .await;
    let problem = misspelt.problem(400, "invalid_request");
    assert!(
        problem["detail"].as_str().is_some_and(|text| text.contains("timeuot")),
        "{problem}"
    );
}

pub async fn broken_json_is_400(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let good = r#"{"command":"echo x"}"#;
    for body in [
        "",
        " ",
        "{",
        "nonsense",
        "{\"command\":\"a\"",
        "{'command':'a'}",
        "{\"command\":\"a\"} x",
        "\u{feff}{}",
    ] {
        let reply = stack
            .post(&ada.path("/exec"))
            .admin()
            .body(body.to_owned())
            .send()
            .await;
        assert_eq!(
            reply.problem(400, "invalid_json")["error"],
            "Invalid JSON body",
            "{body}"
        );
    }
    stack
        .post(&ada.path("/exec"))
        .admin()
        .body(format!("{good}{good}"))
        .send()
        .await
        .problem(400, "invalid_json");
    stack
        .post(&ada.path("/exec"))
        .admin()
        .body(b"{\"command\":\"\xff\"}".to_vec())
        .send()
        .await
        .problem(400, "invalid_json");
    stack
        .post(&ada.path("/exec"))
        .admin()
        .body("[".repeat(100_000))
        .send()
        .await
        .expect(400);
}

pub async fn a_body_that_is_too_long_is_413(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let body = format!("{{\"command\":\"true\",\"stdin\":\"{}\"}}", "x".repeat(1024 * 1024));
    stack
        .post(&ada.path("/exec"))
        .admin()
        .body(body.clone())
        .send()
        .await
        .problem(413, "too_large");
    // Without a length to look at.
    let head = format!(
        "POST {} HTTP/1.1\r\nX-Admin-Secret: {}\r\nTransfer-Encoding: chunked\r\n",
        ada.path("/exec"),
        stack.ready.admin_secret
    );
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let reply = raw::exchange(&stack, &head, chunked.as_bytes()).await;
    assert_eq!(reply.status, 413, "{}", reply.text());
    let form = [("state", "x".repeat(20_000))];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for path in ["/login/development", "/auth/callback"] {
        stack.post(path).form(&form).send().await.problem(413, "too_large");
    }
}

pub async fn other_methods_are_405(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    for (method, path, allowed) in [
        ("POST", "/health".to_owned(), "GET"),
        ("DELETE", "/api/status".into(), "GET"),
        ("GET", "/login/development".into(), "POST"),
        ("PUT", "/logout".into(), "POST"),
        ("POST", "/_molt/assets/page.css".into(), "GET"),
        ("PUT", "/api/super/users".into(), "GET"),
        ("DELETE", ada.path("/state"), "GET"),
        ("PUT", ada.path("/exec"), "POST"),
        ("PUT", ada.path("/exec"), "GET"),
        ("GET", ada.path("/exec-sync"), "POST"),
        ("GET", "/api/super/bulk/exec".into(), "POST"),
        ("POST", "/api/super/jobs".into(), "GET"),
        ("POST", ada.path("/exec/exec_1_a/status"), "GET"),
    ] {
        let reply = stack.call(method, &path).admin().body("").send().await;
        reply.problem(405, "method_not_allowed");
        let allow = reply.header("allow");
        assert!(
            allow.split(',').any(|name| name.trim() == allowed),
            "{method} {path}: Allow {allow:?}"
        );
    }
}

pub async fn odd_spellings_of_reserved_paths_are_400(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    for path in [
        "/api//super/users",
        "//api/super/users",
        "/api%2fsuper/users",
        "/API/super/users",
        "/%61pi/super/users",
        "/api%252fsuper",
        "/api;x/super",
        "/_MOLT/boot",
        "/%5fmolt/boot",
        "/_molt;x/boot",
        "/api//v1",
        "/Webhooks/x",
        "/_Admin/",
    ] {
        let head = format!(
            "GET {path} HTTP/1.1\r\nAuthorization: Bearer {}\r\nX-Admin-Secret: {}\r\n",
            ada.token, stack.ready.admin_secret
        );
        let reply = raw::exchange(&stack, &head, b"").await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.text());
        assert!(
            reply.text().contains("\"code\":\"ambiguous_path\""),
            "{path}: {}",
            reply.text()
        );
    }
}

pub async fn reserved_paths_hold_nothing(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    for path in [
        "/api/admin",
        "/api/admin/users",
        "/api/v1",
        "/api/v1/x",
        "/webhooks",
        "/webhooks/x",
    ] {
        for call in [
            stack.get(path),
            stack.get(path).user(&ada),
            stack.post(path).admin().body("{}"),
        ] {
            assert_eq!(
                (call.send().await.problem(404, "not_found"))["error"],
                "Not found",
                "{path}"
            );
        }
    }
    for path in ["/_admin", "/_admin/x", "/_molt", "/_molt/x", "/_molt/v1/status"] {
        let reply = stack.get(path).user(&ada).send().await;
        reply.problem(404, "not_found");
    }
}

pub async fn lists_refuse_bad_pages(stack: Arc<Stack>) {
    for path in ["/api/super/users", "/api/super/state/dashboard"] {
        for limit in ["0", "201", "-1", "x", "", "1e2", "99999999999999999999"] {
            stack
                .get(&format!("{path}?limit={limit}"))
                .admin()
                .send()
                .await
                .names_field("limit");
        }
        for cursor in ["x", "'", "%00", "1%20OR%201=1"] {
            stack
                .get(&format!("{path}?cursor={cursor}"))
                .admin()
                .send()
                .await
                .names_field("cursor");
        }
    }
}
