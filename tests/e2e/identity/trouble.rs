//! An issuer that does not answer as it should.

use crate::world::{somebody, stack, status};
use e2e_tests::provider::{KeyProvider, Trouble};
use e2e_tests::signing_key::SigningKey;
use e2e_tests::wait::until;
use std::time::Duration;

const ALL: [Trouble; 6] = [
    Trouble::Fails,
    Trouble::Hangs,
    Trouble::HangsMidway,
    Trouble::Huge,
    Trouble::Garbage,
    Trouble::Redirects,
];

pub async fn held_keys_serve_while_the_issuer_is_down() {
    let key = SigningKey::es256("k1");
    let issuer = KeyProvider::start(&[&key]);
    let stack = stack(&issuer).await;
    let token = key.token(&somebody(&stack));
    assert_eq!(status(&stack, &token).await, 200);
    issuer.trouble(Trouble::Hangs);
    // They are to be asked for again after a second, but not twice in a minute.
    until("the keys are asked for again", Duration::from_secs(90), async || {
        assert_eq!(status(&stack, &token).await, 200);
        (issuer.fetches() > 1).then_some(())
    })
    .await;
    assert_eq!(issuer.fetches(), 2);
    issuer.trouble(Trouble::Garbage);
    // Whoever names an unknown key waits for that fetch and makes one of his own: his answer says that both have failed by now.
    let unknown = SigningKey::es256("k2").token(&somebody(&stack));
    let reply = stack.get("/_molt/boot").bearer(&unknown).send().await;
    reply.problem(503, "authentication_unavailable");
    assert_eq!(issuer.fetches(), 3);
    assert_eq!(status(&stack, &token).await, 200, "what is held stays");
    stack.stop().await.assert_clean();
}

pub async fn without_any_keys_nobody_can_tell() {
    let key = SigningKey::rs256("k1");
    let issuer = KeyProvider::start(&[&key]);
    let stack = stack(&issuer).await;
    let token = key.token(&somebody(&stack));
    for trouble in ALL {
        issuer.trouble(trouble);
        let before = issuer.fetches();
        until("the issuer is asked once more", Duration::from_secs(30), async || {
            let reply = stack.get("/_molt/boot").bearer(&token).send().await;
            reply.problem(503, "authentication_unavailable");
            let seconds: u32 = reply.header("retry-after").parse().expect("Retry-After");
            assert!((1..=60).contains(&seconds), "{seconds} s");
            (issuer.fetches() > before).then_some(())
        })
        .await;
        let page = stack.get("/").browser().bearer(&token).send().await;
        assert_eq!(
            page.status, 503,
            "{trouble:?}: not to the login, which would help nobody"
        );
        // Who needs no published key is not concerned.
        assert_eq!(status(&stack, &stack.sign(&somebody(&stack))).await, 200, "{trouble:?}");
    }
    issuer.trouble(Trouble::None);
    until("the issuer is well again", Duration::from_secs(30), async || {
        (status(&stack, &token).await == 200).then_some(())
    })
    .await;
    stack.stop().await.assert_clean();
}
