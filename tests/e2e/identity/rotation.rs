//! Keys that come, and ids that never were.

use crate::world::{somebody, stack, status};
use e2e_tests::provider::{KeyProvider, Trouble};
use e2e_tests::signing_key::SigningKey;
use e2e_tests::stack::Stack;
use e2e_tests::wait::{until, within};
use std::time::Duration;
use uuid::Uuid;

/// This many requests at once with these tokens, in turn; their statuses.
async fn burst(stack: &Stack, tokens: &[String]) -> Vec<u16> {
    futures_util::future::join_all(tokens.iter().map(|token| status(stack, token))).await
}

pub async fn a_new_key_costs_no_request() {
    let (old, new) = (SigningKey::es256("2026-a"), SigningKey::rs256("2026-b"));
    let issuer = KeyProvider::start(&[&old]);
    let stack = stack(&issuer).await;
    let claims = somebody(&stack);
    let tokens = |key: &SigningKey, count: usize| vec![key.token(&claims); count];
    assert_eq!(burst(&stack, &tokens(&old, 40)).await, vec![200; 40]);
    assert_eq!(issuer.fetches(), 1, "the first requests share one fetch");
    // From one moment to the next the issuer signs with the new key, while tokens of the old one are still about.
    issuer.publish(&[&new, &old]);
    let both = [tokens(&old, 20), tokens(&new, 20), tokens(&old, 20)].concat();
    assert_eq!(burst(&stack, &both).await, vec![200; 60]);
    assert_eq!(burst(&stack, &both).await, vec![200; 60]);
    assert_eq!(issuer.fetches(), 2, "the new key was looked for once");
    stack.stop().await.assert_clean();
}

pub async fn unknown_ids_cost_one_fetch() {
    let key = SigningKey::es256("k1");
    let issuer = KeyProvider::start(&[&key]);
    let stack = stack(&issuer).await;
    let claims = somebody(&stack);
    assert_eq!(status(&stack, &key.token(&claims)).await, 200);
    let begun = std::time::Instant::now();
    for round in 0..5 {
        let strangers: Vec<String> = (0..40)
            .map(|_| SigningKey::es256(&Uuid::new_v4().to_string()).token(&claims))
            .collect();
        assert_eq!(burst(&stack, &strangers).await, vec![401; 40], "round {round}");
        assert_eq!(status(&stack, &key.token(&claims)).await, 200, "round {round}");
    }
    // One may be for what this storm is about, and one for each further minute.
    let allowed = 2 + u32::try_from(begun.elapsed().as_secs() / 60).unwrap_or(u32::MAX);
    assert!(issuer.fetches() <= allowed, "{} fetches", issuer.fetches());
    stack.stop().await.assert_clean();
}

pub async fn known_keys_wait_for_no_search() {
    let key = SigningKey::es256("k1");
    let issuer = KeyProvider::start(&[&key]);
    let stack = stack(&issuer).await;
    let claims = somebody(&stack);
    assert_eq!(status(&stack, &key.token(&claims)).await, 200);
    issuer.trouble(Trouble::Hangs);
    let (known, unknown) = (key.token(&claims), SigningKey::es256("k2").token(&claims));
    let mut search = Box::pin(async { stack.get("/_molt/boot").bearer(&unknown).send().await });
    let asked = until("the issuer is asked", Duration::from_secs(10), async || {
        (issuer.fetches() == 2).then_some(())
    });
    tokio::select! {
        reply = &mut search => panic!("{} before the issuer was asked", reply.status),
        () = asked => {}
    }
    tokio::select! {
        reply = &mut search => panic!("{} while the issuer hangs", reply.status),
        status = status(&stack, &known) => assert_eq!(status, 200),
    }
    // Nobody can tell whether the id is a new key of the issuer's.
    let reply = within("the search is given up", Duration::from_secs(20), search).await;
    reply.problem(503, "authentication_unavailable");
    assert_eq!(
        status(&stack, &known).await,
        200,
        "a search that failed costs nobody his key"
    );
    stack.stop().await.assert_clean();
}
