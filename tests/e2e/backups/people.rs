//! Users whom operators create, and those who are removed.

use e2e_tests::changes::ended;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn an_operator_creates_and_renames(stack: Arc<Stack>) {
    let id = uuid::Uuid::new_v4().to_string();
    let create = |name: &str| {
        stack
            .post("/api/super/users")
            .admin()
            .json(&json!({"userId": id, "name": name, "tier": 2}))
            .send()
    };
    create("\u{202e}x").await.names_field("name");
    let made = create("Grace").await.json(201);
    assert_eq!(
        (&made["name"], &made["tier"], &made["status"]),
        (&json!("Grace"), &json!(2), &json!("active"))
    );
    create("Grace").await.problem(409, "user_exists");
    let path = format!("/api/super/users/{id}");
    let change = |body: Value| stack.call("PATCH", &path).admin().json(&body).send();
    change(json!({})).await.names_field("body");
    let changed = change(json!({"name": "Grace H.", "email": "G@Example.test"}))
        .await
        .json(200);
    assert_eq!(
        (&changed["name"], &changed["email"]),
        (&json!("Grace H."), &json!("g@example.test"))
    );
    let changed = change(json!({"email": null})).await.json(200);
    assert_eq!(
        (&changed["name"], &changed["email"]),
        (&json!("Grace H."), &Value::Null)
    );
}

pub async fn a_removed_user_leaves_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "echo secret > a.txt").await;
    ended(&stack.changed(&user, "POST", "backups", &json!({})).await, "succeeded");
    let path = user.path("");
    let asked = stack
        .call("DELETE", &path)
        .admin()
        .send()
        .await
        .problem(409, "confirmation_required");
    stack.get(&path).admin().send().await.expect(200);
    let confirm = json!({"confirm": asked["confirm"]});
    let accepted = stack
        .call("DELETE", &path)
        .admin()
        .json(&confirm)
        .send()
        .await
        .json(202);
    let id = accepted["jobId"].as_str().expect("an id").to_owned();
    stack
        .call("DELETE", &format!("/api/super/jobs/{id}"))
        .admin()
        .send()
        .await
        .problem(409, "not_cancellable");
    ended(&stack.job_ends(&id).await, "succeeded");
    let report = stack.get(&user.path("/removal")).admin().send().await.json(200);
    let places = report["places"].as_array().expect("places");
    assert_eq!(places.len(), 7, "{report}");
    let removed = |place: &str| {
        let found = places
            .iter()
            .find(|one| one["place"] == place)
            .unwrap_or_else(|| panic!("{place}: {report}"));
        assert_eq!(found["left"], 0, "{report}");
        found["removed"].as_u64().unwrap_or_default()
    };
    for place in ["sandbox", "records", "snapshots", "commands", "database"] {
        assert!(removed(place) > 0, "{place}: {report}");
    }
    removed("older_backups");
    removed("sessions");
    stack.get(&path).admin().send().await.problem(404, "unknown_user");
    let states = format!("SELECT * FROM sandbox_states WHERE user_id = '{}'", user.id);
    assert!(stack.sql(&states).await.is_empty());
    let audit = format!(
        "SELECT * FROM audit WHERE chain IN ('exec:{0}', 'sandbox:{0}')",
        user.id
    );
    assert!(stack.sql(&audit).await.is_empty());
    stack.engine.none(&user).await;
}

pub async fn an_export_holds_rows_and_files(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.sh(&user, "mkdir -p notes; echo mine > notes/a.txt").await;
    ended(&stack.changed(&user, "POST", "backups", &json!({})).await, "succeeded");
    for level in ["info", "warn"] {
        let patch = json!({"logging": {"level": level}});
        let patched = stack.call("PATCH", &user.path("/config")).admin().json(&patch).send();
        patched.await.expect(200);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("user.tar");
    stack
        .molt(&["users", "export", &user.id, "--to", to.to_str().expect("a path")])
        .await
        .done();
    let listed = std::process::Command::new("tar")
        .arg("-tf")
        .arg(&to)
        .output()
        .expect("tar");
    assert!(listed.status.success(), "{listed:?}");
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    for name in [
        "moltworker-export/user.json",
        "moltworker-export/configuration.json",
        "moltworker-export/snapshots/",
        "moltworker-export/commands/0.jsonl",
        "notes/a.txt",
    ] {
        assert!(names.contains(name), "{name}: {names}");
    }
    let versions = std::process::Command::new("tar")
        .arg("-xOf")
        .args([&to])
        .arg("moltworker-export/configuration/below-all.jsonl")
        .output()
        .expect("tar");
    let versions: Vec<Value> = String::from_utf8_lossy(&versions.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let newest = versions.first().expect("a version");
    assert_eq!(newest["version"]["source"], "api", "{newest}");
    assert_eq!(newest["steps"][0]["path"], "/logging/level", "{newest}");
    assert_eq!(newest["steps"][0]["value"], "warn", "{newest}");
}
