//! A first deployment from nothing, and what a second run makes of it.

use crate::account::{Call, calls, changes, read};
use crate::edge::Edge;
use crate::program::Operator;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn find<'a>(calls: &'a [Call], line: &str) -> &'a Call {
    calls
        .iter()
        .find(|call| call.line() == line)
        .unwrap_or_else(|| panic!("no call {line}"))
}

#[test]
fn everything_is_made_in_the_order_that_bindings_need() {
    let mut operator = Operator::with_account(json!({"admin_host": "ops.example.com"}));
    let _edge = Edge::of(&mut operator);
    let told = operator.succeeds(&[]);
    assert!(told.contains("test is deployed and answers"), "{told}");
    assert_eq!(
        changes(&operator),
        [
            "kv namespace create acme-control-kv",
            "kv namespace create acme-rate-limit-kv",
            "r2 bucket create moltbot-data",
            "d1 create acme-platform",
            "d1 migrations apply acme-platform --remote [acme-admin-api]",
            "deploy [acme-container-gateway]",
            "deploy [acme-admin-api]",
            "deploy [acme-router]",
        ]
    );
    let account = read(operator.folder.path());
    let routes = &account["workers"]["acme-router"]["routes"];
    assert_eq!(
        *routes,
        json!([{"pattern": "bot.example.com", "custom_domain": true}, {"pattern": "ops.example.com", "custom_domain": true}])
    );
    assert!(
        operator
            .succeeds(&["status"])
            .contains("acme-router: 100 % version acme-router-v1")
    );
}

#[test]
fn a_second_run_changes_nothing() {
    let mut operator = Operator::with_account(json!({}));
    let _edge = Edge::of(&mut operator);
    operator.succeeds(&[]);
    let secrets = fs::read_to_string(operator.secrets_file()).unwrap();
    assert!(!changes(&operator).is_empty());
    let told = operator.succeeds(&[]);
    assert_eq!(changes(&operator), Vec::<String>::new(), "{told}");
    assert_eq!(fs::read_to_string(operator.secrets_file()).unwrap(), secrets);
    assert!(told.contains("leave router as it is"), "{told}");
}

#[test]
fn secrets_are_shared_kept_and_never_seen_by_others() {
    let mut operator = Operator::with_account(json!({}));
    let _edge = Edge::of(&mut operator);
    let told = operator.succeeds(&[]);
    let calls = calls(&operator);
    let of = |line| find(&calls, line).secrets();
    let (gateway, admin, router) = (
        of("deploy [acme-container-gateway]"),
        of("deploy [acme-admin-api]"),
        of("deploy [acme-router]"),
    );
    assert_eq!(
        gateway.keys().collect::<Vec<_>>(),
        ["MOLT_IDENTITY_KEYS", "MOLT_REPOSITORY_KEYS", "MOLT_SECRET_KEYS"]
    );
    assert_eq!(admin.keys().collect::<Vec<_>>(), ["MOLT_IDENTITY_KEYS"]);
    assert_eq!(gateway["MOLT_IDENTITY_KEYS"], admin["MOLT_IDENTITY_KEYS"]);
    assert_eq!(gateway["MOLT_IDENTITY_KEYS"], router["MOLT_IDENTITY_KEYS"]);
    assert_eq!(
        router.keys().collect::<Vec<_>>(),
        [
            "MOLTBOT_GATEWAY_MASTER_TOKEN",
            "MOLT_IDENTITY_KEYS",
            "MOLT_SESSION_KEYS",
            "SUPABASE_JWT_SECRET"
        ]
    );
    assert_eq!(router["SUPABASE_JWT_SECRET"], "secret-of-the-provider");
    let keys: Value = serde_json::from_str(&router["MOLT_IDENTITY_KEYS"]).unwrap();
    assert_eq!(keys["current"], "k1");
    let kept: BTreeMap<String, String> =
        serde_json::from_str(&fs::read_to_string(operator.secrets_file()).unwrap()).unwrap();
    assert_eq!(
        kept["MOLTBOT_GATEWAY_MASTER_TOKEN"],
        router["MOLTBOT_GATEWAY_MASTER_TOKEN"]
    );
    assert_eq!(
        fs::metadata(operator.secrets_file()).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // What is inside a key ring is a secret as well.
    let mut values: Vec<String> = router.values().cloned().collect();
    values.push(keys["keys"]["k1"].as_str().unwrap().to_owned());
    for call in &calls {
        assert!(call.secrets_mode().is_none_or(|mode| mode == 0o600), "{}", call.line());
        let seen = format!(
            "{} {} {}",
            call.arguments().join(" "),
            call.environment(),
            call.config()
        );
        assert!(
            values.iter().all(|value| !seen.contains(value.as_str())),
            "{} shows a secret",
            call.line()
        );
    }
    assert!(values.iter().all(|value| !told.contains(value.as_str())), "{told}");
}

#[test]
fn what_is_missing_stops_it_before_anything_is_changed() {
    let mut operator = Operator::with_account(json!({}));
    let _edge = Edge::of(&mut operator);
    operator.set("SUPABASE_JWT_SECRET", "");
    let told = operator.fails(&[]);
    assert!(told.contains("SUPABASE_JWT_SECRET is needed and not given"), "{told}");
    operator.set("SUPABASE_JWT_SECRET", "secret-of-the-provider");
    operator.set("CLOUDFLARE_API_TOKEN", "");
    let told = operator.fails(&[]);
    assert!(told.contains("CLOUDFLARE_API_TOKEN is not set"), "{told}");
    operator.set("CLOUDFLARE_API_TOKEN", "token-of-the-operator");
    operator.set("WRANGLER_DOCKER_BIN", "/no/docker/here");
    let told = operator.fails(&[]);
    assert!(told.contains("no Docker"), "{told}");
    assert_eq!(changes(&operator), Vec::<String>::new());
    operator.succeeds(&["--skip-image"]);
}

#[test]
fn a_run_that_broke_off_is_finished_by_the_next_with_the_same_secrets() {
    let mut operator = Operator::with_account(json!({}));
    let _edge = Edge::of(&mut operator);
    operator.set("STAND_IN_FAILS", "acme-router");
    // The router's status is asked under its name, and that fails too.
    let told = operator.fails(&[]);
    assert!(told.contains("made to fail"), "{told}");
    operator.set("STAND_IN_FAILS", "router/wrangler.json");
    let told = operator.fails(&[]);
    assert!(told.contains("router has no former version to go back to"), "{told}");
    operator.set("STAND_IN_FAILS", "");
    changes(&operator);
    operator.succeeds(&[]);
    assert_eq!(changes(&operator), ["deploy [acme-router]"], "the rest is there");
}

#[test]
fn a_first_deployment_that_does_not_work_is_no_success() {
    let mut operator = Operator::with_account(json!({}));
    let edge = Edge::of(&mut operator);
    edge.break_all();
    let told = operator.fails(&[]);
    assert!(told.contains("/api/status: 500 internal"), "{told}");
    assert!(told.contains("router has no former version to go back to"), "{told}");
    assert!(!told.contains("is deployed and answers"), "{told}");
}
