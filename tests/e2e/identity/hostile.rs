//! The corpus of hostile tokens, against the policy and against the stack.

use crate::world::{KEYS, STRANGER, somebody, status};
use e2e_tests::hostile_tokens::{all, just_fits};
use e2e_tests::people::now;
use e2e_tests::provider::document;
use e2e_tests::stack::Stack;
use molt_common::time::Millis;
use molt_common::user_token::native::PublishedKeys;
use molt_common::user_token::{Issuers, KeySet, Settings, Source, TokenError};
use serde_json::json;
use std::sync::Arc;

pub fn none_passes_the_policy() {
    let url = "https://issuer.example/jwks.json";
    let settings = Settings {
        secret: Some("a-test-secret-of-at-least-32-bytes!".into()),
        issuer: Some("moltworker-dev".into()),
        jwks_url: Some(url.into()),
        ..Settings::default()
    };
    let issuers = Issuers::read(&settings).expect("settings");
    let mut keys = PublishedKeys::default();
    let published = document(&KEYS.published()).to_string();
    keys.0
        .insert(url.into(), KeySet::parse(published.as_bytes()).expect("keys"));
    let claims = json!({"sub": "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11", "aud": "authenticated", "role": "authenticated",
                        "iss": "moltworker-dev", "iat": now(), "exp": now() + 600});
    let verify = |token: &str| issuers.authenticate_natively(token, Source::Bearer, &keys, Millis(now() * 1000));
    for key in KEYS.published() {
        for good in [key.token(&claims), just_fits(key, &claims)] {
            verify(&good).unwrap_or_else(|error| panic!("{}: {error}", key.algorithm()));
        }
    }
    for hostile in all(&KEYS, &claims, "https://stranger.example/keys") {
        let refused = verify(&hostile.token).expect_err(&hostile.what);
        let undecided = matches!(refused, TokenError::Unavailable(_) | TokenError::NotConfigured);
        assert!(!undecided, "{}: {refused}", hostile.what);
    }
}

pub async fn none_opens_the_stack(stack: Arc<Stack>) {
    let claims = somebody(&stack);
    let tokens = all(&KEYS, &claims, &STRANGER.jwks_url());
    assert!(tokens.len() > 80, "{} cases", tokens.len());
    for hostile in tokens.iter().filter(|hostile| hostile.over_http) {
        let reply = stack.get("/_molt/boot").bearer(&hostile.token).send().await;
        assert_eq!(reply.status, 401, "{}: {}", hostile.what, reply.text());
        reply.problem(401, "authentication_required");
    }
    assert_eq!(STRANGER.fetches(), 0, "nobody asks whom a token names");
    // The claims were good ones.
    for key in KEYS.published() {
        assert_eq!(status(&stack, &key.token(&claims)).await, 200, "{}", key.algorithm());
    }
}
