//! Lists that change while the sandbox runs, and between its starts.

use crate::inside::{curl, limited, set};
use e2e_tests::changes::ended;
use e2e_tests::people::User;
use e2e_tests::provider_calls::provider_url;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is promised: a second that an answer counts, and the time of a request.
const SOON: Duration = Duration::from_secs(2);

async fn restart(stack: &Stack, user: &User) {
    let body = json!({"scope": "sandbox", "discardDisk": true});
    ended(&stack.changed(user, "POST", "restart-async", &body).await, "succeeded");
}

/// Standing and status of a host, until it answers so.
async fn becomes(stack: &Stack, user: &User, url: &str, status: u16) -> Duration {
    let begun = Instant::now();
    until("the lists hold", Duration::from_secs(30), async || {
        (curl(stack, user, url).await.status == status).then_some(())
    })
    .await;
    begun.elapsed()
}

pub async fn lists_change_while_it_runs(stack: Arc<Stack>) {
    let user = limited(&stack, &json!({"allow": ["allowed.example.com"]})).await;
    let (allowed, other) = ("http://allowed.example.com/", "https://other.example.com/");
    assert_eq!(curl(&stack, &user, allowed).await.status, 200);
    let turned = set(&stack, &user, &json!({"allow": ["other.example.com"]})).await;
    assert_eq!(
        (&turned["standing"], &turned["version"]),
        (&json!("in_force"), &json!(2))
    );
    // Whatever a command takes to start and end in a busy machine comes on top.
    let closed = becomes(&stack, &user, allowed, 403).await;
    assert!(closed < SOON + Duration::from_secs(3), "closed after {closed:?}");
    becomes(&stack, &user, other, 200).await;
    // Everything again: by HTTP and HTTPS at once, and the answer says that other ports are another matter.
    let clear = stack.call("DELETE", &user.path("/outbound")).admin().send().await;
    let cleared = clear.json(200);
    assert_eq!(
        (&cleared["standing"], &cleared["allow"]),
        (&json!("other_ports_at_next_start"), &json!(null))
    );
    becomes(&stack, &user, allowed, 200).await;
    assert_eq!(stack.generation(&user).await, 1, "nothing was started again for it");
}

pub async fn what_began_open_is_held_from_its_next_start_on(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let told = set(&stack, &user, &json!({"allow": ["allowed.example.com"]})).await;
    assert_eq!(told["standing"], "at_next_start");
    restart(&stack, &user).await;
    let read = stack.get(&user.path("/outbound")).admin().send().await.json(200);
    assert_eq!(
        (&read["standing"], &read["allow"]),
        (&json!("in_force"), &json!(["allowed.example.com"]))
    );
    let url = |host: &str| format!("http://{host}/");
    assert_eq!(curl(&stack, &user, &url("allowed.example.com")).await.status, 200);
    curl(&stack, &user, &url("other.example.com"))
        .await
        .is_denied("other.example.com");
}

/// The runtime goes on leading what it led once, HTTPS to the name of providers among it: it says which start that comes from.
pub async fn providers_know_the_start_after_lists_were_taken_away(stack: Arc<Stack>) {
    let user = limited(&stack, &json!({"allow": ["allowed.example.com"]})).await;
    let before = stack.provider_token(&user).await;
    let clear = stack.call("DELETE", &user.path("/outbound")).admin().send().await;
    clear.expect(200);
    restart(&stack, &user).await;
    let now = stack.provider_token(&user).await;
    let path = provider_url("/openai/v1/models");
    let secure = path.replacen("http://", "https://", 1);
    for url in [&path, &secure] {
        let ask =
            async |token: &str| curl(&stack, &user, &format!("-k -H 'Authorization: Bearer {token}' {url}")).await;
        // It is taken for what it is; there is no key here.
        let got = ask(&now).await;
        assert_eq!(
            (got.status, got.code().as_str()),
            (404, "unknown_provider"),
            "{url}: {got:?}"
        );
        let got = ask(&before).await;
        assert_eq!(
            (got.status, got.code().as_str()),
            (401, "invalid_token"),
            "{url}: {got:?}"
        );
    }
}

pub async fn no_lists_are_everything(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let read = stack.get(&user.path("/outbound")).admin().send().await.json(200);
    assert_eq!(
        (&read["allow"], &read["deny"], &read["version"], &read["standing"]),
        (&json!(null), &json!([]), &json!(0), &json!("not_running"))
    );
    stack.awake(&user).await;
    let authority = "test -e /etc/cloudflare/certs/cloudflare-containers-ca.crt && echo there || echo none; echo ${SSL_CERT_FILE:-unset}";
    assert_eq!(
        stack.sh(&user, authority).await,
        "none\nunset\n",
        "nothing is intercepted"
    );
    let told = stack.get(&user.path("/outbound")).admin().send().await.json(200);
    assert_eq!(told["standing"], "in_force");
}
