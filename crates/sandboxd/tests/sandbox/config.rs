//! The agent's configuration as the edge reads and changes it.

use molt_common::agent_config::hash;
use molt_common::control::config::{Applied, ConfigEdited, ConfigNow, code};
use molt_common::control::{ControlError, SupervisorPhase, env};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Sandbox, eventually};

const WAITS: [(&str, &str); 1] = [(env::CONFIG, "wait")];

async fn now(sandbox: &Sandbox) -> ConfigNow {
    let answer = sandbox.control(Method::GET, "/v1/config").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

async fn put(sandbox: &Sandbox, body: Value) -> reqwest::Response {
    let asked = sandbox.control(Method::PUT, "/v1/config").json(&body);
    asked.send().await.unwrap()
}

async fn patch(sandbox: &Sandbox, patch: Value) -> ConfigEdited {
    let answer = put(sandbox, json!({"change": {"change": "patch", "patch": patch}})).await;
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn refused(answer: reqwest::Response) -> (u16, ControlError) {
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn file(sandbox: &Sandbox) -> Value {
    let text = std::fs::read_to_string(sandbox.home().join(".openclaw/openclaw.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

async fn hand_over(sandbox: &Sandbox, id: &str, document: Value, base: Value) -> reqwest::Response {
    let body = json!({"id": id, "document": document, "base": base, "known": []});
    eventually(|| async {
        let asked = sandbox.control(Method::PUT, "/v1/config/handed").json(&body);
        asked.send().await.ok()
    })
    .await
}

#[tokio::test]
async fn a_change_goes_through_the_agent_and_is_told() {
    let sandbox = Sandbox::ready().await;
    assert_eq!(now(&sandbox).await.document, json!({}));
    let edited = patch(&sandbox, json!({"logging": {"level": "debug"}})).await;
    assert_eq!(
        (edited.applied, &edited.now.document),
        (Applied::Hot, &json!({"logging": {"level": "debug"}}))
    );
    assert_eq!(edited.now.hash, hash(&edited.now.document));
    let disk = file(&sandbox);
    assert!(disk["meta"]["lastTouchedAt"].is_u64(), "the agent wrote it: {disk}");
    assert_eq!(disk["gateway"]["auth"]["mode"], "trusted-proxy");
    assert_eq!(
        patch(&sandbox, json!({"gateway": {"reload": {"mode": "hot"}}}))
            .await
            .applied,
        Applied::Restarting
    );
    assert_eq!(patch(&sandbox, json!({})).await.applied, Applied::Unchanged);
    let status = sandbox.status().await.config.unwrap();
    assert_eq!(status.hash, Some(now(&sandbox).await.hash));
    assert!(!status.waits);
}

#[tokio::test]
async fn what_is_refused_changes_nothing_and_says_why() {
    let sandbox = Sandbox::ready().await;
    patch(&sandbox, json!({"ui": {"a": 1}})).await;
    let before = file(&sandbox);
    let change = |patch: Value| json!({"change": {"change": "patch", "patch": patch}});
    let invalid = refused(put(&sandbox, change(json!({"bogus": {}}))).await).await;
    assert_eq!((invalid.0, invalid.1.code.as_str()), (422, code::INVALID));
    assert!(invalid.1.error.contains("Unrecognized key: \"bogus\""), "{invalid:?}");
    let locked = refused(put(&sandbox, change(json!({"gateway": {"port": 1}}))).await).await;
    assert_eq!((locked.0, locked.1.code.as_str()), (400, "invalid_request"));
    assert!(locked.1.error.contains("gateway.port"), "{locked:?}");
    let secret = change(json!({"channels": {"telegram": {"botToken": "12345:abcdefghijklmnop"}}}));
    let secret = refused(put(&sandbox, secret).await).await;
    assert!(
        secret.0 == 400 && secret.1.error.contains("channels.telegram.botToken"),
        "{secret:?}"
    );
    let mut moved = change(json!({"ui": {"a": 2}}));
    moved["base"] = hash(&json!({"ui": {"a": 0}})).into();
    let moved = refused(put(&sandbox, moved).await).await;
    assert_eq!((moved.0, moved.1.code.as_str()), (412, code::MOVED));
    assert_eq!(file(&sandbox), before);
}

#[tokio::test]
async fn changes_at_the_same_time_lose_nothing() {
    let sandbox = Sandbox::ready().await;
    let names: Vec<String> = (0..8).map(|number| format!("key-{number}")).collect();
    let all = names
        .iter()
        .map(|name| patch(&sandbox, json!({"ui": {name.as_str(): 1}})));
    futures_util::future::join_all(all).await;
    let found = now(&sandbox).await.document;
    assert!(names.iter().all(|name| found["ui"][name] == 1), "{found}");
}

#[tokio::test]
async fn what_the_user_changes_himself_is_seen_and_his_secret_stays_on_the_disk() {
    let sandbox = Sandbox::ready().await;
    let path = sandbox.home().join(".openclaw/openclaw.json");
    let mut disk = file(&sandbox);
    disk["channels"] = json!({"telegram": {"botToken": "12345:abcdefghijklmnop"}});
    std::fs::write(&path, disk.to_string()).unwrap();
    let shown = json!({"channels": {"telegram": {"botToken": "__MOLT_KEPT__"}}});
    sandbox
        .status_where(|status| {
            status.config.as_ref().and_then(|config| config.hash.as_deref()) == Some(hash(&shown).as_str())
        })
        .await;
    let edited = patch(&sandbox, json!({"channels": {"telegram": {"enabled": true}}})).await;
    assert_eq!(edited.now.document["channels"]["telegram"]["botToken"], "__MOLT_KEPT__");
    assert_eq!(
        file(&sandbox)["channels"]["telegram"],
        json!({"botToken": "12345:abcdefghijklmnop", "enabled": true})
    );
    let elsewhere = json!({"change": {"change": "patch", "patch": {"channels": {"x": {"botToken": "__MOLT_KEPT__"}}}}});
    let missing = refused(put(&sandbox, elsewhere).await).await;
    assert_eq!((missing.0, missing.1.code.as_str()), (409, code::SECRET_MISSING));
}

#[tokio::test]
async fn a_start_waits_for_what_it_is_given_and_begins_with_it() {
    let sandbox = Sandbox::start_with_vars("echo", &WAITS, |_| ());
    let waiting = sandbox
        .status_where(|status| status.config.as_ref().is_some_and(|config| config.waits))
        .await;
    assert_ne!(waiting.phase, SupervisorPhase::Ready);
    let document = json!({"logging": {"level": "warn"}});
    let taken = hand_over(&sandbox, "1-1", document.clone(), json!({})).await;
    assert_eq!(taken.status(), StatusCode::OK);
    let ready = sandbox.phase(SupervisorPhase::Ready).await;
    let handed = ready.config.unwrap().handed.unwrap();
    assert_eq!((handed.id.as_str(), handed.done, handed.refused), ("1-1", true, None));
    assert_eq!(now(&sandbox).await.document, document);
    let again = hand_over(&sandbox, "1-1", json!({}), json!({})).await;
    assert_eq!(again.status(), StatusCode::OK, "the same is the same");
    let other = refused(hand_over(&sandbox, "1-2", json!({}), json!({})).await).await;
    assert_eq!((other.0, other.1.code.as_str()), (409, "conflict"));
    assert_eq!(now(&sandbox).await.document, document);
}

#[tokio::test]
async fn a_start_that_is_given_what_the_agent_refuses_begins_with_what_was_there() {
    let good = r#"{"logging": {"level": "info"}}"#;
    let sandbox = Sandbox::start_with_vars("echo", &WAITS, |home| {
        std::fs::create_dir(home.join(".openclaw")).unwrap();
        std::fs::write(home.join(".openclaw/openclaw.json"), good).unwrap();
    });
    let base = json!({"logging": {"level": "info"}});
    hand_over(&sandbox, "1-1", json!({"bogus": {}}), base.clone()).await;
    let ready = sandbox.phase(SupervisorPhase::Ready).await;
    let handed = ready.config.unwrap().handed.unwrap();
    assert!(
        handed.refused.is_some_and(|why| why.contains("bogus")),
        "it is said what was refused"
    );
    assert_eq!(now(&sandbox).await.document, base);
}

#[tokio::test]
async fn a_document_that_keeps_the_agent_from_starting_can_be_mended() {
    let sandbox = Sandbox::of_with("echo", &[], |home| {
        std::fs::create_dir(home.join(".openclaw")).unwrap();
        std::fs::write(home.join(".openclaw/openclaw.json"), r#"{"bogus": 1, "ui": {"a": 1}}"#).unwrap();
    });
    sandbox.phase(SupervisorPhase::Failed).await;
    let mended = patch(&sandbox, json!({"bogus": null})).await;
    assert_eq!(
        (mended.applied, mended.now.document),
        (Applied::Written, json!({"ui": {"a": 1}}))
    );
    sandbox.phase(SupervisorPhase::Ready).await;
}
