//! Input that would be code somewhere.

use super::{Cast, Ledger};
use crate::people::User;
use crate::reply::Reply;
use serde_json::{Value, json};

const MARKUP: &str = "o'brien\"><script>alert(1)</script>@example.test";

pub async fn run(ledger: &mut Ledger<'_>, cast: &Cast) {
    let stack = ledger.stack;
    let ada = &cast.ada;
    let id = uuid::Uuid::new_v4().to_string();
    let mut claims = stack.claims(&id);
    claims["email"] = json!(MARKUP);
    let hostile = User {
        token: stack.sign(&claims),
        name: "hostile".into(),
        id,
    };
    let plain = |reply: &Reply| match reply.text().contains("<script>alert(1)") {
        true => Err("the markup is there unescaped".to_owned()),
        false => Ok(()),
    };
    stack.awake(&hostile).await;
    let call = stack.get("/").session(&hostile).browser();
    ledger
        .checked(
            "26",
            "markup in the e-mail address: agent's page",
            &[200],
            call,
            "escaped",
            &plain,
        )
        .await;
    let call = stack.get("/<script>alert(1)</script>").browser();
    ledger
        .checked(
            "26",
            "markup in the path",
            &[302, 400, 401, 404],
            call,
            "escaped",
            &plain,
        )
        .await;
    for path in [
        "/api/super/users/..%2f..%2fkeys/state",
        "/api/super/users/%27%20OR%201=1/state",
        "/api/super/users/undefined/state",
        "/api/super/users/%00/state",
    ] {
        ledger
            .answered("26", &format!("user id {path}"), &[400, 404], stack.get(path).admin())
            .await;
    }
    let call = stack.get("/api/super/users/lookup/%27%20OR%201=1%20--").admin();
    ledger.answered("26", "SQL in a name", &[404], call).await;
    let call = stack.get(&ada.path("/exec/..%2f..%2fetc%2fpasswd")).admin();
    ledger.answered("26", "a path as exec id", &[400, 404], call).await;
    let exec = ada.path("/exec");
    for (what, body) in [
        ("a list for an object", json!(["id"])),
        ("argv as text", json!({"argv": "id; id"})),
        ("a NUL in argv", json!({"argv": ["id\u{0}x"]})),
        (
            "an environment name with =",
            json!({"command": "id", "env": {"A=B": "x"}}),
        ),
        (
            "LD_PRELOAD through MOLT_",
            json!({"command": "id", "env": {"MOLT_CONTROL_TOKEN": "x"}, "uid": 0}),
        ),
        (
            "a relative working directory",
            json!({"command": "id", "cwd": "../../root"}),
        ),
    ] {
        let call = stack.post(&exec).admin().json(&body);
        ledger.answered("26", &format!("exec: {what}"), &[400, 422], call).await;
    }
    let status = stack
        .exec(ada, &json!({"argv": ["echo", "$(id)", "`id`", ";", "id"]}))
        .await;
    let outcome = match status["stdout"].as_str() {
        Some("$(id) `id` ; id\n") => Ok("echoed as it was".to_owned()),
        other => Err(format!("{other:?}")),
    };
    ledger.outcome("26", "exec: shell words in argv", "are data", outcome);
    let deep = format!("{}{}", "{\"a\":".repeat(20_000), "1");
    let call = stack
        .post(&exec)
        .admin()
        .header("content-type", "application/json")
        .body(deep);
    ledger.answered("-", "exec: JSON 20,000 deep", &[400], call).await;
    let body: Value = json!({"command": "x".repeat(2_000_000)});
    ledger
        .answered(
            "-",
            "exec: a body of 2 MB",
            &[413],
            stack.post(&exec).admin().json(&body),
        )
        .await;
}
