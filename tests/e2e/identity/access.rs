//! Assertions of Cloudflare Access.

use crate::world::{KEYS, TAG, TEAM, TEAM_KEY, somebody, status};
use e2e_tests::call::Call;
use e2e_tests::people::now;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

fn claims(sub: &str) -> Value {
    json!({"sub": sub, "email": "ada@example.test", "aud": [TAG], "iss": TEAM.url(), "type": "app", "country": "AQ",
           "identity_nonce": "n1", "iat": now(), "nbf": now(), "exp": now() + 600})
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn asserted<'a>(call: Call<'a>, assertion: &str) -> Call<'a> {
    call.header("cf-access-jwt-assertion", assertion)
}

pub async fn an_assertion_opens(stack: Arc<Stack>) {
    let assertion = TEAM_KEY.token(&claims(&Uuid::new_v4().to_string()));
    let reply = asserted(stack.get("/_molt/boot"), &assertion).send().await;
    assert_eq!(reply.json(200)["lifecycle"], "stopped");
}

pub async fn people_of_access_are_nobody_elses(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    // The team knows somebody by the very id that Ada has here: he sees his own sandbox, which does not run, and not hers.
    let reply = asserted(stack.get("/_molt/boot"), &TEAM_KEY.token(&claims(&ada.id)))
        .send()
        .await;
    let boot = reply.json(200);
    assert_eq!(
        (&boot["lifecycle"], &boot["generation"]),
        (&json!("stopped"), &json!(0)),
        "{boot}"
    );
    // And no issuer of session tokens can name a person of Access: ids of version 8 are not his to give.
    let mut reserved = somebody(&stack);
    reserved["sub"] = json!("bbbf1e73-91eb-828b-bde3-9d27745115f3");
    assert_eq!(status(&stack, &KEYS.es256.token(&reserved)).await, 401);
    assert_eq!(status(&stack, &stack.sign(&reserved)).await, 401);
}

pub async fn other_assertions_are_refused(stack: Arc<Stack>) {
    let sub = Uuid::new_v4().to_string();
    let good = claims(&sub);
    let service = json!({"sub": "", "common_name": "x.access", "aud": [TAG], "iss": TEAM.url(), "type": "app", "exp": now() + 600});
    let session = somebody(&stack);
    for (what, assertion) in [
        ("a service token", TEAM_KEY.token(&service)),
        (
            "a service token with a sub",
            TEAM_KEY.token(&with(service.clone(), "sub", json!(sub))),
        ),
        (
            "another application",
            TEAM_KEY.token(&with(good.clone(), "aud", json!(["other"]))),
        ),
        (
            "another team",
            TEAM_KEY.token(&with(good.clone(), "iss", json!("https://other.example"))),
        ),
        (
            "the team's own pages",
            TEAM_KEY.token(&with(good.clone(), "type", json!("org"))),
        ),
        ("expired", TEAM_KEY.token(&with(good.clone(), "exp", json!(now() - 61)))),
        ("signed by the other issuer, same key id", KEYS.rs256.token(&good)),
        ("signed by ES256", KEYS.es256.token(&good)),
        ("signed with the secret", stack.sign(&good)),
        ("a session token", KEYS.rs256.token(&session)),
        ("a session token by HS256", stack.sign(&session)),
        ("nonsense", "a.b.c".into()),
        ("two", format!("{0}, {0}", TEAM_KEY.token(&good))),
    ] {
        let reply = asserted(stack.get("/_molt/boot"), &assertion).send().await;
        assert_eq!(reply.status, 401, "{what}");
        reply.problem(401, "authentication_required");
        // A good cookie beside it does not help.
        let beside = asserted(stack.get("/_molt/boot"), &assertion).session(&stack.seeded("Ben"));
        assert_eq!(beside.send().await.status, 401, "{what}");
    }
}

pub async fn an_assertion_counts_in_its_header_alone(stack: Arc<Stack>) {
    let assertion = TEAM_KEY.token(&claims(&Uuid::new_v4().to_string()));
    assert_eq!(status(&stack, &assertion).await, 401);
    for name in ["sb-access-token", "CF_Authorization"] {
        let cookie = format!("{name}={assertion}");
        let reply = stack.get("/_molt/boot").header("cookie", &cookie).send().await;
        assert_eq!(reply.status, 401, "{name}");
    }
}

pub async fn a_foreign_page_cannot_use_an_assertion(stack: Arc<Stack>) {
    let assertion = TEAM_KEY.token(&claims(&Uuid::new_v4().to_string()));
    let foreign = asserted(stack.post("/echo"), &assertion).header("origin", "https://evil.example");
    foreign.body("x").send().await.problem(403, "foreign_origin");
}
