//! Runtimes that are killed, and deployments without internet.

use crate::inside::{curl, limited, set};
use crate::{HOSTS, INTERNET};
use e2e_tests::launch::Launch;
use e2e_tests::people::User;
use e2e_tests::rotation::{configure, runtimes};
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::Duration;

async fn stack_with(more: &[&str]) -> Stack {
    let state = state_dir().expect("a folder");
    let flags = INTERNET.flags(&HOSTS);
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Stack::start(&flags, &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Asks in the sandbox for a host that is denied, again and again, while `end` ends the runtime, until the stack answers again and the allowed host is reached.
async fn through(stack: &Stack, end: impl FnOnce()) -> User {
    let user = limited(stack, &json!({"allow": ["allowed.example.com"]})).await;
    let watch = "(while :; do curl -sS -m 2 -o /dev/null http://other.example.com/through; \
         curl -sSk -m 2 -o /dev/null https://other.example.com/through; done) > /dev/null 2>&1 &";
    stack.sh(&user, &format!("setsid sh -c '{watch}'")).await;
    curl(stack, &user, "https://allowed.example.com/before")
        .await
        .is_from("https allowed.example.com");
    let before = runtimes(stack);
    end();
    until("the runtime is another one", Duration::from_secs(60), async || {
        runtimes(stack).iter().any(|pid| !before.contains(pid)).then_some(())
    })
    .await;
    until("the stack answers again", Duration::from_secs(120), async || {
        let reply = stack.get(&user.path("/state")).admin().attempt().await.ok()?;
        (reply.status == 200).then_some(())
    })
    .await;
    stack.awake(&user).await;
    until("the ways out are led again", Duration::from_secs(60), async || {
        (curl(stack, &user, "https://allowed.example.com/after").await.status == 200).then_some(())
    })
    .await;
    curl(stack, &user, "http://other.example.com/through")
        .await
        .is_denied("other.example.com");
    assert_eq!(INTERNET.seen("/through"), Vec::<String>::new());
    let read = stack.get(&user.path("/outbound")).admin().send().await.json(200);
    assert_eq!(read["standing"], "in_force");
    user
}

/// A runtime that is replaced while the sandbox goes on has forgotten what it led; what is not led does not get out.
pub async fn a_replaced_runtime_opens_nothing_and_leads_again() {
    let stack = stack_with(&[]).await;
    let mut keys = stack.secrets.repository_keys.clone();
    keys["keys"]["next"] = json!("n".repeat(43));
    let user = through(&stack, || {
        configure(
            &stack,
            &["container-gateway"],
            &[("MOLT_REPOSITORY_KEYS", &keys.to_string())],
        );
    })
    .await;
    assert_eq!(stack.generation(&user).await, 1, "the sandbox went on");
    stack.stop().await.assert_clean();
}

pub async fn a_killed_runtime_opens_nothing() {
    let stack = stack_with(&[]).await;
    through(&stack, || {
        for pid in runtimes(&stack) {
            Launch::signal(pid, Signal::SIGKILL);
        }
    })
    .await;
    stack.stop().await.assert_clean();
}

pub async fn without_internet_lists_open_nothing() {
    let stack = stack_with(&["--var", "container-gateway.SANDBOX_INTERNET=off"]).await;
    let user = limited(&stack, &json!({"allow": ["allowed.example.com"]})).await;
    for url in [
        "http://allowed.example.com/closed",
        "https://allowed.example.com/closed",
    ] {
        assert_eq!(curl(&stack, &user, url).await.status, 0, "{url}");
    }
    // Nor does a name that leads to the gateway for another purpose.
    let posing = "-H 'Host: allowed.example.com' http://repository.molt.internal/closed";
    let got = curl(&stack, &user, posing).await;
    assert!([401, 403].contains(&got.status), "{got:?}");
    assert_eq!(INTERNET.seen("/closed"), Vec::<String>::new());
    assert_eq!(set(&stack, &user, &json!({})).await["standing"], "in_force");
    stack.stop().await.assert_clean();
}
