//! The provider that all tests share, and people who are signed in at it.

use e2e_tests::jar::Jar;
use e2e_tests::people::User;
use e2e_tests::provider_login::{Provider, Tokens};
use e2e_tests::reply::Reply;
use e2e_tests::stack::Stack;
use std::sync::{LazyLock, Once};
use uuid::Uuid;

static PROVIDER: LazyLock<Provider> = LazyLock::new(Provider::start);
static TOLD: Once = Once::new();

/// An origin that the stack lists.
pub const LISTED: &str = "https://app.example";

/// Options of the group's stack.
pub fn flags() -> &'static [&'static str] {
    let mut flags = PROVIDER.flags();
    flags.extend([
        "--var".into(),
        format!("router.CORS_ORIGINS={LISTED}, https://other.example"),
    ]);
    let flags: Vec<&'static str> = flags.into_iter().map(|flag| &*flag.leak()).collect();
    flags.leak()
}

/// The provider, which signs as the stack expects.
pub fn provider(stack: &Stack) -> &'static Provider {
    TOLD.call_once(|| PROVIDER.serve_stack(stack));
    &PROVIDER
}

/// Somebody nobody has seen before.
pub fn somebody() -> String {
    Uuid::new_v4().to_string()
}

/// As the test library knows people.
pub fn user(id: &str, token: &str) -> User {
    User {
        id: id.into(),
        name: id.into(),
        token: token.into(),
    }
}

/// A sign-in that is at the provider now.
pub struct AtProvider {
    pub jar: Jar,
    pub state: String,
    pub nonce: String,
    pub redirect: String,
    pub target: reqwest::Url,
}

/// Begins a sign-in.
pub async fn begin(stack: &Stack, path: &str) -> AtProvider {
    let provider = provider(stack);
    let mut jar = Jar::default();
    let reply = stack.get(path).browser().send().await;
    let location = reply.expect(302).header("location").to_owned();
    assert!(location.starts_with(&provider.page()), "{location}");
    jar.take(&reply);
    let target = reqwest::Url::parse(&location).expect("a URL");
    let parameter = |name: &str| {
        let mut found = target.query_pairs().filter(|(key, _)| key == name);
        let value = found
            .next()
            .unwrap_or_else(|| panic!("no {name} in {location}"))
            .1
            .into_owned();
        assert!(found.next().is_none(), "{name} once");
        value
    };
    AtProvider {
        jar,
        state: parameter("state"),
        nonce: parameter("nonce"),
        redirect: parameter("redirect"),
        target,
    }
}

/// What our callback page does with what it finds in the fragment.
pub async fn come_back(stack: &Stack, jar: &mut Jar, state: &str, tokens: &[(&str, &str)]) -> Reply {
    let fields: Vec<(&str, &str)> = tokens.iter().copied().chain([("state", state)]).collect();
    let call = stack.post("/auth/callback").header("origin", &stack.ready.url);
    let reply = jar
        .on(call.header("sec-fetch-site", "same-origin"))
        .form(&fields)
        .send()
        .await;
    jar.take(&reply);
    reply
}

/// A browser in which this person is signed in, his token good for so many seconds from now on.
pub async fn signed_in(stack: &Stack, id: &str, lifetime_s: u64) -> (Jar, Tokens) {
    let tokens = provider(stack).session(id, lifetime_s);
    let mut begun = begin(stack, "/login").await;
    let fields = [
        ("access_token", tokens.access.as_str()),
        ("refresh_token", tokens.refresh.as_str()),
    ];
    let reply = come_back(stack, &mut begun.jar, &begun.state, &fields).await;
    reply.expect(303);
    assert!(
        begun.jar.get(SESSION).is_some() && begun.jar.get(REFRESH).is_some(),
        "{:?}",
        begun.jar.names()
    );
    (begun.jar, tokens)
}

/// Names of our cookies on plain `http`.
pub const SESSION: &str = "sb-access-token";
pub const REFRESH: &str = "molt-refresh";

/// Asks, with the browser's cookies, for what wakes nothing, and takes the answer's cookies.
pub async fn boot(stack: &Stack, jar: &mut Jar) -> Reply {
    let reply = jar.on(stack.get("/_molt/boot")).send().await;
    jar.take(&reply);
    reply
}
