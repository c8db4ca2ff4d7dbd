//! Who gets in: tokens in cookies and headers, and everything that is none.

use e2e_tests::people::{User, now, sign_with, unsigned};
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::sync::Arc;

fn assert_refused(reply: &Reply) {
    let problem = reply.problem(401, "authentication_required");
    assert_eq!(problem["error"], "Authentication required");
    assert_eq!(reply.backend(), "router", "refused before anything is routed");
    assert!(reply.all("set-cookie").is_empty());
}

pub async fn without_a_token_a_program_gets_401(stack: Arc<Stack>) {
    for path in ["/", "/echo", "/_molt/boot", "/_admin/", "/api/anything"] {
        assert_refused(&stack.get(path).send().await);
        assert_refused(&stack.post(path).browser().body("x").send().await);
    }
    for header in ["Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "token"] {
        assert_refused(&stack.get("/").header("authorization", header).send().await);
    }
}

pub async fn without_a_token_a_browser_goes_to_the_login(stack: Arc<Stack>) {
    for (path, next) in [
        ("/", "%2F"),
        ("/chat/a%20b?x=1&y=%26", "%2Fchat%2Fa%2520b%3Fx%3D1%26y%3D%2526"),
    ] {
        let reply = stack.get(path).browser().send().await;
        reply.expect(302);
        assert_eq!(reply.header("location"), format!("/login?next={next}"));
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    let stale = stack
        .get("/")
        .browser()
        .header("cookie", "sb-access-token=a.b.c")
        .send()
        .await;
    assert_eq!(stale.expect(302).header("location"), "/login?next=%2F");
}

pub async fn bad_tokens_are_all_refused_alike(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    let good = stack.claims(&ada.id);
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        stack.sign(&claims)
    };
    let other = "another-secret-of-more-than-32-bytes";
    let (body, _) = ada.token.rsplit_once('.').expect("a token of three parts");
    let none = json!({"alg": "none", "typ": "JWT"});
    let tokens = [
        ("expired", with("exp", json!(now() - 3600))),
        ("never expiring", with("exp", Value::Null)),
        ("not yet valid", with("nbf", json!(now() + 3600))),
        ("anonymous role", with("role", json!("anon"))),
        ("service role", with("role", json!("service_role"))),
        ("other audience", with("aud", json!("anon"))),
        ("other issuer", with("iss", json!("https://issuer.example"))),
        ("no user", with("sub", Value::Null)),
        ("no user id", with("sub", json!("ada"))),
        ("nobody", with("sub", json!("00000000-0000-0000-0000-000000000000"))),
        ("other secret", sign_with(&good, Algorithm::HS256, other)),
        (
            "other algorithm",
            sign_with(&good, Algorithm::HS512, &stack.secrets.user_tokens),
        ),
        ("unsigned", unsigned(&none, &good)),
        ("unsigned, capitals", unsigned(&json!({"alg": "NONE"}), &good)),
        ("signature cut off", format!("{body}.")),
        ("the admin secret", stack.ready.admin_secret.clone()),
    ];
    // The claims themselves are good, so each refusal is for the one thing that was changed.
    assert_eq!(
        stack.get("/_molt/boot").bearer(&stack.sign(&good)).send().await.status,
        200
    );
    for (what, token) in tokens {
        let reply = stack.get("/_molt/boot").bearer(&token).send().await;
        assert_eq!(reply.status, 401, "{what}");
        assert_refused(&reply);
        let cookie = format!("sb-access-token={token}");
        assert_refused(&stack.get("/_molt/boot").header("cookie", &cookie).send().await);
        let browser = stack.get("/").browser().header("cookie", &cookie).send().await;
        assert_eq!(
            (browser.status, browser.header("location")),
            (302, "/login?next=%2F"),
            "{what}"
        );
    }
}

pub async fn cookie_and_bearer_both_open(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    let page = format!("<b id=\"user\">{}</b>", ada.id);
    for call in [
        stack.get("/").user(&ada),
        stack.get("/").session(&ada),
        stack
            .get("/")
            .header("cookie", &format!("a=b; __Host-molt-session={}; c=d", ada.token)),
        stack
            .get("/")
            .header("authorization", &format!("bearer  {}", ada.token)),
    ] {
        let reply = call.send().await;
        assert!(reply.expect(200).text().contains(&page), "{}", reply.text());
    }
}

pub async fn a_bearer_token_wins_over_the_cookie(stack: Arc<Stack>) {
    let (ada, ben) = (stack.seeded("Ada"), stack.seeded("Ben"));
    stack.awake(&ada).await;
    let reply = stack.get("/").user(&ada).session(&ben).send().await;
    assert!(reply.expect(200).text().contains(&ada.id));
    assert_refused(&stack.get("/").bearer("a.b.c").session(&ada).send().await);
}

pub async fn another_token_opens_another_sandbox(stack: Arc<Stack>) {
    let (ada, ben) = (stack.seeded("Ada"), stack.seeded("Ben"));
    for user in [&ada, &ben] {
        stack.awake(user).await;
    }
    let processes = async |user: &User| stack.sh(user, "readlink /proc/self/ns/pid").await;
    let page = async |user: &User| stack.get("/").user(user).send().await.text();
    assert!(page(&ada).await.contains(&ada.id) && !page(&ada).await.contains(&ben.id));
    assert!(page(&ben).await.contains(&ben.id) && !page(&ben).await.contains(&ada.id));
    assert_ne!(processes(&ada).await, processes(&ben).await, "they are in one sandbox");
    assert_ne!(stack.engine.only(&ada).await, stack.engine.only(&ben).await);
}

pub async fn a_foreign_page_cannot_use_the_cookie_to_change_anything(stack: Arc<Stack>) {
    let ada = stack.seeded("Ada");
    stack.awake(&ada).await;
    let foreign = "https://evil.example";
    let post = || stack.post("/echo").session(&ada).body("x");
    post()
        .header("origin", foreign)
        .send()
        .await
        .problem(403, "foreign_origin");
    post()
        .header("origin", "null")
        .send()
        .await
        .problem(403, "foreign_origin");
    post().header("origin", &stack.ready.url).send().await.expect(200);
    post().send().await.expect(200);
    // No browser sends this header by itself, so whoever can has the token anyway.
    stack
        .post("/echo")
        .user(&ada)
        .header("origin", foreign)
        .body("x")
        .send()
        .await
        .expect(200);
}
