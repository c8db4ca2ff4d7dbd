//! The real agent's configuration, changed through its own protocol and checked by its own program.

use molt_common::control::config::{Applied, ConfigEdited, ConfigNow, code};
use molt_common::control::{ControlError, env};
use reqwest::Method;
use serde_json::{Value, json};

use crate::real_agent;
use crate::support::Sandbox;

/// One that fits, with a secret of the user's.
const DOCUMENT: &str = "{ logging: { level: 'info' }, channels: { telegram: { enabled: false, botToken: '12345:abcdefghijklmnopqrstuvwxyz' } } }";

async fn edit(sandbox: &Sandbox, change: Value) -> Result<ConfigEdited, (u16, ControlError)> {
    let body = json!({ "change": change });
    let asked = sandbox.control(Method::PUT, "/v1/config").json(&body);
    let answer = asked.send().await.unwrap();
    match answer.status().as_u16() {
        200 => Ok(answer.json().await.unwrap()),
        status => Err((status, answer.json().await.unwrap())),
    }
}

async fn now(sandbox: &Sandbox) -> Value {
    let answer = sandbox.control(Method::GET, "/v1/config").send().await.unwrap();
    answer.json::<ConfigNow>().await.unwrap().document
}

fn disk(sandbox: &Sandbox) -> Value {
    let text = std::fs::read_to_string(sandbox.home().join(".openclaw/openclaw.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
#[ignore = "needs an installed agent, named by SANDBOXD_TEST_OPENCLAW"]
async fn a_running_agent_takes_what_fits_and_refuses_what_does_not() {
    let sandbox = real_agent::ready(DOCUMENT).await;
    let before = now(&sandbox).await;
    println!("first: {before}");
    assert_eq!(before["channels"]["telegram"]["botToken"], "__MOLT_KEPT__");

    let patch = json!({"change": "patch", "patch": {"logging": {"level": "debug"}}});
    let edited = edit(&sandbox, patch).await.unwrap();
    println!("patched: {edited:?}");
    assert_eq!(
        (edited.applied, &edited.now.document["logging"]["level"]),
        (Applied::Hot, &json!("debug"))
    );
    assert_eq!(
        disk(&sandbox)["channels"]["telegram"]["botToken"],
        "12345:abcdefghijklmnopqrstuvwxyz",
        "the secret stays as it is"
    );

    let found = disk(&sandbox);
    let refused = edit(&sandbox, json!({"change": "patch", "patch": {"bogus": 1}})).await;
    println!("refused: {refused:?}");
    let (status, error) = refused.unwrap_err();
    assert_eq!((status, error.code.as_str()), (422, code::INVALID));
    assert!(error.error.contains("bogus"), "{error:?}");
    assert_eq!(disk(&sandbox), found, "nothing was changed");

    // Keys that are not in the new document go.
    let put = json!({"change": "put", "document": {"logging": {"level": "warn"}}});
    let edited = edit(&sandbox, put).await.unwrap();
    println!("put: {edited:?}");
    assert_eq!(now(&sandbox).await, json!({"logging": {"level": "warn"}}));
    let status = sandbox.status().await;
    assert_eq!(status.config.unwrap().hash, Some(edited.now.hash));
    assert_eq!(status.agent_restarts, 0, "it was never started again");
}

#[tokio::test]
#[ignore = "needs an installed agent, named by SANDBOXD_TEST_OPENCLAW"]
async fn a_start_with_what_the_agents_schema_refuses_begins_with_what_was_there() {
    let sandbox = real_agent::start_with_vars("{ logging: { level: 'info' } }", &[(env::CONFIG, "wait")]);
    sandbox
        .status_where(|status| status.config.as_ref().is_some_and(|config| config.waits))
        .await;
    let base = json!({"logging": {"level": "info"}});
    let order = json!({"id": "1-1", "document": {"bogus": 1}, "base": base, "known": []});
    let asked = sandbox.control(Method::PUT, "/v1/config/handed").json(&order);
    assert_eq!(asked.send().await.unwrap().status(), 200);
    let status = real_agent::until_ready(&sandbox).await;
    let handed = status.config.unwrap().handed.unwrap();
    println!("{handed:?}");
    assert!(handed.refused.is_some_and(|why| why.contains("bogus")));
    assert_eq!(now(&sandbox).await["logging"]["level"], "info");
}
