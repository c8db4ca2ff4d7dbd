//! Sessions that go on because the provider renews them.

use crate::world::{REFRESH, SESSION, boot, provider, signed_in, somebody, user};
use e2e_tests::people::claims_of;
use e2e_tests::stack::Stack;
use futures_util::future::join_all;
use std::sync::Arc;

pub async fn a_token_about_to_end_is_renewed(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, first) = signed_in(&stack, &id, 3600).await;
    boot(&stack, &mut jar).await.expect(200);
    assert_eq!(provider.asked(&id), 0, "an hour is enough");
    let (mut jar, _) = signed_in(&stack, &id, 50).await;
    let refresh = jar.get(REFRESH).expect("a refresh cookie").to_owned();
    provider.lifetime(&id, 3600);
    boot(&stack, &mut jar).await.expect(200);
    assert_eq!(provider.asked(&id), 1);
    let renewed = jar.get(SESSION).expect("a session").to_owned();
    assert_ne!(renewed, first.access);
    assert_eq!(claims_of(&renewed)["sub"], id.as_str());
    assert_ne!(
        jar.get(REFRESH),
        Some(refresh.as_str()),
        "refresh tokens are single-use"
    );
    // The new ones work, and so does the next renewal.
    boot(&stack, &mut jar).await.expect(200);
    assert_eq!(provider.asked(&id), 1);
    jar.lose(SESSION);
    boot(&stack, &mut jar).await.expect(200);
    assert_eq!(provider.asked(&id), 2);
}

pub async fn a_page_is_renewed_earlier(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, _) = signed_in(&stack, &id, 250).await;
    provider.lifetime(&id, 3600);
    boot(&stack, &mut jar).await.expect(200);
    assert_eq!(
        provider.asked(&id),
        0,
        "a program's request waits until the last minute"
    );
    let page = jar.on(stack.get("/_molt/boot").browser()).send().await;
    page.expect(200);
    jar.take(&page);
    assert_eq!(provider.asked(&id), 1);
    assert!(claims_of(jar.get(SESSION).expect("a session"))["exp"].as_u64() > Some(e2e_tests::people::now() + 3000));
}

pub async fn a_session_outlives_its_cookie(stack: Arc<Stack>) {
    let id = somebody();
    let (mut jar, _) = signed_in(&stack, &id, 3600).await;
    // What a browser does when its time is over.
    jar.lose(SESSION);
    boot(&stack, &mut jar).await.expect(200);
    assert_eq!(claims_of(jar.get(SESSION).expect("a new session"))["sub"], id.as_str());
    // And one that still sends a token that has ended long ago.
    let mut claims = stack.claims(&id);
    claims["exp"] = serde_json::json!(e2e_tests::people::now() - 3600);
    jar.put(SESSION, &stack.sign(&claims));
    boot(&stack, &mut jar).await.expect(200);
    assert_eq!(provider(&stack).asked(&id), 2);
}

pub async fn a_burst_spends_a_refresh_token_once(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, _) = signed_in(&stack, &id, 3600).await;
    jar.lose(SESSION);
    let replies = join_all((0..40).map(|_| jar.on(stack.get("/_molt/boot")).send())).await;
    let mut sessions: Vec<String> = Vec::new();
    for reply in &replies {
        reply.expect(200);
        let mut own = jar.clone();
        own.take(reply);
        sessions.push(own.get(SESSION).expect("each answer brings the session").to_owned());
    }
    sessions.dedup();
    assert_eq!((sessions.len(), provider.asked(&id)), (1, 1));
}

pub async fn a_socket_renews_too(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, tokens) = signed_in(&stack, &id, 3600).await;
    stack.awake(&user(&id, &tokens.access)).await;
    jar.lose(SESSION);
    let handshake = stack
        .handshake("/socket")
        .header("cookie", &jar.header())
        .header("origin", &stack.ready.url);
    let (_socket, answer) = handshake
        .attempt()
        .await
        .unwrap_or_else(|refused| panic!("{}", refused.status()));
    assert_eq!(answer.status(), 101);
    jar.take_from(answer.headers());
    assert!(jar.get(SESSION).is_some());
    assert_eq!(provider.asked(&id), 1);
    // A socket that a foreign page wants spends nothing.
    jar.lose(SESSION);
    let foreign = stack
        .handshake("/socket")
        .header("cookie", &jar.header())
        .header("origin", "https://evil.example");
    let refused = foreign.attempt().await.expect_err("no socket");
    assert_eq!(refused.status(), 403);
    assert_eq!(provider.asked(&id), 1);
}

pub async fn a_bearer_token_is_never_renewed(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (jar, tokens) = signed_in(&stack, &id, 30).await;
    let call = || jar.on(stack.get("/_molt/boot"));
    let reply = call().bearer(&tokens.access).send().await;
    assert!(reply.expect(200).all("set-cookie").is_empty());
    let mut claims = stack.claims(&id);
    claims["exp"] = serde_json::json!(e2e_tests::people::now() - 3600);
    let reply = call().bearer(&stack.sign(&claims)).send().await;
    reply.problem(401, "authentication_required");
    assert!(reply.all("set-cookie").is_empty());
    assert_eq!(provider.asked(&id), 0);
}

pub async fn no_credential_is_in_an_answer_or_a_log(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, tokens) = signed_in(&stack, &id, 30).await;
    provider.lifetime(&id, 3600);
    let reply = boot(&stack, &mut jar).await;
    reply.expect(200);
    assert_eq!(provider.asked(&id), 1);
    let sealed = jar.get(REFRESH).expect("a refresh cookie").to_owned();
    let renewed = jar.get(SESSION).expect("a session").to_owned();
    for cookie in reply.all("set-cookie") {
        assert!(!cookie.contains(&tokens.refresh), "{cookie}");
    }
    let mut hidden = vec![
        tokens.access,
        tokens.refresh,
        sealed,
        renewed,
        provider.api_key().to_owned(),
    ];
    hidden.extend(stack.secrets.all());
    for entry in std::fs::read_dir(stack.ready.state_dir.join("logs"))
        .expect("logs")
        .flatten()
    {
        let log = std::fs::read(entry.path()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        for secret in &hidden {
            assert!(
                !log.contains(secret.as_str()),
                "a credential is in {}",
                entry.path().display()
            );
        }
    }
    let workers = std::fs::read_to_string(stack.ready.state_dir.join("logs/workers.log")).expect("a log");
    assert!(
        workers.contains("session_renewed"),
        "the log is the one that would hold them"
    );
}
