//! Flags that are on for some.

use e2e_tests::flags::{ADMIN, GATEWAY, percent};
use e2e_tests::people::{User, sign_with};
use e2e_tests::stack::Stack;
use jsonwebtoken::Algorithm;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Nothing starts because of it.
const PATH: &str = "/_molt/boot";

/// Who answers a user, the same at every router.
async fn side(stack: &Stack, user: &User) -> String {
    let mut sides = BTreeSet::new();
    for url in &stack.ready.urls {
        let reply = stack.call_at(url, "GET", PATH).user(user).send().await;
        assert!(reply.status < 500, "{}", reply.text());
        sides.insert(reply.backend().to_owned());
    }
    assert_eq!(sides.len(), 1, "{} flaps: {sides:?}", user.id);
    sides.pop_first().expect("a side")
}

pub async fn a_user_keeps_his_side_on_every_router_and_when_the_share_grows(stack: Arc<Stack>) {
    stack.forget_flags().await;
    let people: Vec<User> = (0..24).map(|_| stack.new_legacy_user()).collect();
    let mut inside = BTreeSet::new();
    for share in [25, 60] {
        stack
            .flags_are_seen(stack.set_flag(GATEWAY, percent(share)).await)
            .await;
        for user in &people {
            let expected = stack.evaluates(GATEWAY, &user.id).await;
            let side = side(&stack, user).await;
            assert_eq!(
                side,
                if expected { "container-gateway" } else { "legacy" },
                "{}",
                user.id
            );
            assert!(expected || !inside.contains(&user.id), "{} went back", user.id);
            if expected {
                inside.insert(user.id.clone());
            }
        }
        println!("{share} %: {} of {}", inside.len(), people.len());
    }
    // Of 24 throws of 60 %, none and all are as good as impossible.
    assert!((1..people.len()).contains(&inside.len()), "{}", inside.len());
    stack.forget_flags().await;
}

pub async fn an_admin_key_keeps_its_side_on_every_router(stack: Arc<Stack>) {
    stack.forget_flags().await;
    stack.flags_are_seen(stack.set_flag(ADMIN, percent(50)).await).await;
    let mut sides = BTreeSet::new();
    for number in 0..10 {
        let (id, key) = stack.admin_key(&format!("partial {number}"), &["fleet:read"]).await;
        let expected = if stack.evaluates(ADMIN, &id).await {
            "admin"
        } else {
            "legacy"
        };
        for url in &stack.ready.urls {
            let reply = stack.call_at(url, "GET", "/api/super/users").bearer(&key).send().await;
            assert_eq!(reply.backend(), expected, "{id}");
        }
        sides.insert(expected);
        stack
            .call("DELETE", &format!("/api/super/keys/{id}"))
            .admin()
            .send()
            .await
            .expect(200);
    }
    println!("sides of ten keys: {sides:?}");
    let bootstrap = stack.evaluates(ADMIN, "bootstrap").await;
    let reply = stack.get("/api/super/users").admin().send().await;
    assert_eq!(reply.backend(), if bootstrap { "admin" } else { "legacy" });
    // Without a credential that is good, what ran before decides.
    let wrong = stack
        .get("/api/super/users")
        .header("x-admin-secret", "wrong")
        .send()
        .await;
    assert_eq!((wrong.backend(), wrong.status), ("legacy", 403));
    stack.forget_flags().await;
}

pub async fn lists_count_a_verified_user_and_nobody_who_claims_to_be_him(stack: Arc<Stack>) {
    stack.forget_flags().await;
    let (user, other) = (stack.new_legacy_user(), stack.new_legacy_user());
    let allow = json!({"enabled": false, "percent": 0, "allow": [user.id]});
    stack.flags_are_seen(stack.set_flag(GATEWAY, allow).await).await;
    assert_eq!(side(&stack, &user).await, "container-gateway");
    assert_eq!(side(&stack, &other).await, "legacy");
    let forged = User {
        token: sign_with(
            &stack.claims(&user.id),
            Algorithm::HS256,
            "a secret of somebody else's, long enough",
        ),
        ..user.clone()
    };
    assert_eq!(side(&stack, &forged).await, "legacy");
    for url in &stack.ready.urls {
        let nobody = stack.call_at(url, "GET", PATH).send().await;
        assert_eq!(nobody.backend(), "legacy");
        let claims = stack
            .call_at(url, "GET", &format!("{PATH}?subject={}", user.id))
            .user(&other)
            .header("x-molt-user", &user.id)
            .header("x-molt-flags-rank", "9999999999999.9")
            .header("x-molt-identity", "forged");
        assert_eq!(claims.send().await.backend(), "legacy");
    }
    let deny = json!({"enabled": true, "percent": 100, "deny": [user.id]});
    stack.flags_are_seen(stack.set_flag(GATEWAY, deny).await).await;
    assert_eq!(side(&stack, &stack.new_legacy_user()).await, "container-gateway");
    // Everybody but one: somebody unknown is to say who he is, and one who only claims to be that one is nobody.
    let nobody = stack.get(PATH).send().await;
    nobody.problem(401, "authentication_required");
    assert_eq!(nobody.backend(), "router");
    let forged = stack.get(PATH).user(&forged).send().await;
    assert_eq!(
        forged.problem(401, "authentication_required")["code"],
        "authentication_required"
    );
    let denied = stack.new_legacy_user();
    let deny = json!({"enabled": true, "percent": 100, "deny": [denied.id]});
    stack.flags_are_seen(stack.set_flag(GATEWAY, deny).await).await;
    assert_eq!(side(&stack, &denied).await, "legacy");
    stack.forget_flags().await;
}
