//! One command in the sandboxes of many users.

use e2e_tests::harness::Group;
use e2e_tests::jobs::path;
use e2e_tests::launch::Launch;
use e2e_tests::people::User;
use e2e_tests::processes;
use e2e_tests::secrets::used;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use futures_util::future::join_all;
use libtest_mimic::Trial;
use molt_common::time::Millis;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const BULK: &str = "/api/super/bulk/exec";

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![
        group.shared(
            "bulk::each_user_has_an_outcome_of_his_own",
            each_user_has_an_outcome_of_his_own,
        ),
        group.shared(
            "bulk::no_more_run_at_once_than_was_asked",
            no_more_run_at_once_than_was_asked,
        ),
        group.shared("bulk::one_key_is_one_job", one_key_is_one_job),
        group.shared("bulk::a_cancel_leaves_no_process", a_cancel_leaves_no_process),
        group.shared(
            "bulk::failures_stop_what_has_not_begun",
            failures_stop_what_has_not_begun,
        ),
        group.shared("bulk::what_does_not_fit_is_named", what_does_not_fit_is_named),
        group.shared("bulk::its_trail_is_sound", its_trail_is_sound),
        group.alone(
            "bulk::a_killed_runtime_runs_no_part_twice",
            a_killed_runtime_runs_no_part_twice,
        ),
    ]
}

async fn users(stack: &Stack, count: usize) -> Vec<User> {
    let users = join_all((0..count).map(|_| stack.new_user())).await;
    join_all(users.iter().map(|user| stack.awake(user))).await;
    users
}

fn texts(children: &[Value], name: &str) -> Vec<String> {
    children
        .iter()
        .map(|child| child[name].as_str().unwrap_or("null").to_owned())
        .collect()
}

async fn each_user_has_an_outcome_of_his_own(stack: Arc<Stack>) {
    let users = users(&stack, 3).await;
    stack.sh(&users[1], "touch ~/stumbles").await;
    let id = stack
        .bulk(&users, json!({"command": "test ! -e ~/stumbles || exit 7; echo fine"}))
        .await;
    let ended = stack.job_ends(&id).await;
    assert_eq!(
        (&ended["state"], &ended["error"], &ended["kind"], &ended["userId"]),
        (
            &json!("failed"),
            &json!("Of 3: 2 succeeded, 1 failed."),
            &json!("bulk-exec"),
            &Value::Null
        ),
        "{ended}"
    );
    assert_eq!(
        ended["progress"],
        json!({"total": 3, "queued": 0, "underWay": 0, "succeeded": 2, "failed": 1})
    );
    let children = stack.children(&id, 2).await;
    let ids: Vec<String> = users.iter().map(|user| user.id.clone()).collect();
    assert_eq!(texts(&children, "userId"), ids, "in the order given");
    assert_eq!(texts(&children, "state"), ["succeeded", "failed", "succeeded"]);
    let codes: Vec<&Value> = children.iter().map(|child| &child["exitCode"]).collect();
    assert_eq!(codes, [&json!(0), &json!(7), &json!(0)]);
    for child in &children {
        let url = child["resultUrl"].as_str().expect("a path");
        let result = stack.get(url).admin().send().await.json(200);
        assert_eq!(
            (&result["state"], &result["exitCode"]),
            (&child["state"], &child["exitCode"])
        );
        let exec = format!(
            "exec.{}.{}",
            child["userId"].as_str().unwrap(),
            child["execId"].as_str().unwrap()
        );
        assert_eq!(stack.indexed(&exec, &format!("parent={id}")).await["parent"], id);
    }
    assert_eq!(
        stack.jobs(&format!("parent={id}")).await["jobs"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    stack.indexed(&id, "kind=bulk-exec&state=failed").await;
}

/// How many spans there were at once, at most.
fn most_at_once(spans: &[(u64, u64)]) -> usize {
    let at = |moment: u64| spans.iter().filter(|(from, to)| (*from..*to).contains(&moment)).count();
    spans.iter().map(|(from, _)| at(*from)).max().unwrap_or(0)
}

async fn no_more_run_at_once_than_was_asked(stack: Arc<Stack>) {
    let users = users(&stack, 5).await;
    let id = stack
        .bulk(&users, json!({"command": "sleep 3", "concurrency": 2}))
        .await;
    until("some are under way", Duration::from_secs(20), async || {
        let progress = stack.job(&id).await["progress"].clone();
        assert!(progress["underWay"].as_u64() <= Some(2), "{progress}");
        (progress["underWay"] == 2).then_some(())
    })
    .await;
    assert_eq!(stack.job_ends(&id).await["state"], "succeeded");
    let mut spans = Vec::new();
    for child in stack.children(&id, 100).await {
        let result = stack
            .get(child["resultUrl"].as_str().expect("a path"))
            .admin()
            .send()
            .await
            .json(200);
        let time = |name: &str| {
            Millis::parse_iso(result[name].as_str().expect("a time"))
                .expect("a time")
                .0
        };
        spans.push((time("startedAt"), time("completedAt")));
    }
    assert_eq!(most_at_once(&spans), 2, "{spans:?}");
}

async fn one_key_is_one_job(stack: Arc<Stack>) {
    let users = users(&stack, 2).await;
    let ids: Vec<&str> = users.iter().map(|user| user.id.as_str()).collect();
    let body = json!({"command": "echo ran >> ~/runs; cat ~/runs", "userIds": ids});
    let key = format!("bulk-{}", uuid::Uuid::new_v4());
    let submit = async |body: &Value| {
        let call = stack.post(BULK).admin().header("idempotency-key", &key);
        call.json(body).send().await
    };
    let replies = join_all((0..20).map(|_| submit(&body))).await;
    let jobs: BTreeSet<String> = replies
        .iter()
        .map(|reply| reply.json(202)["jobId"].to_string())
        .collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let id = replies[0].json(202)["jobId"].as_str().expect("an id").to_owned();
    let ended = stack.job_ends(&id).await;
    assert_eq!(
        submit(&body).await.json(202)["state"],
        ended["state"],
        "also after the end"
    );
    for (name, value) in [
        ("command", json!("echo other")),
        ("concurrency", json!(3)),
        ("userIds", json!([ids[0]])),
    ] {
        let mut other = body.clone();
        other[name] = value;
        submit(&other).await.problem(422, "idempotency_key_reused");
    }
    for user in &users {
        assert_eq!(stack.sh(user, "wc -l < ~/runs").await.trim(), "1");
    }
    assert_eq!(
        stack.jobs(&format!("parent={id}")).await["jobs"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
}

fn sleepers(mark: &str) -> bool {
    processes::all().iter().any(|process| process.command.contains(mark))
}

async fn a_cancel_leaves_no_process(stack: Arc<Stack>) {
    let users = users(&stack, 3).await;
    let body = json!({"command": "setsid sleep 6613 & sleep 6613", "timeoutMs": 900_000, "concurrency": 2});
    let id = stack.bulk(&users, body).await;
    until("two of them run", Duration::from_secs(30), async || {
        let states = texts(&stack.children(&id, 100).await, "state");
        (states == ["running", "running", "queued"]).then_some(())
    })
    .await;
    assert!(sleepers("sleep 6613"));
    let told = stack.call("DELETE", &path(&id)).admin().send().await.json(202);
    assert_eq!(told["jobId"], id);
    let ended = stack.job_ends(&id).await;
    assert_eq!(
        (&ended["state"], &ended["progress"]["failed"]),
        (&json!("cancelled"), &json!(3)),
        "{ended}"
    );
    let children = stack.children(&id, 100).await;
    assert_eq!(texts(&children, "state"), ["cancelled"; 3]);
    assert_eq!(children[2]["execId"], Value::Null, "it was never begun");
    until("no process is left", Duration::from_secs(10), async || {
        (!sleepers("sleep 6613")).then_some(())
    })
    .await;
    let again = stack.call("DELETE", &path(&id)).admin().send().await.json(202);
    assert_eq!(again, ended, "what has ended stays as it is");
}

async fn failures_stop_what_has_not_begun(stack: Arc<Stack>) {
    let users = users(&stack, 3).await;
    let body = json!({"argv": ["sh", "-c", "exit 3"], "concurrency": 1, "stopAfterFailures": 1});
    let id = stack.bulk(&users, body).await;
    let ended = stack.job_ends(&id).await;
    assert_eq!(
        (&ended["state"], &ended["title"]),
        (&json!("failed"), &json!("sh -c exit 3")),
        "{ended}"
    );
    let children = stack.children(&id, 100).await;
    assert_eq!(texts(&children, "state"), ["failed", "rejected", "rejected"]);
    assert_eq!(
        (&children[0]["exitCode"], &children[1]["exitCode"]),
        (&json!(3), &Value::Null)
    );
    assert!(children[1]["error"].is_string(), "{children:?}");
}

async fn what_does_not_fit_is_named(stack: Arc<Stack>) {
    let (ada, nobody) = (stack.seeded("Ada").id, uuid::Uuid::new_v4());
    let many: Vec<String> = (0..1001).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for (body, field) in [
        (json!({}), "command"),
        (json!({"command": "a", "argv": ["a"]}), "argv"),
        (json!({"command": 1}), "command"),
        (json!({"command": "a", "timeoutMs": 0}), "timeoutMs"),
        (
            json!({"command": "a", "limits": {"cpuSeconds": 0}}),
            "limits.cpuSeconds",
        ),
        (json!({"command": "a", "env": {"MOLT_A": "b"}}), "env"),
        (json!({"command": "a", "user": "b"}), "user"),
        (json!({"command": "a", "concurrency": 0}), "concurrency"),
        (json!({"command": "a", "concurrency": 51}), "concurrency"),
        (json!({"command": "a", "concurrency": "2"}), "concurrency"),
        (json!({"command": "a", "stopAfterFailures": 0}), "stopAfterFailures"),
        (json!({"command": "a", "userIds": []}), "userIds"),
        (json!({"command": "a", "userIds": "all"}), "userIds"),
        (json!({"command": "a", "userIds": many}), "userIds"),
        (json!({"command": "a", "userIds": [ada, "x"]}), "userIds[1]"),
        (json!({"command": "a", "userIds": [ada, nobody]}), "userIds[1]"),
        (
            json!({"command": "a", "userIds": [ada, ada.to_uppercase()]}),
            "userIds[1]",
        ),
    ] {
        let refused = stack.post(BULK).admin().json(&body).send().await;
        let shown: String = body.to_string().chars().take(120).collect();
        assert_eq!(refused.problem(400, "invalid_request")["field"], field, "{shown}");
    }
    let call = stack.post(BULK).admin().header("idempotency-key", "a key");
    let refused = call.json(&json!({"command": "a", "userIds": [ada]})).send().await;
    assert_eq!(refused.problem(400, "invalid_request")["field"], "Idempotency-Key");
    stack.get(BULK).admin().send().await.problem(405, "method_not_allowed");
    let (_, reader) = stack.admin_key("reads jobs", &["exec:read"]).await;
    let call = stack.post(BULK).header("x-admin-secret", &reader);
    call.json(&json!({"command": "a"}))
        .send()
        .await
        .problem(403, "scope_missing");
}

async fn its_trail_is_sound(stack: Arc<Stack>) {
    let users = users(&stack, 2).await;
    let secret = "planted-secret-in-a-bulk";
    used("a secret in a command", secret);
    let body =
        json!({"command": format!("export API_TOKEN={secret}; sleep 600"), "stdin": secret, "env": {"TOKEN": secret}});
    let id = stack.bulk(&users, body).await;
    for _ in 0..2 {
        stack.call("DELETE", &path(&id)).admin().send().await.expect(202);
    }
    stack.job_ends(&id).await;
    let noted = async || {
        let sql =
            format!("SELECT action, detail FROM audit WHERE chain = 'control-plane' AND target = '{id}' ORDER BY seq");
        stack.sql(&sql).await
    };
    let rows = until("both are noted", Duration::from_secs(30), async || {
        let rows = noted().await;
        (rows.len() >= 2).then_some(rows)
    })
    .await;
    assert_eq!(
        texts(&rows, "action"),
        ["bulk.submitted", "bulk.cancelled"],
        "each once"
    );
    let detail = rows[0]["detail"].as_str().expect("text");
    let detail: Value = serde_json::from_str(detail).expect("JSON");
    assert_eq!(
        (&detail["users"], &detail["variables"]),
        (&json!(2), &json!(["TOKEN"])),
        "{detail}"
    );
    assert!(!detail.to_string().contains(secret), "{detail}");
    let report = stack
        .get("/api/super/audit/verify?chain=control-plane")
        .admin()
        .send()
        .await
        .json(200);
    assert_eq!(report["verified"], true, "{report}");
}

/// On a stack of its own: the runtime of the workers dies while parts wait, are being handed over, and run.
async fn a_killed_runtime_runs_no_part_twice() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let users = users(&stack, 4).await;
    let body = json!({"command": "echo ran >> ~/runs; sleep 5; wc -l < ~/runs", "concurrency": 2});
    let id = stack.bulk(&users, body).await;
    until("a part runs", Duration::from_secs(30), async || {
        let states = texts(&stack.children(&id, 100).await, "state");
        states.iter().any(|state| state == "running").then_some(())
    })
    .await;
    let workers = stack.ready.process("workers");
    for process in processes::tree(workers) {
        if process.command.contains("workerd serve") {
            Launch::signal(process.pid, Signal::SIGKILL);
        }
    }
    let ended = stack.job_ends(&id).await;
    let children = stack.children(&id, 100).await;
    let mut lost = 0;
    for child in &children {
        let url = child["resultUrl"]
            .as_str()
            .unwrap_or_else(|| panic!("not begun: {child}"));
        let result = stack.get(url).admin().send().await.json(200);
        // A container that the new runtime did not take over took the part with it: then that is what is said.
        if child["state"] == "lost" {
            lost += 1;
            assert_eq!(child["exitCode"], Value::Null, "{child}");
            continue;
        }
        assert_eq!(
            (&child["state"], &child["exitCode"]),
            (&json!("succeeded"), &json!(0)),
            "{child}"
        );
        assert_eq!(
            result["stdout"].as_str().map(str::trim),
            Some("1"),
            "it ran once: {result}"
        );
    }
    println!(
        "{lost} of {} were lost with their containers: {}",
        children.len(),
        ended["error"]
    );
    assert!(lost <= 2, "those that had not begun run afterwards: {children:?}");
    let submitted = until("the index has them all", Duration::from_secs(20), async || {
        let listed = stack.jobs(&format!("parent={id}")).await["jobs"].as_array()?.clone();
        (listed.len() >= users.len()).then_some(listed)
    })
    .await;
    let whose: BTreeSet<String> = texts(&submitted, "userId").into_iter().collect();
    assert_eq!(
        (submitted.len(), whose.len()),
        (4, 4),
        "one command for each: {submitted:?}"
    );
    stack.stop().await.assert_clean();
}
