//! Who becomes a user, by policy. Each policy has a stack of its own.

use e2e_tests::people::User;
use e2e_tests::reply::Reply;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

async fn start(vars: &[&str]) -> Stack {
    let flags: Vec<&str> = vars.iter().flat_map(|var| ["--var", var]).collect();
    let started = Stack::start(&flags, &state_dir().expect("a folder")).await;
    started.unwrap_or_else(|error| panic!("{error}"))
}

/// Somebody new with this address, and further claims.
fn newcomer(stack: &Stack, email: &str, further: &[(&str, Value)]) -> User {
    let id = Uuid::new_v4().to_string();
    let mut claims = stack.claims(&id);
    claims["email"] = json!(email);
    for (name, value) in further {
        claims[*name] = value.clone();
    }
    User {
        token: stack.sign(&claims),
        name: email.into(),
        id,
    }
}

async fn first(stack: &Stack, user: &User) -> Reply {
    stack.get("/_molt/boot").user(user).send().await
}

/// Refused with a page and a problem, and nothing is started or kept of him.
async fn refused(stack: &Stack, user: &User, code: &str) {
    first(stack, user).await.problem(403, code);
    let page = stack.get("/").browser().session(user).send().await;
    let html = page.expect(403).text();
    assert!(
        html.contains("No access") && html.contains("href=\"/logout\""),
        "{html}"
    );
    let escaped = user
        .name
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let escaped = escaped.replace('"', "&quot;").replace('\'', "&#39;");
    assert!(html.contains(&escaped), "it says who is signed in: {html}");
    stack.post("/echo").user(user).body("x").send().await.problem(403, code);
    assert!(stack.engine.running(user).await.is_empty());
    let kept = stack.get(&user.path("")).admin().send().await;
    assert_ne!(kept.status, 200, "{}", kept.text());
}

pub async fn by_invitation() {
    let stack = start(&["container-gateway.SIGNUP=invited"]).await;
    // Those who are users already are not asked.
    first(&stack, &stack.seeded("Ada")).await.expect(200);
    let invite = "INSERT INTO invitations (email, created_at, invited_by) VALUES ";
    stack
        .sql(&format!(
            "{invite} ('Guest@example.test', '2026-01-01T00:00:00.000Z', 'bootstrap'), \
             ('twice@example.test', '2026-01-01T00:00:00.000Z', 'bootstrap')"
        ))
        .await;
    let stranger = newcomer(&stack, "stranger@example.test", &[]);
    refused(&stack, &stranger, "not_invited").await;
    let denied = json!({"email_verified": false});
    refused(
        &stack,
        &newcomer(&stack, "guest@example.test", &[("user_metadata", denied)]),
        "email_not_confirmed",
    )
    .await;
    refused(
        &stack,
        &newcomer(&stack, "\"guest\"@example.test", &[]),
        "email_not_confirmed",
    )
    .await;
    refused(
        &stack,
        &newcomer(&stack, "<b>guest@example.test", &[]),
        "email_not_confirmed",
    )
    .await;
    let guest = newcomer(&stack, "gueST@EXAMPLE.test", &[]);
    let many = futures_util::future::join_all((0..50).map(|_| first(&stack, &guest))).await;
    for reply in many {
        reply.expect(200);
    }
    refused(&stack, &newcomer(&stack, "guest@example.test", &[]), "not_invited").await;
    // Two accounts of one address at the same time: one of them.
    let (one, other) = (
        newcomer(&stack, "twice@example.test", &[]),
        newcomer(&stack, "twice@example.test", &[]),
    );
    let (first_reply, second_reply) = tokio::join!(first(&stack, &one), first(&stack, &other));
    let mut statuses = [first_reply.status, second_reply.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    // An invitation opens the door to somebody who was refused before, without a new token.
    stack
        .sql(&format!(
            "{invite} ('stranger@example.test', '2026-01-01T00:00:00.000Z', 'bootstrap')"
        ))
        .await;
    until("the invitation counts", Duration::from_secs(20), async || {
        (first(&stack, &stranger).await.status == 200).then_some(())
    })
    .await;
    let rows = stack.sql("SELECT email, used_by FROM invitations ORDER BY email").await;
    let used: Vec<&str> = rows.iter().filter_map(|row| row["used_by"].as_str()).collect();
    assert_eq!(used.len(), 3, "{rows:?}");
    assert!(
        used.contains(&guest.id.as_str()) && used.contains(&stranger.id.as_str()),
        "{rows:?}"
    );
    stack.stop().await.assert_clean();
}

pub async fn by_domain() {
    let stack = start(&[
        "container-gateway.SIGNUP=domains",
        "container-gateway.SIGNUP_DOMAINS=example.test, Sub.Example.org",
        "container-gateway.EMAIL_CONFIRMATIONS=off",
    ])
    .await;
    let verified = [("email_verified", json!(true))];
    for email in ["a@example.test", "b@EXAMPLE.TEST", "c+d@sub.example.org"] {
        let user = newcomer(&stack, email, &verified);
        assert_eq!(first(&stack, &user).await.json(200)["lifecycle"], "stopped", "{email}");
    }
    for email in ["a@sub.example.test", "a@example.test.evil.net", "a@example.org"] {
        refused(&stack, &newcomer(&stack, email, &verified), "domain_not_allowed").await;
    }
    for email in [
        "a@example.test.",
        "\"a@evil.net\"@example.test",
        "a@ехample.test",
        "a@evil.net@example.test",
        "",
    ] {
        refused(&stack, &newcomer(&stack, email, &verified), "email_not_confirmed").await;
    }
    // The provider is said to confirm nothing here, and what a user may write himself confirms nothing either.
    for further in [
        vec![],
        vec![("user_metadata", json!({"email_verified": true}))],
        vec![("email_verified", json!("true"))],
        vec![
            ("email_verified", json!(true)),
            ("user_metadata", json!({"email_verified": false})),
        ],
    ] {
        refused(
            &stack,
            &newcomer(&stack, "a@example.test", &further),
            "email_not_confirmed",
        )
        .await;
    }
    let names = stack.sql("SELECT name, email FROM users WHERE email LIKE 'c+d%'").await;
    assert_eq!(names[0]["name"], "c+d");
    stack.stop().await.assert_clean();
}

pub async fn closed() {
    let stack = start(&["container-gateway.SIGNUP=whatever"]).await;
    first(&stack, &stack.seeded("Ben")).await.expect(200);
    refused(
        &stack,
        &newcomer(&stack, "a@example.test", &[("email_verified", json!(true))]),
        "sign_up_closed",
    )
    .await;
    stack.stop().await.assert_clean();
}
