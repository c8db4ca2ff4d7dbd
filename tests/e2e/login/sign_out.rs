//! The end of a session, here and at the provider.

use crate::world::{SESSION, boot, provider, signed_in, somebody};
use e2e_tests::jar::Jar;
use e2e_tests::people::claims_of;
use e2e_tests::provider_login::Behaviour;
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn sign_out(stack: &Stack, jar: &mut Jar) -> Reply {
    let reply = jar
        .on(stack.post("/logout"))
        .header("origin", &stack.ready.url)
        .send()
        .await;
    assert_eq!(reply.expect(303).header("location"), "/logout");
    jar.take(&reply);
    assert!(jar.names().is_empty(), "{:?}", jar.names());
    reply
}

pub async fn the_provider_is_told(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, tokens) = signed_in(&stack, &id, 3600).await;
    let mut kept = jar.clone();
    sign_out(&stack, &mut jar).await;
    let session = claims_of(&tokens.access)["session_id"].clone();
    assert_eq!(
        provider.signed_out(&id),
        [session.as_str().expect("an id")],
        "this session and no other"
    );
    assert!(
        jar.on(stack.get("/logout"))
            .browser()
            .send()
            .await
            .text()
            .contains("You are signed out")
    );
    // Whoever has copied the cookies cannot go on when the token ends.
    kept.lose(SESSION);
    boot(&stack, &mut kept).await.problem(401, "authentication_required");
    assert!(kept.names().is_empty());
}

pub async fn an_ended_token_is_renewed_to_tell_it(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, _) = signed_in(&stack, &id, 3600).await;
    jar.lose(SESSION);
    sign_out(&stack, &mut jar).await;
    assert_eq!((provider.asked(&id), provider.signed_out(&id).len()), (1, 1));
}

pub async fn a_provider_that_hangs_does_not_keep_anybody(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, _) = signed_in(&stack, &id, 3600).await;
    provider.behave(&id, Behaviour::Hangs);
    jar.lose(SESSION);
    let begun = Instant::now();
    sign_out(&stack, &mut jar).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

pub async fn a_foreign_page_signs_nobody_out(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (jar, _) = signed_in(&stack, &id, 3600).await;
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", crate::world::LISTED),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let reply = jar.on(stack.post("/logout")).header(name, value).send().await;
        reply.problem(403, "foreign_origin");
        assert!(reply.all("set-cookie").is_empty() && reply.header("clear-site-data").is_empty());
    }
    assert!(provider.signed_out(&id).is_empty());
}
