//! From our sign-in page over the provider's and back.

use crate::world::{REFRESH, SESSION, begin, boot, come_back, provider, signed_in, somebody};
use e2e_tests::people::claims_of;
use e2e_tests::stack::Stack;
use std::sync::Arc;

pub async fn the_whole_way_opens_a_session(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let mut begun = begin(&stack, "/login?next=%2F_molt%2Fboot%3Fx").await;
    assert_ne!(begun.state, begun.nonce);
    assert_eq!(
        begun.redirect,
        format!("{}/auth/callback?state={}", stack.ready.url, begun.state),
        "where it leads is nobody's business but this browser's"
    );
    provider.knows(&id);
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let back = http
        .get(begun.target.clone())
        .send()
        .await
        .expect("the provider answers");
    let location = back.headers()["location"].to_str().expect("text").to_owned();
    let (page, fragment) = location.split_once('#').expect("a fragment");
    let callback = stack
        .get(page.strip_prefix(&stack.ready.url).expect("our page"))
        .browser();
    let callback = begun.jar.on(callback).send().await;
    assert!(callback.expect(200).text().contains("/_molt/assets/callback.js"));
    assert!(callback.all("set-cookie").is_empty());
    let fragment = reqwest::Url::parse(&format!("http://x/?{fragment}")).expect("a URL");
    let fields: Vec<(String, String)> = fragment.query_pairs().into_owned().collect();
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let nonce = claims_of(fields[0].1)["nonce"].clone();
    assert_eq!(nonce, begun.nonce.as_str(), "the provider was given it");
    let reply = come_back(&stack, &mut begun.jar, &begun.state, &fields).await;
    assert_eq!(reply.expect(303).header("location"), "/_molt/boot?x");
    assert_eq!(begun.jar.names(), [REFRESH, SESSION], "the state is used up");
    assert_eq!(boot(&stack, &mut begun.jar).await.json(200)["lifecycle"], "stopped");
}

pub async fn a_token_of_another_sign_in_is_refused(stack: Arc<Stack>) {
    let (provider, id) = (provider(&stack), somebody());
    let mut begun = begin(&stack, "/login").await;
    let other = begin(&stack, "/login").await;
    for nonce in [other.nonce.as_str(), "", &begun.state, &begun.nonce[1..]] {
        let token = provider.token_with_nonce(&id, nonce);
        let reply = come_back(&stack, &mut begun.jar, &begun.state, &[("access_token", &token)]).await;
        reply.problem(403, "login_not_begun_here");
        assert!(reply.all("set-cookie").is_empty(), "{nonce}");
    }
    // An attacker's own state, or none, does not help him either.
    let good = provider.token_with_nonce(&id, &begun.nonce);
    for state in [other.state.as_str(), "", &begun.nonce] {
        let reply = come_back(&stack, &mut begun.jar, state, &[("access_token", &good)]).await;
        reply.problem(403, "login_not_begun_here");
    }
    come_back(&stack, &mut begun.jar, &begun.state, &[("access_token", &good)])
        .await
        .expect(303);
}

pub async fn a_sign_in_is_used_once(stack: Arc<Stack>) {
    let tokens = provider(&stack).session(&somebody(), 600);
    let mut begun = begin(&stack, "/login").await;
    let fields = [("access_token", tokens.access.as_str())];
    come_back(&stack, &mut begun.jar, &begun.state, &fields)
        .await
        .expect(303);
    let again = come_back(&stack, &mut begun.jar, &begun.state, &fields).await;
    again.problem(403, "login_not_begun_here");
    assert!(again.all("set-cookie").is_empty());
}

pub async fn planted_cookies_do_not_survive_a_sign_in(stack: Arc<Stack>) {
    let (attacker, victim) = (somebody(), somebody());
    let (planted, _) = signed_in(&stack, &attacker, 3600).await;
    let mut begun = begin(&stack, "/login").await;
    for name in [SESSION, REFRESH] {
        begun.jar.put(name, planted.get(name).expect("a cookie"));
    }
    let tokens = provider(&stack).session(&victim, 3600);
    // This time the provider gives no refresh token, so nothing would replace the planted one by itself.
    let reply = come_back(
        &stack,
        &mut begun.jar,
        &begun.state,
        &[("access_token", &tokens.access)],
    )
    .await;
    reply.expect(303);
    assert_eq!(begun.jar.names(), [SESSION]);
    assert_eq!(
        claims_of(begun.jar.get(SESSION).expect("a session"))["sub"],
        victim.as_str()
    );
}

pub async fn a_session_cookie_lives_no_longer_than_its_token(stack: Arc<Stack>) {
    let tokens = provider(&stack).session(&somebody(), 777);
    let mut begun = begin(&stack, "/login").await;
    let reply = come_back(
        &stack,
        &mut begun.jar,
        &begun.state,
        &[("access_token", &tokens.access)],
    )
    .await;
    let cookies = reply.all("set-cookie");
    let session = cookies
        .iter()
        .find(|cookie| cookie.starts_with("sb-access-token="))
        .expect("a session");
    let age = session.split("Max-Age=").nth(1).and_then(|rest| rest.split(';').next());
    let age: u64 = age.and_then(|age| age.parse().ok()).expect("an age");
    assert!((760..=777).contains(&age), "{session}");
}

pub async fn refused_sign_ins_say_so_in_words(stack: Arc<Stack>) {
    let begun = begin(&stack, "/login").await;
    let bad = [("access_token", "a.b.c"), ("state", begun.state.as_str())];
    let post = || begun.jar.on(stack.post("/auth/callback")).form(&bad);
    post().send().await.problem(401, "invalid_token");
    let page = post().browser().send().await;
    assert!(page.expect(401).text().contains("Sign in again"), "{}", page.text());
    assert!(
        page.header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    let none = begun
        .jar
        .on(stack.post("/auth/callback"))
        .form(&[("state", &begun.state)])
        .send()
        .await;
    none.names_field("access_token");
}
