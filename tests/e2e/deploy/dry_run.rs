//! The real wrangler builds what would be uploaded. No account, no network.

use crate::program::Operator;
use e2e_tests::launch::root;
use serde_json::{Value, json};
use std::process::Command;

fn untracked() -> String {
    let output = Command::new("git")
        .args(["status", "--porcelain", "--ignored=no"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The part of the output about one worker.
fn of<'a>(text: &'a str, worker: &str) -> &'a str {
    let begins = text
        .find(&format!("\n{worker}, release "))
        .unwrap_or_else(|| panic!("{worker} is not in {text}"));
    let rest = &text[begins + 1..];
    rest.find("--dry-run: exiting").map_or(rest, |ends| &rest[..ends])
}

fn dry_run(more: Value) -> String {
    let before = untracked();
    let text = Operator::new(more).succeeds(&["--dry-run"]);
    assert_eq!(untracked(), before, "nothing of the clone is changed");
    text
}

#[test]
fn all_three_can_be_deployed_alone() {
    let text = dry_run(json!({}));
    let router = of(&text, "acme-router");
    for binding in [
        "env.ADMIN_API (acme-admin-api)",
        "env.CONTAINER_GATEWAY (acme-container-gateway)",
        "env.CONTROL_KV",
        r#"env.USE_NEW_ADMIN_API ("true")"#,
        r#"env.USE_NEW_CONTAINER_GATEWAY ("true")"#,
        r#"env.LEGACY_MODE ("off")"#,
    ] {
        assert!(router.contains(binding), "{binding} is not in {router}");
    }
    assert!(!text.contains("env.LEGACY ("), "{text}");
    let admin = of(&text, "acme-admin-api");
    assert!(
        admin.contains("(Sandbox, defined in acme-container-gateway)"),
        "{admin}"
    );
    assert!(admin.contains("env.PLATFORM_DB (acme-platform)"), "{admin}");
    assert!(
        of(&text, "acme-container-gateway").contains("- Sandbox (durable_object)"),
        "{text}"
    );
    assert!(
        text.contains("NOT CHECKED: the account") && text.contains("CLOUDFLARE_API_TOKEN is not set"),
        "{text}"
    );
}

#[test]
fn legacy_is_bound_and_the_flags_are_off_beside_it() {
    let text = dry_run(json!({"legacy": {"worker": "old-one"}}));
    for worker in ["acme-router", "acme-container-gateway"] {
        let part = of(&text, worker);
        assert!(
            part.contains("env.LEGACY (old-one)") && part.contains(r#"env.LEGACY_MODE ("on")"#),
            "{part}"
        );
    }
    let admin = of(&text, "acme-admin-api");
    assert!(
        !admin.contains("env.LEGACY (") && admin.contains(r#"env.LEGACY_MODE ("on")"#),
        "{admin}"
    );
    assert!(
        of(&text, "acme-router").contains(r#"env.USE_NEW_ADMIN_API ("false")"#),
        "{text}"
    );
    assert!(
        text.contains("NOT CHECKED: whether the worker old-one (LEGACY) exists"),
        "{text}"
    );
}

#[test]
fn the_other_scheduling_policy_builds_as_well() {
    for legacy in [json!({}), json!({"legacy": {"worker": "old-one"}})] {
        let mut more = legacy;
        more["scheduling_policy"] = json!("default");
        let text = dry_run(more);
        let gateway = of(&text, "acme-container-gateway");
        assert!(
            gateway.contains("- acme-container-gateway-sandbox (") && gateway.contains("images/sandbox/Dockerfile)"),
            "{gateway}"
        );
        assert!(!gateway.contains("durable_object"), "{gateway}");
    }
}

#[test]
fn without_docker_the_image_is_left_out_aloud() {
    let mut operator = Operator::new(json!({}));
    operator.set("WRANGLER_DOCKER_BIN", "/no/docker/here");
    let text = operator.succeeds(&["--dry-run", "--only", "container-gateway"]);
    assert!(
        text.contains("NOT CHECKED: the build of the sandbox's image: there is no Docker here"),
        "{text}"
    );
    assert!(!text.contains("acme-router, release"), "{text}");
}

#[test]
fn a_network_that_is_not_there_is_said() {
    let mut operator = Operator::new(json!({}));
    operator.set("CLOUDFLARE_API_TOKEN", "hunter2-token");
    operator.set("CLOUDFLARE_API_BASE_URL", "http://127.0.0.1:9/client/v4");
    let text = operator.succeeds(&["--dry-run", "--only", "router"]);
    assert!(text.contains("SUPABASE_JWT_SECRET is needed and not given"), "{text}");
    let order = [
        "create the D1 database",
        "apply the migrations",
        "deploy container-gateway",
        "deploy admin",
        "deploy router",
        "ask whether",
    ];
    let places: Vec<_> = order.iter().map(|step| text.find(step)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    assert!(text.contains("NOT CHECKED: the account"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_broken_file_is_refused_by_field() {
    let text = Operator::new(json!({"vars": {"router": {"JWT_ISSUR": "x"}}})).fails(&["--dry-run"]);
    assert!(text.contains("vars.router.JWT_ISSUR"), "{text}");
    let text = Operator::new(json!({"public_host": "https://bot.example.com"})).fails(&["--dry-run"]);
    assert!(text.contains("public_host"), "{text}");
}
