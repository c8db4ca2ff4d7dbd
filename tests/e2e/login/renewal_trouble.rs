//! Renewals that fail: sessions that are over, a provider that is down or wrong, cookies that are not ours.

use crate::world::{REFRESH, SESSION, boot, provider, signed_in, somebody};
use e2e_tests::provider_login::Behaviour;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub async fn a_refused_renewal_ends_the_session(stack: Arc<Stack>) {
    let provider = provider(&stack);
    for browser in [false, true] {
        let id = somebody();
        let (mut jar, _) = signed_in(&stack, &id, 3600).await;
        let old = jar.clone();
        jar.lose(SESSION);
        boot(&stack, &mut jar).await.expect(200);
        // Another isolate would ask again; here the refresh token was used by somebody else.
        let (mut spent, tokens) = signed_in(&stack, &id, 3600).await;
        let body = serde_json::json!({"refresh_token": tokens.refresh});
        let url = provider
            .page()
            .replace("/authorize", "/auth/v1/token?grant_type=refresh_token");
        let used = reqwest::Client::new()
            .post(url)
            .header("apikey", provider.api_key())
            .json(&body)
            .send()
            .await;
        assert_eq!(used.expect("an answer").status(), 200);
        spent.lose(SESSION);
        let call = stack.get("/_molt/boot");
        let call = if browser { call.browser() } else { call };
        let reply = spent.on(call).send().await;
        if browser {
            assert_eq!(reply.expect(302).header("location"), "/login?next=%2F_molt%2Fboot");
        } else {
            reply.problem(401, "authentication_required");
        }
        spent.take(&reply);
        assert!(spent.names().is_empty(), "{:?}", spent.names());
        drop(old);
    }
}

pub async fn a_provider_that_is_down_signs_nobody_out(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, _) = signed_in(&stack, &id, 50).await;
    provider.behave(&id, Behaviour::Fails);
    let reply = boot(&stack, &mut jar).await;
    assert!(
        reply.expect(200).all("set-cookie").is_empty(),
        "the token is good still"
    );
    jar.lose(SESSION);
    let reply = boot(&stack, &mut jar).await;
    reply.problem(503, "authentication_unavailable");
    assert!(!reply.header("retry-after").is_empty() && reply.all("set-cookie").is_empty());
    let page = jar.on(stack.get("/_molt/boot").browser()).send().await;
    assert!(
        page.expect(503).text().contains("You stay signed in"),
        "{}",
        page.text()
    );
    assert!(!page.header("retry-after").is_empty());
    provider.lifetime(&id, 3600);
    provider.behave(&id, Behaviour::Grants);
    until("the session goes on", Duration::from_secs(20), async || {
        (boot(&stack, &mut jar).await.status == 200).then_some(())
    })
    .await;
    assert!(jar.get(SESSION).is_some());
}

pub async fn a_provider_that_answers_nonsense_is_down(stack: Arc<Stack>) {
    let provider = provider(&stack);
    for behaviour in [
        Behaviour::Babbles,
        Behaviour::Floods,
        Behaviour::Redirects,
        Behaviour::KnowsNoKey,
        Behaviour::Hangs,
    ] {
        let id = somebody();
        let (mut jar, _) = signed_in(&stack, &id, 3600).await;
        provider.behave(&id, behaviour);
        jar.lose(SESSION);
        let begun = Instant::now();
        let reply = boot(&stack, &mut jar).await;
        reply.problem(503, "authentication_unavailable");
        assert!(jar.get(REFRESH).is_some(), "{behaviour:?}");
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{behaviour:?}: {:?}",
            begun.elapsed()
        );
        assert_eq!(provider.asked(&id), 1, "{behaviour:?}");
    }
}

pub async fn a_token_of_somebody_else_is_not_taken(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, _) = signed_in(&stack, &id, 3600).await;
    provider.behave(&id, Behaviour::MistakesThePerson);
    jar.lose(SESSION);
    boot(&stack, &mut jar).await.problem(401, "authentication_required");
    assert!(jar.names().is_empty());
}

pub async fn refresh_cookies_of_others_and_forged_ones_are_nothing(stack: Arc<Stack>) {
    let (provider, ada, ben) = (provider(&stack), somebody(), somebody());
    let (mut jar, _) = signed_in(&stack, &ada, 40).await;
    let (bens, _) = signed_in(&stack, &ben, 3600).await;
    let bens = bens.get(REFRESH).expect("a refresh cookie");
    let own = jar.get(REFRESH).expect("a refresh cookie").to_owned();
    // Ada's token is about to end, but the refresh cookie beside it is not hers.
    jar.put(REFRESH, bens);
    assert!(boot(&stack, &mut jar).await.expect(200).all("set-cookie").is_empty());
    jar.lose(SESSION);
    for forged in [
        bens.replace(&ben, &ada),
        own.replace(&ada, &ben),
        format!("{own}A"),
        own.replace(".k1.", ".k2."),
        "x".repeat(3000),
        "1.k1".into(),
        // In the clear, as a careless server might take it.
        somebody(),
    ] {
        jar.put(REFRESH, &forged);
        boot(&stack, &mut jar).await.problem(401, "authentication_required");
    }
    assert_eq!((provider.asked(&ada), provider.asked(&ben)), (0, 0));
    jar.put(REFRESH, &own);
    boot(&stack, &mut jar).await.expect(200);
    assert_eq!(provider.asked(&ada), 1);
}

pub async fn a_foreign_page_renews_nothing(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let (mut jar, _) = signed_in(&stack, &id, 3600).await;
    jar.lose(SESSION);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let call = jar.on(stack.post("/_molt/boot")).header(name, value);
        call.send().await.problem(403, "foreign_origin");
    }
    assert_eq!(provider.asked(&id), 0);
}
