//! Root keys are replaced, and lost.

use crate::world::{answer, beyond_supervisors, holding, masked, set, value};
use e2e_tests::people::User;
use e2e_tests::rotation::configure;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::time::Duration;

/// A changed secret is in force, and the runtime is another one, within this.
const RELOAD: Duration = Duration::from_secs(90);

fn ring(current: &str, keys: &[(&str, &str)]) -> Value {
    let keys: serde_json::Map<String, Value> = keys.iter().map(|(id, key)| ((*id).to_owned(), json!(key))).collect();
    json!({"current": current, "keys": keys})
}

/// Puts a ring into force, and waits until what is listed is as wanted.
async fn with(stack: &Stack, users: &[&User], ring: &Value, wanted: impl Fn(&Value) -> bool) {
    configure(
        stack,
        &["container-gateway"],
        &[("MOLT_SECRET_KEYS", &ring.to_string())],
    );
    for user in users {
        until(
            "the ring is in force, and the secrets are as it says",
            RELOAD,
            async || {
                let reply = stack.get(&user.path("/secrets")).admin().attempt().await.ok()?;
                let listed: Value = serde_json::from_str(&reply.text()).ok()?;
                let all = listed["secrets"].as_array()?;
                let ready = listed["currentKeyId"] == ring["current"] && !all.is_empty() && all.iter().all(&wanted);
                ready.then_some(())
            },
        )
        .await;
    }
}

pub async fn a_replaced_root_key_seals_again_and_a_lost_one_is_told() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let (rests, runs) = (stack.new_user().await, stack.new_user().await);
    stack.awake(&runs).await;
    let (key, token) = (value(), value());
    for user in [&rests, &runs] {
        set(&stack, user, "OPENAI_API_KEY", &key).await.expect(201);
        set(&stack, user, "LINE_CHANNEL_SECRET", &token).await.expect(201);
    }
    let first = stack.secrets.secret_keys.clone();
    let first_key = first["keys"]["k1"].as_str().expect("a key");
    let (second_key, other_key) = ("s".repeat(43), "o".repeat(43));
    let users = [&rests, &runs];
    let sealed_under = |id: &'static str| move |secret: &Value| secret["keyId"] == id && secret["readable"] == true;

    let both = ring("k2", &[("k1", first_key), ("k2", &second_key)]);
    with(&stack, &users, &both, sealed_under("k2")).await;
    // Nothing is left that the first key opens.
    let second = ring("k2", &[("k2", &second_key)]);
    with(&stack, &users, &second, sealed_under("k2")).await;
    let listed = answer(&stack, &rests).await;
    assert_eq!(
        (&listed["secrets"][0]["masked"], &listed["secrets"][1]["masked"]),
        (&json!(masked(&token)), &json!(masked(&key))),
        "{listed}"
    );
    // The key is lost: they are told, used for nothing, and not written over.
    let lost = ring("k3", &[("k3", &other_key)]);
    with(&stack, &users, &lost, |secret| {
        secret["readable"] == false && secret["keyId"] == "k2" && secret["masked"] == "••••"
    })
    .await;
    until("it is in a log", Duration::from_secs(30), async || {
        let logs = stack.logs();
        let told = logs.iter().any(|log| {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            text.lines()
                .any(|line| line.contains("secret_unreadable") && line.contains("LINE_CHANNEL_SECRET"))
        });
        told.then_some(())
    })
    .await;
    let again = value();
    set(&stack, &runs, "OPENAI_API_KEY", &again).await.expect(200);
    let listed = answer(&stack, &runs).await;
    assert_eq!(
        (&listed["secrets"][1]["readable"], &listed["secrets"][1]["keyId"]),
        (&json!(true), &json!("k3")),
        "what is set again counts: {listed}"
    );
    // It comes back, and with it what it opens.
    let back = ring("k3", &[("k2", &second_key), ("k3", &other_key)]);
    with(&stack, &users, &back, sealed_under("k3")).await;
    let listed = answer(&stack, &rests).await;
    assert_eq!(listed["secrets"][1]["masked"], masked(&key), "{listed}");
    let query = format!(
        "SELECT actor, detail FROM audit WHERE chain = 'sandbox:{}' AND action = 'sandbox.secrets_resealed'",
        rests.id
    );
    let rows = until(
        "both times are in the audit trail",
        Duration::from_secs(30),
        async || {
            let rows = stack.sql(&query).await;
            (rows.len() == 2).then_some(rows)
        },
    )
    .await;
    assert_eq!(rows[0]["actor"], "system", "{rows:?}");
    for value in [&key, &again] {
        let found = holding(&stack.ready.state_dir, value);
        assert!(found.is_empty(), "{found:?}");
    }
    let found = beyond_supervisors(&stack.ready.state_dir, &token);
    assert!(found.is_empty(), "{found:?}");
    stack.stop().await.assert_clean();
}
