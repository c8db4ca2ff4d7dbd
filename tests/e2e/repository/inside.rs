//! The way of a sandbox to its repository.

use e2e_tests::launch::Launch;
use e2e_tests::people::User;
use e2e_tests::processes;
use e2e_tests::rotation::{configure, runtimes};
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use molt_common::repository_token::{Access, RepositoryClaims};
use molt_common::snapshot::{ObjectId, REPOSITORY_HOST};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What `curl` in the sandbox gets; the token is in its environment alone.
async fn inside(stack: &Stack, user: &User, token: &str, arguments: &str) -> String {
    let command = format!("curl -sS -m 20 -o - -w ' %{{http_code}}' -H \"Authorization: Bearer $TOKEN\" {arguments}");
    let body = json!({"command": command, "env": {"TOKEN": token}});
    let done = stack.exec(user, &body).await;
    assert_eq!(done["exitCode"], 0, "{done}");
    done["stdout"].as_str().expect("text").to_owned()
}

async fn saves_and_reads(stack: &Stack, user: &User, text: &str) {
    let repository = stack.repository(user);
    // Of the start that is on, or of the first one that this begins.
    let claims = RepositoryClaims {
        generation: stack.generation(user).await.max(1),
        ..repository.claims(Access::Append)
    };
    let token = repository.token_of(&claims);
    let id = ObjectId::of(text.as_bytes());
    let url = format!(
        "http://{REPOSITORY_HOST}{}",
        repository.path(&format!("restic/data/{id}"))
    );
    let stored = inside(stack, user, &token, &format!("--data-binary '{text}' {url}")).await;
    assert_eq!(stored, " 200");
    assert_eq!(inside(stack, user, &token, &url).await, format!("{text} 200"));
    let seen = repository
        .call(Access::Read, "GET", &format!("restic/data/{id}"))
        .send()
        .await;
    assert_eq!(seen.expect(200).text(), text);
}

pub async fn a_sandbox_reaches_its_repository_and_no_other(stack: Arc<Stack>) {
    let (user, other) = (stack.new_user().await, stack.new_user().await);
    saves_and_reads(&stack, &user, "saved from inside").await;
    let (own, foreign) = (stack.repository(&user), stack.repository(&other));
    let token = own.token(Access::Append);
    let at = |path: &str| format!("http://{REPOSITORY_HOST}{path}");
    let code = async |url: &str| {
        let answer = inside(&stack, &user, &token, url).await;
        let problem: Value = serde_json::from_str(answer.rsplit_once(' ').expect("a status").0).expect("JSON");
        problem["code"].as_str().expect("a code").to_owned()
    };
    assert_eq!(code(&at(&foreign.path("restic/config"))).await, "other_sandbox");
    // Nothing else of the gateway answers there, whatever the request calls itself.
    assert_eq!(code(&at("/")).await, "identity_required");
    assert_eq!(code(&at("/_molt/boot")).await, "identity_required");
    let posing = format!(
        "-H 'Host: gateway.internal' -H 'X-Molt-Identity: a.b.c' {}",
        at("/internal/placement/x")
    );
    assert_eq!(code(&posing).await, "identity_required");
}

/// A runtime that is replaced while the sandbox goes on has forgotten the name; and a root key that is replaced opens what it opened before.
pub async fn a_replaced_runtime_leads_the_name_again_and_tokens_of_the_former_key_go_on() {
    let state = state_dir().expect("a folder");
    let stack = Stack::start(&[], &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let ada = stack.seeded("Ada");
    saves_and_reads(&stack, &ada, "before").await;
    let (generation, before) = (stack.generation(&ada).await, runtimes(&stack));
    let mut keys = stack.secrets.repository_keys.clone();
    keys["keys"]["next"] = json!("n".repeat(43));
    keys["current"] = json!("next");
    configure(
        &stack,
        &["container-gateway"],
        &[("MOLT_REPOSITORY_KEYS", &keys.to_string())],
    );
    until("the runtime is another one", Duration::from_secs(60), async || {
        runtimes(&stack).iter().any(|pid| !before.contains(pid)).then_some(())
    })
    .await;
    until("the stack answers again", Duration::from_secs(60), async || {
        let reply = stack.get(&ada.path("/state")).admin().attempt().await.ok()?;
        (reply.status == 200).then_some(())
    })
    .await;
    stack.awake(&ada).await;
    saves_and_reads(&stack, &ada, "after").await;
    assert_eq!(stack.generation(&ada).await, generation, "the sandbox went on");
    stack.stop().await.assert_clean();
}

pub async fn a_sandbox_without_internet_reaches_its_repository_again_after_the_runtime_was_killed() {
    let state = state_dir().expect("a folder");
    let flags = ["--var", "container-gateway.SANDBOX_INTERNET=off"];
    let stack = Stack::start(&flags, &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let ada = stack.seeded("Ada");
    saves_and_reads(&stack, &ada, "before").await;
    let token = stack.repository(&ada).token(Access::Read);
    let outside = json!({"command": "curl -sS -m 5 http://example.com/", "env": {"TOKEN": token}});
    assert_ne!(
        stack.exec(&ada, &outside).await["exitCode"],
        0,
        "the internet is closed"
    );
    let runtimes = processes::tree(stack.ready.process("workers")).into_iter();
    let runtimes: Vec<i32> = runtimes
        .filter(|process| process.command.contains("workerd serve"))
        .map(|process| process.pid)
        .collect();
    assert!(!runtimes.is_empty());
    for pid in runtimes {
        Launch::signal(pid, Signal::SIGKILL);
    }
    until("the stack answers again", Duration::from_secs(120), async || {
        let reply = stack.get(&ada.path("/state")).admin().attempt().await.ok()?;
        (reply.status == 200).then_some(())
    })
    .await;
    stack.awake(&ada).await;
    saves_and_reads(&stack, &ada, "after").await;
    stack.stop().await.assert_clean();
}
