//! The issuers that the shared stack trusts, and stacks of their own.

use e2e_tests::hostile_tokens::Keys;
use e2e_tests::provider::KeyProvider;
use e2e_tests::signing_key::SigningKey;
use e2e_tests::stack::{Stack, state_dir};
use serde_json::Value;
use std::sync::LazyLock;
use uuid::Uuid;

pub static KEYS: LazyLock<Keys> = LazyLock::new(Keys::random);
/// The issuer of session tokens.
pub static ISSUER: LazyLock<KeyProvider> = LazyLock::new(|| KeyProvider::start(&KEYS.published()));
/// Whoever would like to be asked for keys.
pub static STRANGER: LazyLock<KeyProvider> = LazyLock::new(|| KeyProvider::start(&KEYS.of_the_stranger()));
/// The team of Access signs with a key of its own, under an id that the other issuer uses too.
pub static TEAM_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::rs256("r1"));
pub static TEAM: LazyLock<KeyProvider> = LazyLock::new(|| KeyProvider::start(&[&TEAM_KEY]));

/// Tag of the application at Access.
pub const TAG: &str = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";

fn variables(list: &[(&str, String)]) -> Vec<String> {
    let pairs = list.iter();
    pairs
        .flat_map(|(name, value)| ["--var".to_owned(), format!("router.{name}={value}")])
        .collect()
}

/// Options of the shared stack.
pub fn flags() -> &'static [&'static str] {
    let list = variables(&[
        ("JWKS_URL", ISSUER.jwks_url()),
        ("ACCESS_TEAM", TEAM.url().to_owned()),
        ("ACCESS_AUDIENCE", TAG.to_owned()),
    ]);
    let list: Vec<&'static str> = list.into_iter().map(|flag| &*flag.leak()).collect();
    list.leak()
}

/// A stack of one's own whose router trusts the keys of this issuer, asked for again as often as may be.
pub async fn stack(issuer: &KeyProvider) -> Stack {
    let list = variables(&[("JWKS_URL", issuer.jwks_url()), ("JWKS_FRESH_S", "1".into())]);
    let flags: Vec<&str> = list.iter().map(String::as_str).collect();
    let folder = state_dir().expect("a folder");
    Stack::start(&flags, &folder)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Good claims of somebody new.
pub fn somebody(stack: &Stack) -> Value {
    stack.claims(&Uuid::new_v4().to_string())
}

/// Status of a call that wakes nothing, with this token.
pub async fn status(stack: &Stack, token: &str) -> u16 {
    stack.get("/_molt/boot").bearer(token).send().await.status
}
