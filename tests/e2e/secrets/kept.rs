//! What is kept, and what is not: a value is nowhere in clear.

use crate::world::{beyond_supervisors, holding, list, names, remove, set, value};
use e2e_tests::changes::ended;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Rows of the audit trail about a user's secrets, when all that is expected has been copied.
async fn notes(stack: &Stack, user: &User, actions: &[&str]) -> Vec<Value> {
    let query = format!(
        "SELECT action, actor, target, detail FROM audit WHERE chain = 'sandbox:{}' AND action GLOB 'sandbox.secret*' ORDER BY seq",
        user.id
    );
    until("the audit trail is copied", Duration::from_secs(30), async || {
        let rows = stack.sql(&query).await;
        let there: Vec<&str> = rows.iter().filter_map(|row| row["action"].as_str()).collect();
        (there == actions).then_some(rows)
    })
    .await
}

pub async fn a_value_is_in_no_file_row_or_export(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let (key, former, token) = (value(), value(), value());
    set(&stack, &user, "OPENAI_API_KEY", &former).await.expect(201);
    set(&stack, &user, "OPENAI_API_KEY", &key).await.expect(200);
    set(&stack, &user, "MATRIX_PASSWORD", &token).await.expect(201);
    let set = ["sandbox.secret_set"; 3];
    notes(&stack, &user, &set).await;
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("user.tar");
    stack
        .molt(&["users", "export", &user.id, "--to", to.to_str().expect("a path")])
        .await
        .done();
    assert_eq!(holding(folder.path(), "MATRIX_PASSWORD"), [to], "the export names it");
    let state = &stack.ready.state_dir;
    let objects = holding(state, "MATRIX_PASSWORD");
    assert!(
        objects.iter().any(|file| file.to_string_lossy().contains("sqlite")),
        "the search reads what objects keep: {objects:?}"
    );
    for value in [&key, &former, &token] {
        assert_eq!(holding(folder.path(), value), Vec::<std::path::PathBuf>::new());
    }
    for value in [&key, &former] {
        assert_eq!(holding(state, value), Vec::<std::path::PathBuf>::new());
    }
    assert_eq!(beyond_supervisors(state, &token), Vec::<std::path::PathBuf>::new());
}

pub async fn every_change_is_in_the_audit_trail_without_its_value(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let values = [value(), value()];
    for value in &values {
        assert!(set(&stack, &user, "SLACK_BOT_TOKEN", value).await.status < 300);
    }
    remove(&stack, &user, "SLACK_BOT_TOKEN").await.expect(200);
    let actions = ["sandbox.secret_set", "sandbox.secret_set", "sandbox.secret_removed"];
    let rows = notes(&stack, &user, &actions).await;
    for (row, replaced) in rows.iter().zip([json!(false), json!(true), Value::Null]) {
        assert_eq!(
            (&row["actor"], &row["target"]),
            (&json!("bootstrap"), &json!("SLACK_BOT_TOKEN")),
            "{row}"
        );
        let detail: Value = serde_json::from_str(row["detail"].as_str().expect("a text")).expect("JSON");
        assert_eq!(
            (&detail["use"], &detail["replaced"]),
            (&json!("channel"), &replaced),
            "{row}"
        );
        for value in &values {
            let text = row.to_string();
            assert!(!text.contains(&value[value.len() - 4..]), "{text}");
        }
    }
    let chain = format!("sandbox:{}", user.id);
    stack.molt(&["audit", "verify", "--chain", &chain]).await.done();
}

pub async fn a_removed_user_takes_his_secrets_with_him(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    set(&stack, &user, "DISCORD_BOT_TOKEN", &value()).await.expect(201);
    notes(&stack, &user, &["sandbox.secret_set"]).await;
    let path = user.path("");
    let asked = stack.call("DELETE", &path).admin().send().await;
    let asked = asked.problem(409, "confirmation_required");
    let confirm = json!({"confirm": asked["confirm"]});
    let call = stack.call("DELETE", &path).admin().json(&confirm);
    let accepted = call.send().await.json(202);
    let job = accepted["jobId"].as_str().expect("an id").to_owned();
    ended(&stack.job_ends(&job).await, "succeeded");
    let report = stack.get(&user.path("/removal")).admin().send().await.json(200);
    let places = report["places"].as_array().expect("places");
    let records = places
        .iter()
        .find(|one| one["place"] == "records")
        .unwrap_or_else(|| panic!("{report}"));
    assert_eq!(records["left"], 0, "{report}");
    // The same person comes again, and nothing of before is there.
    let again = User {
        token: stack.sign(&stack.claims(&user.id)),
        ..user.clone()
    };
    until("he is a user again", Duration::from_secs(60), async || {
        let reply = stack.get("/_molt/boot").user(&again).send().await;
        (reply.status == 200).then_some(())
    })
    .await;
    assert!(names(&stack, &again).await.is_empty());
    set(&stack, &again, "DISCORD_BOT_TOKEN", &value()).await.expect(201);
    assert_eq!(list(&stack, &again).await[0]["readable"], true);
}
