//! Tokens that open.

use crate::world::{ISSUER, KEYS, somebody, status};
use e2e_tests::hostile_tokens::just_fits;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use std::sync::Arc;

pub async fn tokens_of_every_published_key_open(stack: Arc<Stack>) {
    for key in KEYS.published() {
        let claims = somebody(&stack);
        let token = key.token(&claims);
        let boot = stack.get("/_molt/boot").bearer(&token).send().await.json(200);
        assert_eq!(boot["lifecycle"], "stopped", "{}", key.algorithm());
        let cookie = format!("sb-access-token={token}");
        let by_cookie = stack.get("/_molt/boot").header("cookie", &cookie).send().await;
        by_cookie.expect(200);
        assert_eq!(
            status(&stack, &just_fits(key, &claims)).await,
            200,
            "{}",
            key.algorithm()
        );
    }
    // The person of the token, and nobody else, is who the sandbox sees.
    let id = somebody(&stack)["sub"].as_str().unwrap_or_default().to_owned();
    let user = User {
        token: KEYS.es256.token(&stack.claims(&id)),
        name: "Es".into(),
        id,
    };
    stack.awake(&user).await;
    let page = stack.get("/").user(&user).send().await;
    assert!(page.expect(200).text().contains(&user.id));
    // Everything here and in the other tests of this stack came out of what was fetched once, or once more for an unknown id.
    assert!((1..=2).contains(&ISSUER.fetches()), "{} fetches", ISSUER.fetches());
}

pub async fn secrets_go_on_beside_published_keys(stack: Arc<Stack>) {
    assert_eq!(status(&stack, &stack.sign(&somebody(&stack))).await, 200);
    assert_eq!(status(&stack, &stack.seeded("Ada").token).await, 200);
}
