//! Questions about costs: what is wrong is named, who may ask, and pages.

use crate::world::{calls, cost_that};
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn what_is_wrong_is_named(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    for (query, field) in [
        ("from=2026-02-02&to=2026-02-01", "from"),
        ("from=2024-01-01&to=2026-01-01", "from"),
        ("from=yesterday", "from"),
        ("to=2026-02-30", "to"),
        ("to=", "to"),
        ("days=0", "days"),
        ("days=367", "days"),
        ("days=3&from=2026-02-01", "days"),
        ("provider=Open%20AI", "provider"),
    ] {
        for path in ["/api/super/cost".to_owned(), user.path("/cost")] {
            let reply = stack.get(&format!("{path}?{query}")).admin().send().await;
            reply.names_field(field);
        }
    }
    for (query, field) in [("user=ada", "user"), ("limit=0", "limit"), ("cursor=x", "cursor")] {
        stack
            .get(&format!("/api/super/cost?{query}"))
            .admin()
            .send()
            .await
            .names_field(field);
    }
    for (body, field) in [
        (json!({}), "body"),
        (json!({"warnAtPercent": 50}), "body"),
        (json!({"requestsPerDay": -1}), "requestsPerDay"),
        (json!({"requestsPerDay": "9"}), "requestsPerDay"),
        (json!({"requestsPerDay": 1, "warnAtPercent": 101}), "warnAtPercent"),
        (json!({"requestsPerDay": 1, "dollarsPerDay": 1}), "dollarsPerDay"),
    ] {
        let call = stack.call("PUT", &user.path("/budget")).admin().json(&body);
        call.send().await.names_field(field);
    }
    let nobody = "/api/super/users/00000000-0000-4000-8000-00000000dead";
    for (method, verb) in [("GET", "cost"), ("GET", "budget"), ("DELETE", "budget")] {
        let call = stack.call(method, &format!("{nobody}/{verb}")).admin();
        call.send().await.problem(404, "unknown_user");
    }
    let standing = stack.get(&user.path("/budget")).admin().send().await.json(200);
    let used = json!({"requestsToday": 0, "tokensToday": 0, "tokensThisMonth": 0});
    assert_eq!((&standing["budget"], &standing["used"]), (&Value::Null, &used));
}

pub async fn scopes_divide_reading_from_setting(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let key = async |scope: &str| {
        let body = json!({"name": "costs", "scopes": [scope]});
        let made = stack.post("/api/super/keys").admin().json(&body).send().await.json(201);
        made["key"].as_str().expect("a key").to_owned()
    };
    let (reads, sets, other) = (
        key("cost:read").await,
        key("cost:write").await,
        key("fleet:write").await,
    );
    let budget = json!({"requestsPerDay": 5});
    let put = async |secret: &str| {
        let call = stack
            .call("PUT", &user.path("/budget"))
            .header("x-admin-secret", secret)
            .json(&budget);
        call.send().await
    };
    put(&reads).await.problem(403, "scope_missing");
    put(&other).await.problem(403, "scope_missing");
    put(&sets).await.expect(200);
    for path in [
        "/api/super/cost",
        "/api/super/cost/rates",
        &user.path("/cost"),
        &user.path("/budget"),
    ] {
        for secret in [&reads, &sets] {
            stack
                .get(path)
                .header("x-admin-secret", secret)
                .send()
                .await
                .expect(200);
        }
        let refused = stack.get(path).header("x-admin-secret", &other).send().await;
        refused.problem(403, "scope_missing");
    }
    let rates = stack.get("/api/super/cost/rates").admin().send().await.json(200);
    assert_eq!(rates["tiers"][0]["memoryAndDiskMicroUsdPerHour"], 38_016);
    assert!(
        rates["sources"][0]
            .as_str()
            .is_some_and(|source| source.starts_with("https://"))
    );
}

pub async fn everybody_is_told_page_by_page_with_one_total(stack: Arc<Stack>) {
    let mut users: Vec<User> = Vec::new();
    for _ in 0..2 {
        let user = stack.new_user().await;
        stack.awake(&user).await;
        stack.chat(&user, "anthropic", "plain").await;
        users.push(user);
    }
    for user in &users {
        cost_that(&stack, user, "it is told", |cost| {
            calls(&cost["total"], "anthropic", false).is_some()
        })
        .await;
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    let total = loop {
        let path = format!("/api/super/cost?days=2&provider=anthropic&limit=1&cursor={cursor}");
        let page = stack.get(&path).admin().send().await.json(200);
        let listed = page["users"].as_array().expect("users");
        assert!(listed.len() <= 1);
        found.extend(listed.iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break page["total"].clone(),
        }
    };
    let requests =
        |bill: &Value| calls(bill, "anthropic", false).map_or(0, |one| one["requests"]["value"].as_u64().unwrap_or(0));
    for user in &users {
        let his = found.iter().find(|one| one["userId"] == user.id.as_str()).expect("him");
        assert_eq!(requests(&his["bill"]), 1, "{his}");
    }
    let all: u64 = found.iter().map(|one| requests(&one["bill"])).sum();
    assert_eq!(requests(&total), all);
    let one = stack
        .get(&format!("/api/super/cost?days=2&user={}", users[0].id))
        .admin()
        .send()
        .await
        .json(200);
    let listed = one["users"].as_array().expect("users");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["bill"], one["total"]);
}

pub async fn days_to_come_cost_nothing(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack
        .sql(&format!(
            "INSERT INTO storage_days (user_id, day, bytes, version, updated_at) VALUES ('{}', 20000, 5000000000, 1, 0)",
            user.id
        ))
        .await;
    let stored = |bill: &Value| bill["storage"]["megabyteDays"]["value"].clone();
    let fleet = format!("/api/super/cost?user={}&", user.id);
    for path in [fleet, user.path("/cost?")] {
        let now = stack.get(&format!("{path}days=1")).admin().send().await.json(200);
        assert_eq!(stored(&now["total"]), 5_000, "{now}");
        let range = "from=2100-01-01&to=2100-01-31";
        let later = stack.get(&format!("{path}{range}")).admin().send().await.json(200);
        assert_eq!(stored(&later["total"]), 0, "{later}");
        assert_eq!(
            (&later["from"], &later["to"]),
            (&json!("2100-01-01"), &json!("2100-01-31"))
        );
        let list = later.get("users").or_else(|| later.get("days"));
        assert_eq!(list, Some(&json!([])), "{later}");
    }
}
