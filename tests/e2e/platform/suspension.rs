//! Users who may not come in, and users who are invited.

use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(5);

async fn set(stack: &Stack, user: &User, verb: &str) -> Value {
    let reason = json!({"reason": "a test"});
    stack
        .post(&user.path(verb))
        .admin()
        .json(&reason)
        .send()
        .await
        .json(200)
}

pub async fn a_suspended_user_is_put_out_within_seconds_and_comes_back(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let bystander = stack.new_user().await;
    stack.awake(&user).await;
    let mut socket = stack.socket(&user).await;
    let mut other = stack.socket(&bystander).await;
    let generation = stack.generation(&user).await;
    let standing = set(&stack, &user, "/suspend").await;
    let begun = Instant::now();
    assert_eq!(
        (&standing["status"], &standing["changed"]),
        (&json!("suspended"), &json!(true)),
        "{standing}"
    );
    assert_eq!(socket.closed().await, (4403, "account suspended".to_owned()));
    assert!(
        begun.elapsed() < SOON,
        "the socket was closed after {:?}",
        begun.elapsed()
    );
    until("he is refused", SOON, async || {
        (stack.get("/echo").user(&user).send().await.status == 403).then_some(())
    })
    .await;
    stack
        .get("/echo")
        .user(&user)
        .send()
        .await
        .problem(403, "user_suspended");
    let page = stack.get("/").session(&user).browser().send().await;
    assert!(
        page.expect(403).text().contains("suspended") && page.text().contains("/logout"),
        "{}",
        page.text()
    );
    assert!(stack.handshake("/socket").user(&user).attempt().await.is_err());
    other.echoes("still here").await;
    assert_eq!(
        set(&stack, &user, "/suspend").await["changed"],
        false,
        "twice is as good as once"
    );
    let listed = stack
        .get(&format!("/api/super/users/lookup/{}", user.name))
        .admin()
        .send()
        .await
        .json(200);
    assert_eq!(listed["status"], "suspended");
    set(&stack, &user, "/reinstate").await;
    until("he is let in", Duration::from_secs(20), async || {
        (stack.get("/echo").user(&user).send().await.status == 200).then_some(())
    })
    .await;
    let since = stack.generation(&user).await;
    assert_eq!(
        since,
        generation + 1,
        "his sandbox was stopped, and started again for him"
    );
}

pub async fn a_suspended_user_gets_no_container(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    set(&stack, &user, "/suspend").await;
    until("he is refused", SOON, async || {
        (stack.get("/_molt/boot").user(&user).send().await.status == 403).then_some(())
    })
    .await;
    for call in [
        stack.get("/").user(&user).browser(),
        stack.get("/echo").session(&user),
        stack.post("/echo").user(&user).body("x"),
    ] {
        call.send().await.expect(403);
    }
    let state = stack.state(&user).await;
    assert_eq!(
        (&state["lifecycle"], &state["generation"]),
        (&json!("stopped"), &json!(0)),
        "{state}"
    );
}

pub async fn bad_suspensions_are_refused(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let post = |path: &str, body: Value| stack.post(path).admin().json(&body);
    for body in [
        json!({"reason": ""}),
        json!({"reason": "x".repeat(501)}),
        json!({"reason": "a\u{0}"}),
    ] {
        post(&ada.path("/suspend"), body).send().await.names_field("reason");
    }
    post(&ada.path("/suspend"), json!({}))
        .send()
        .await
        .problem(400, "invalid_request");
    post("/api/super/users/x/suspend", json!({"reason": "x"}))
        .send()
        .await
        .names_field("id");
    let nobody = format!("/api/super/users/{}/suspend", uuid::Uuid::new_v4());
    post(&nobody, json!({"reason": "x"}))
        .send()
        .await
        .problem(404, "unknown_user");
    stack.get("/echo").user(&ada).send().await.expect(200);
}

pub async fn invitations_come_and_go(stack: Arc<Stack>) {
    let email = format!("Guest-{}@Example.test", uuid::Uuid::new_v4().simple());
    let lower = email.to_lowercase();
    let invite = || {
        stack
            .post("/api/super/invitations")
            .admin()
            .json(&json!({"email": email}))
    };
    let made = invite().send().await.json(201);
    assert_eq!(
        (&made["email"], &made["changed"], &made["listed"]),
        (&json!(lower), &json!(true), &json!(true)),
        "{made}"
    );
    assert_eq!(invite().send().await.json(201)["changed"], false);
    let listed = async || {
        let list = stack
            .get("/api/super/invitations?limit=200")
            .admin()
            .send()
            .await
            .json(200);
        list["invitations"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|one| one["email"] == lower.as_str())
    };
    assert!(listed().await);
    let path = format!("/api/super/invitations/{}", lower.replace('@', "%40"));
    assert_eq!(
        stack.call("DELETE", &path).admin().send().await.json(200)["changed"],
        true
    );
    assert!(!listed().await);
    for bad in [
        "",
        "x",
        "a@b@c",
        "\"a b\"@example.test",
        "a@-.test",
        "a\u{0}@example.test",
    ] {
        let call = stack
            .post("/api/super/invitations")
            .admin()
            .json(&json!({"email": bad}));
        call.send().await.names_field("email");
    }
}
