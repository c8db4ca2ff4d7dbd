//! Who has what.

use crate::world::{CHANNEL, set, stub, value};
use e2e_tests::key_search::{Inside, Places};
use e2e_tests::processes::variable;
use e2e_tests::stack::Stack;
use e2e_tests::tap::Tap;
use molt_common::control::provider::TOKEN_VARIABLE;
use serde_json::json;
use std::sync::Arc;

/// Where a token of a running agent is, of processes and files.
fn belongs() -> Places {
    let places = [
        ("environ", "sandboxd echo-agent"),
        ("file", "/var/lib/molt/agent/providers-handed.json"),
    ];
    places.map(|(place, name)| (place, name.to_owned())).into()
}

pub async fn the_platforms_key_is_nowhere_in_a_sandbox_and_tokens_are_where_they_belong(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let channel = value();
    set(&stack, &user, CHANNEL, &channel).await;
    stack.awake(&user).await;
    let inside = Inside::of(&stack, &user).await;
    let token = variable(inside.agent().pid, TOKEN_VARIABLE).expect("the agent's token");
    e2e_tests::secrets::used("the token of a sandbox for providers", &token);
    assert_eq!(
        token,
        stack.provider_token(&user).await,
        "it is of this sandbox and start"
    );
    assert_eq!(variable(inside.agent().pid, CHANNEL).as_deref(), Some(channel.as_str()));
    for text in [&token, &channel] {
        let found: Places = inside
            .processes(text)
            .into_iter()
            .chain(inside.files(text, false))
            .collect();
        assert_eq!(found, belongs(), "tokens of the agent");
    }
    // A command has none of it. The agent's process, which is of the same user, it can look into: so what is there opens nothing that is not the user's.
    let shown = stack.sh(&user, "env; cat /proc/self/environ /proc/self/cmdline").await;
    assert!(
        shown.contains("HOME=") && !shown.contains(TOKEN_VARIABLE) && !shown.contains(&channel),
        "{shown}"
    );
    let all = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; grep -rhI . \"$HOME\" /tmp 2>/dev/null; true";
    let shown = stack.sh(&user, all).await;
    assert!(
        shown.contains(&token) && !shown.contains(&stub().key),
        "as the agent's user"
    );

    let tap = Tap::on(inside.supervisor.pid);
    let mark = user.id.clone();
    let body = json!({"model": "plain", "user": mark, "messages": [{"role": "user", "content": "hello"}]});
    let answer = stack
        .ask_provider(&user, &token, "/openai/v1/chat/completions", &body)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = stub().seen(&mark);
    assert_eq!(
        seen[0].header("authorization"),
        Some(format!("Bearer {}", stub().key).as_str())
    );
    let heard = tap.heard();
    let heard = String::from_utf8_lossy(&heard);
    assert!(
        heard.contains(&format!("Bearer {token}")),
        "nothing was heard: {} bytes",
        heard.len()
    );
    assert!(!heard.contains(&stub().key), "the key is on the sandbox's network");

    let inside = Inside::of(&stack, &user).await;
    for place in [
        inside.processes(&stub().key),
        inside.files(&stub().key, false),
        inside.memory(&stub().key),
    ] {
        assert_eq!(place, Places::new(), "the platform's key");
    }
    // Of processes that end, nothing is known: of memory it is the agent's that must hold its own token.
    let holders = inside.memory(&token);
    assert!(
        holders.contains(&("memory", "sandboxd echo-agent".to_owned())),
        "{holders:?}"
    );
}
