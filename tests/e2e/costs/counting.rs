//! What is counted: the same in the object, in the lists, and where it happened.

use crate::world::{PRICES, budget, calls, cost_that, stub};
use e2e_tests::provider_stub::TOKENS;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub async fn calls_and_tokens_are_those_of_the_object_and_of_the_provider(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    for model in ["plain", "plain", "paced-1-1", "status-500"] {
        stack.chat(&user, "openai", model).await;
    }
    stack.chat(&user, "anthropic", "plain").await;
    let cost = cost_that(&stack, &user, "all of it is told", |cost| {
        let ended = |provider| {
            let found = calls(&cost["total"], provider, false);
            found
                .is_some_and(|one| one["unended"]["value"] == 0)
                .then(|| calls(&cost["total"], provider, false))
        };
        let requests = |provider| ended(provider).flatten().map(|one| one["requests"]["value"].clone());
        requests("openai") == Some(json!(4)) && requests("anthropic") == Some(json!(1))
    })
    .await;
    let openai = calls(&cost["total"], "openai", false).expect("calls");
    assert_eq!(openai["requests"], json!({"value": 4, "basis": "measured"}));
    assert_eq!(openai["failed"]["value"], 1);
    // Three answers stated tokens, two of them of a model with a price.
    assert_eq!(openai["inputTokens"]["value"], 3 * TOKENS.0, "{openai}");
    assert_eq!(openai["outputTokens"]["value"], 3 * TOKENS.1, "{openai}");
    let dollars = 2 * (TOKENS.0 * PRICES.0 + TOKENS.1 * PRICES.1) / 1_000_000;
    assert_eq!(
        (&openai["microUsd"]["value"], &openai["microUsd"]["basis"]),
        (&json!(dollars), &json!("estimated"))
    );
    let note = openai["microUsd"]["note"].as_str().unwrap_or_default();
    assert!(note.contains("1 calls"), "{note}");
    let sent: u64 = stub()
        .seen(&user.id)
        .iter()
        .filter(|seen| seen.target.starts_with("/v1/chat"))
        .map(|seen| seen.length)
        .sum();
    let told = openai["requestBytes"]["value"].as_u64().expect("a number");
    let others = calls(&cost["total"], "anthropic", false).expect("calls")["requestBytes"]["value"].as_u64();
    assert_eq!(told + others.expect("a number"), sent, "{openai}");
    let anthropic = calls(&cost["total"], "anthropic", false).expect("calls");
    assert_eq!(
        (
            &anthropic["microUsd"]["value"],
            anthropic["microUsd"]["note"].is_string()
        ),
        (&Value::Null, true)
    );

    // The object, the rows and the day say the same.
    let used = budget(&stack, &user).await["used"].clone();
    let all = 4 * (TOKENS.0 + TOKENS.1);
    assert_eq!((&used["requestsToday"], &used["tokensToday"]), (&json!(5), &json!(all)));
    let rows = stack
        .sql(&format!("SELECT SUM(requests) AS requests, SUM(input_tokens + output_tokens) AS tokens FROM usage_days WHERE user_id = '{}'", user.id))
        .await;
    assert_eq!((&rows[0]["requests"], &rows[0]["tokens"]), (&json!(5), &json!(all)));
    let days = cost["days"].as_array().expect("days");
    assert_eq!(
        calls(&days.last().expect("a day")["bill"], "openai", false),
        Some(openai)
    );
    // A question about one provider has nothing of another, nor of containers.
    let one = stack
        .get(&user.path("/cost?provider=anthropic"))
        .admin()
        .send()
        .await
        .json(200);
    assert_eq!(calls(&one["total"], "openai", false), None);
    assert_eq!(one["total"]["containers"], json!([]));
    let as_before = stack
        .get(&format!("/api/super/cost/users/{}?provider=anthropic", user.id))
        .admin()
        .send()
        .await;
    assert_eq!(as_before.json(200), one);
}

pub async fn what_a_user_pays_himself_is_told_apart(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let own = json!({"value": "sk-his-own-key-of-the-provider"});
    let set = stack
        .call("PUT", &user.path("/secrets/OPENAI_API_KEY"))
        .admin()
        .json(&own);
    assert!(set.send().await.status < 300);
    assert_eq!(stack.chat(&user, "openai", "plain").await.status, 200);
    let seen = stub().seen(&user.id);
    assert_eq!(
        seen[0].header("authorization"),
        Some("Bearer sk-his-own-key-of-the-provider")
    );
    let cost = cost_that(&stack, &user, "it is told", |cost| {
        calls(&cost["total"], "openai", true).is_some_and(|one| one["unended"]["value"] == 0)
    })
    .await;
    let his = calls(&cost["total"], "openai", true).expect("calls");
    assert_eq!(
        (&his["requests"]["value"], &his["microUsd"]["value"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(calls(&cost["total"], "openai", false), None);
    assert!(
        cost["total"]["total"]["atLeastMicroUsd"].get("note").is_none(),
        "{cost}"
    );
}

pub async fn a_removal_leaves_nothing_and_an_export_holds_it(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    stack.chat(&user, "openai", "plain").await;
    cost_that(&stack, &user, "it is told", |cost| {
        calls(&cost["total"], "openai", false).is_some()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("user.tar");
    let to = to.to_str().expect("a path");
    stack.molt(&["users", "export", &user.id, "--to", to]).await.done();
    let told = std::process::Command::new("tar")
        .args(["-xOf", to, "--wildcards", "moltworker-export/usage/*"])
        .output()
        .expect("tar");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let row: Value = serde_json::from_str(told.lines().next().unwrap_or_default()).expect("a row");
    assert_eq!(
        (&row["provider"], &row["requests"]),
        (&json!("openai"), &json!(1)),
        "{told}"
    );

    stack.molt(&["users", "remove", &user.id, "--yes"]).await.done();
    let left = format!(
        "SELECT (SELECT COUNT(*) FROM usage_days WHERE user_id = '{0}') + (SELECT COUNT(*) FROM container_days WHERE user_id = '{0}') \
         + (SELECT COUNT(*) FROM storage_days WHERE user_id = '{0}') AS rows",
        user.id
    );
    until("nothing is left of him", Duration::from_secs(20), async || {
        (stack.sql(&left).await[0]["rows"] == 0).then_some(())
    })
    .await;
    stack
        .get(&user.path("/cost"))
        .admin()
        .send()
        .await
        .problem(404, "unknown_user");
}
