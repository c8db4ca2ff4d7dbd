//! What ran before is bound only when it is there, and nobody is moved by that.

use crate::account::{add_foreign_worker, calls, changes, read};
use crate::edge::Edge;
use crate::program::Operator;
use serde_json::{Value, json};

fn var(operator: &Operator, worker: &str, name: &str) -> Value {
    let account = read(operator.folder.path());
    let versions = account["workers"][worker]["versions"].as_array().unwrap().clone();
    versions.last().unwrap()["vars"][name].clone()
}

#[test]
fn a_binding_to_a_worker_that_is_not_there_is_refused() {
    let mut operator = Operator::with_account(json!({"legacy": {"worker": "old-one"}}));
    let _edge = Edge::of(&mut operator);
    let told = operator.fails(&[]);
    assert!(told.contains("the account has no worker \"old-one\""), "{told}");
    assert_eq!(changes(&operator), Vec::<String>::new());
}

#[test]
fn beside_legacy_a_first_deployment_takes_no_traffic() {
    let mut operator = Operator::with_account(json!({"legacy": {"worker": "old-one"}}));
    let _edge = Edge::of(&mut operator);
    add_foreign_worker(&operator, "old-one");
    let told = operator.succeeds(&[]);
    assert!(told.contains("give old-one the new LEGACY_FENCE_TOKEN"), "{told}");
    for worker in ["acme-router", "acme-admin-api", "acme-container-gateway"] {
        assert_eq!(var(&operator, worker, "LEGACY_MODE"), "on");
    }
    assert_eq!(var(&operator, "acme-router", "USE_NEW_ADMIN_API"), "false");
    assert_eq!(var(&operator, "acme-router", "USE_NEW_CONTAINER_GATEWAY"), "false");
    let calls = calls(&operator);
    let gateway = calls
        .iter()
        .find(|call| call.line() == "deploy [acme-container-gateway]")
        .unwrap();
    assert!(gateway.secrets().contains_key("LEGACY_FENCE_TOKEN"));
    assert!(
        calls
            .iter()
            .all(|call| !call.line().contains("old-one") || call.line().starts_with("deployments status"))
    );
}

#[test]
fn turning_legacy_on_and_off_leaves_people_with_the_new_workers() {
    let mut operator = Operator::with_account(json!({}));
    let _edge = Edge::of(&mut operator);
    add_foreign_worker(&operator, "old-one");
    operator.succeeds(&[]);
    assert_eq!(var(&operator, "acme-router", "USE_NEW_ADMIN_API"), "true");
    operator.environment["legacy"] = json!({"worker": "old-one"});
    operator.succeeds(&[]);
    assert_eq!(var(&operator, "acme-router", "LEGACY_MODE"), "on");
    assert_eq!(var(&operator, "acme-router", "USE_NEW_ADMIN_API"), "true");
    operator.environment["legacy"] = json!(null);
    operator.succeeds(&[]);
    assert_eq!(var(&operator, "acme-router", "LEGACY_MODE"), "off");
    assert_eq!(var(&operator, "acme-router", "USE_NEW_ADMIN_API"), "true");
}
