//! Updates of a deployment, and the way back.

use crate::account::{age, changes, shares};
use crate::edge::Edge;
use crate::program::Operator;
use serde_json::json;

fn deployed() -> (Operator, Edge) {
    let mut operator = Operator::with_account(json!({}));
    let edge = Edge::of(&mut operator);
    operator.succeeds(&[]);
    changes(&operator);
    // A change of every worker.
    operator.environment["public_host"] = json!("new.example.com");
    operator.environment["legacy"] = json!(null);
    operator.environment["resources"] = json!({"database": "acme-platform"});
    (operator, edge)
}

fn whole(operator: &Operator, version: u32) {
    for worker in ["acme-router", "acme-admin-api", "acme-container-gateway"] {
        let version = if worker == "acme-admin-api" { 1 } else { version };
        assert_eq!(shares(operator, worker), [(format!("{worker}-v{version}"), 100)]);
    }
}

#[test]
fn versions_get_their_traffic_step_by_step() {
    let (operator, _edge) = deployed();
    let told = operator.succeeds(&[]);
    assert_eq!(
        changes(&operator),
        [
            "versions upload [acme-container-gateway]",
            "versions deploy acme-container-gateway-v2@50 acme-container-gateway-v1@50 --yes [acme-container-gateway]",
            "versions deploy acme-container-gateway-v2@100 --yes [acme-container-gateway]",
            "versions upload [acme-router]",
            "versions deploy acme-router-v2@50 acme-router-v1@50 --yes [acme-router]",
            "versions deploy acme-router-v2@100 --yes [acme-router]",
            "triggers deploy [acme-router]",
        ],
        "{told}"
    );
    whole(&operator, 2);
    operator.succeeds(&[]);
    assert_eq!(changes(&operator), Vec::<String>::new());
}

#[test]
fn a_router_that_does_not_work_is_taken_back_with_all_that_came_with_it() {
    let (operator, edge) = deployed();
    edge.break_later_versions_of("acme-router");
    let told = operator.fails(&[]);
    assert!(told.contains("/api/status: 500"), "{told}");
    whole(&operator, 1);
    let changes = changes(&operator);
    assert_eq!(
        changes[changes.len() - 3..],
        [
            "versions deploy acme-router-v2@50 acme-router-v1@50 --yes [acme-router]",
            "versions deploy acme-router-v1@100 --yes [acme-router]",
            "versions deploy acme-container-gateway-v1@100 --yes [acme-container-gateway]",
        ],
        "callers first"
    );
}

#[test]
fn a_gateway_that_does_not_work_is_found_before_the_router_is_touched() {
    let (operator, edge) = deployed();
    edge.break_later_versions_of("acme-container-gateway");
    let told = operator.fails(&[]);
    assert!(
        told.contains("container-gateway is back at version acme-container-gateway-v1"),
        "{told}"
    );
    whole(&operator, 1);
    assert!(changes(&operator).iter().all(|change| !change.contains("acme-router")));
}

#[test]
fn a_rollback_that_fails_itself_says_so() {
    let (mut operator, edge) = deployed();
    edge.break_later_versions_of("acme-router");
    operator.set("STAND_IN_FAILS", "acme-router-v1@100");
    let told = operator.fails(&[]);
    assert!(
        told.contains("router could NOT be brought back to version acme-router-v1"),
        "{told}"
    );
    assert!(told.contains("container-gateway is back at version"), "{told}");
}

#[test]
fn rollback_returns_what_the_newest_run_changed() {
    let (operator, _edge) = deployed();
    operator.succeeds(&[]);
    changes(&operator);
    let told = operator.succeeds(&["rollback", "--dry-run"]);
    assert!(
        told.contains("1/2 router from version acme-router-v2 to acme-router-v1"),
        "{told}"
    );
    assert_eq!(changes(&operator), Vec::<String>::new());
    operator.succeeds(&["--rollback"]);
    assert_eq!(
        changes(&operator),
        [
            "versions deploy acme-router-v1@100 --yes [acme-router]",
            "versions deploy acme-container-gateway-v1@100 --yes [acme-container-gateway]",
        ]
    );
    whole(&operator, 1);
    let told = operator.fails(&["rollback"]);
    assert!(told.contains("has no version before"), "{told}");
}

#[test]
fn one_worker_can_go_alone() {
    let (operator, _edge) = deployed();
    operator.succeeds(&["--only", "router"]);
    assert!(changes(&operator).iter().all(|change| change.contains("acme-router")));
    assert_eq!(
        shares(&operator, "acme-container-gateway"),
        [("acme-container-gateway-v1".to_owned(), 100)]
    );
    assert_eq!(shares(&operator, "acme-router"), [("acme-router-v2".to_owned(), 100)]);
}

#[test]
fn a_migration_of_objects_is_deployed_at_once_and_final() {
    for hidden in ["", "1"] {
        let mut operator = Operator::with_account(json!({}));
        let edge = Edge::of(&mut operator);
        operator.succeeds(&[]);
        age(&operator, "acme-admin-api");
        changes(&operator);
        // Whether the account tells beforehand what was migrated, or only refuses the upload.
        operator.set("STAND_IN_NO_TAGS", hidden);
        edge.break_later_versions_of("acme-admin-api");
        let told = operator.fails(&[]);
        assert!(
            told.contains("admin cannot go back to acme-admin-api-v1: the new version migrated"),
            "{told}"
        );
        let changes = changes(&operator);
        assert_eq!(
            changes.last().map(String::as_str),
            Some("deploy [acme-admin-api]"),
            "{changes:?}"
        );
        assert_eq!(
            shares(&operator, "acme-admin-api"),
            [("acme-admin-api-v2".to_owned(), 100)]
        );
        operator.set("STAND_IN_NO_TAGS", "");
        let told = operator.fails(&["rollback"]);
        assert!(told.contains("nobody can go back behind a migration"), "{told}");
    }
}

#[test]
fn a_version_that_never_arrives_is_noticed() {
    for (worker, part) in [("acme-router", "router"), ("acme-admin-api", "admin")] {
        let mut operator = Operator::with_account(json!({}));
        let edge = Edge::of(&mut operator);
        operator.succeeds(&[]);
        // Each has one of them in its configuration.
        operator.environment["public_host"] = json!("new.example.com");
        operator.environment["resources"] = json!({"bucket": "other"});
        edge.keep_first_version_of(worker);
        let told = operator.fails(&["--only", part]);
        assert!(told.contains("was expected and"), "{told}");
        assert_eq!(shares(&operator, worker), [(format!("{worker}-v1"), 100)]);
    }
}

#[test]
fn the_way_back_needs_neither_a_credential_of_the_deployment_nor_its_database() {
    let (mut operator, _edge) = deployed();
    operator.succeeds(&[]);
    std::fs::remove_file(operator.secrets_file()).unwrap();
    operator.set("STAND_IN_FAILS", "d1 ");
    let told = operator.succeeds(&["rollback"]);
    assert!(told.contains("NOT CHECKED: the admin API"), "{told}");
    whole(&operator, 1);
}
