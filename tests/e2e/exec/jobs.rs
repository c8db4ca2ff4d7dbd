//! The list of jobs, and one job by its id.

use e2e_tests::harness::Group;
use e2e_tests::jobs::{of_exec, path};
use e2e_tests::processes;
use e2e_tests::secrets::used;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![
        group.shared("jobs::the_index_follows_a_command", the_index_follows_a_command),
        group.shared("jobs::pages_go_from_new_to_old", pages_go_from_new_to_old),
        group.shared(
            "jobs::a_command_is_cancelled_by_its_job",
            a_command_is_cancelled_by_its_job,
        ),
        group.shared("jobs::what_is_asked_wrongly_is_named", what_is_asked_wrongly_is_named),
        group.alone(
            "jobs::without_the_index_commands_go_on_and_it_is_told_later",
            without_the_index_commands_go_on_and_it_is_told_later,
        ),
    ]
}

async fn the_index_follows_a_command(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let secret = "planted-secret-in-a-title";
    used("a secret in a command", secret);
    let command = format!("echo one\nexport API_TOKEN={secret}; sleep 4; echo two");
    let accepted = stack.submit(&user, &json!({"command": command})).await;
    let id = of_exec(&accepted);
    stack.exec_reaches(&accepted, "running").await;
    let of_user = format!("user={}", user.id);
    let running = stack.indexed(&id, &format!("{of_user}&state=running&kind=exec")).await;
    assert_eq!(
        (&running["status"], &running["completedAt"], &running["parent"]),
        (&json!("running"), &Value::Null, &Value::Null),
        "{running}"
    );
    let title = running["title"].as_str().expect("a title");
    assert!(
        title.starts_with("echo one export API_TOKEN=") && !title.contains(secret),
        "{title}"
    );
    let ended = stack.job_ends(&id).await;
    assert_eq!(
        (&ended["state"], &ended["userId"]),
        (&json!("succeeded"), &json!(user.id)),
        "{ended}"
    );
    stack.indexed(&id, &of_user).await;
    let result = ended["resultUrl"].as_str().expect("a path");
    assert_eq!(stack.get(result).admin().send().await.json(200)["stdout"], "one\ntwo\n");
    assert_eq!(stack.jobs(&format!("{of_user}&state=running")).await["jobs"], json!([]));
}

async fn pages_go_from_new_to_old(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let accepted = stack.submit(&user, &json!({"command": format!("echo {number}")})).await;
        ids.push(of_exec(&accepted));
    }
    ids.reverse();
    let of_user = format!("user={}", user.id);
    for id in &ids {
        stack.job_ends(id).await;
        stack.indexed(id, &of_user).await;
    }
    let named = |page: &Value| -> Vec<String> {
        let jobs = page["jobs"].as_array().expect("a list");
        jobs.iter()
            .map(|job| job["jobId"].as_str().expect("an id").to_owned())
            .collect()
    };
    for limit in [1, 2, 4, 5, 6] {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = stack.jobs(&format!("{of_user}&limit={limit}{cursor}")).await;
            seen.extend(named(&page));
            pages += 1;
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, ids, "pages of {limit}");
        assert_eq!(pages, 5_usize.div_ceil(limit), "a full last page is the last one");
    }
    let third = stack.job(&ids[2]).await["createdAt"]
        .as_str()
        .expect("a time")
        .to_owned();
    assert_eq!(named(&stack.jobs(&format!("{of_user}&since={third}")).await), ids[..3]);
}

async fn a_command_is_cancelled_by_its_job(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let accepted = stack
        .submit(&user, &json!({"command": "setsid sleep 7411 & sleep 7411"}))
        .await;
    let id = of_exec(&accepted);
    stack.exec_reaches(&accepted, "running").await;
    let told = stack.call("DELETE", &path(&id)).admin().send().await.json(202);
    assert_eq!(told["jobId"], id);
    let ended = stack.job_ends(&id).await;
    assert_eq!(ended["state"], "cancelled", "{ended}");
    until("no process of it is left", Duration::from_secs(10), async || {
        let left = processes::all()
            .into_iter()
            .any(|process| process.command.contains("sleep 7411"));
        (!left).then_some(())
    })
    .await;
    let again = stack.call("DELETE", &path(&id)).admin().send().await.json(202);
    assert_eq!(again, ended, "what has ended stays as it is");
    stack.indexed(&id, &format!("user={}&state=cancelled", user.id)).await;
}

async fn what_is_asked_wrongly_is_named(stack: Arc<Stack>) {
    for (query, field) in [
        ("kind=other", "kind"),
        ("user=me", "user"),
        ("state=completed", "state"),
        ("parent=exec.fleet.a", "parent"),
        ("since=yesterday", "since"),
        ("cursor=1-x", "cursor"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
    ] {
        let refused = stack.get(&format!("/api/super/jobs?{query}")).admin().send().await;
        assert_eq!(refused.problem(400, "invalid_request")["field"], field, "{query}");
    }
    let nobody = uuid::Uuid::new_v4();
    for method in ["GET", "DELETE"] {
        for bad in [
            "x",
            "exec.fleet.a",
            "other.fleet.a",
            "bulk-exec.fleet.a%20b",
            &format!("exec.{nobody}."),
        ] {
            let refused = stack.call(method, &path(bad)).admin().send().await;
            assert_eq!(refused.problem(400, "invalid_request")["field"], "id", "{method} {bad}");
        }
        for unknown in [format!("exec.{nobody}.none"), "bulk-exec.fleet.none".to_owned()] {
            let refused = stack.call(method, &path(&unknown)).admin().send().await;
            refused.problem(404, "unknown_job");
        }
    }
    let children = stack
        .get(&format!("{}/children", path("bulk-exec.fleet.none")))
        .admin()
        .send()
        .await;
    children.problem(404, "unknown_job");
    let (_, reader) = stack.admin_key("reads jobs", &["exec:read"]).await;
    let with_key = |method: &str, path: &str| stack.call(method, path).header("x-admin-secret", &reader);
    with_key("GET", "/api/super/jobs?limit=1").send().await.expect(200);
    let refused = with_key("DELETE", &path("bulk-exec.fleet.none")).send().await;
    refused.problem(403, "scope_missing");
}

/// On a stack of its own: the table of the index is taken away for a while.
async fn without_the_index_commands_go_on_and_it_is_told_later() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    stack.sql("ALTER TABLE jobs RENAME TO jobs_away").await;
    let accepted = stack.submit(&ada, &json!({"command": "echo a; sleep 3"})).await;
    assert_eq!(stack.outcome(&accepted).await["state"], "succeeded");
    let bulk = stack
        .bulk(&[ada.clone(), stack.seeded("Ben")], json!({"command": "echo b"}))
        .await;
    assert_eq!(stack.job_ends(&bulk).await["state"], "succeeded");
    stack
        .get("/api/super/jobs")
        .admin()
        .send()
        .await
        .problem(500, "internal_error");
    stack.sql("ALTER TABLE jobs_away RENAME TO jobs").await;
    for id in [of_exec(&accepted), bulk] {
        until("the index was told", Duration::from_secs(30), async || {
            let listed = stack.jobs("state=succeeded").await;
            let jobs = listed["jobs"].as_array()?.clone();
            jobs.into_iter().find(|job| job["jobId"] == id)
        })
        .await;
    }
    stack.stop().await.assert_clean();
}
