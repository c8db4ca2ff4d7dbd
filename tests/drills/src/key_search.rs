//! The real agent talks with a model of the platform's, and then everything in its sandbox is searched for the platform's key: environments, arguments and memory of
//! all processes, the whole file system with the image, and all that went over its network. The same search finds the agent's own tokens where they belong.

use e2e_tests::drill;
use e2e_tests::key_search::{Inside, Places};
use e2e_tests::people::User;
use e2e_tests::processes::variable;
use e2e_tests::provider_stub::ProviderStub;
use e2e_tests::stack::Stack;
use e2e_tests::tap::Tap;
use molt_common::control::provider::TOKEN_VARIABLE;
use serde_json::json;
use std::process::ExitCode;
use uuid::Uuid;

const CHANNEL: &str = "TELEGRAM_BOT_TOKEN";

fn main() -> ExitCode {
    let stub = ProviderStub::start();
    let mut flags = vec!["--agent".to_owned(), "openclaw".to_owned()];
    flags.extend(stub.flags());
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    drill::run("key-search", &flags, async |stack| search(stack, &stub).await)
}

async fn search(stack: &Stack, stub: &ProviderStub) {
    let user = stack.new_user().await;
    let channel = format!("12345:{}", Uuid::new_v4().simple());
    e2e_tests::secrets::used("a user's secret", &channel);
    let path = user.path(&format!("/secrets/{CHANNEL}"));
    let asked = stack.call("PUT", &path).admin().json(&json!({ "value": channel }));
    asked.send().await.expect(201);
    // The channel is off: its token is only held.
    let wanted = json!({
        "gateway": {"http": {"endpoints": {"chatCompletions": {"enabled": true}}}}, "channels": {"telegram": {"enabled": false}},
    });
    let asked = stack.call("PUT", &user.path("/config")).admin().json(&wanted);
    asked.send().await.expect(200);
    stack.awake(&user).await;
    let inside = Inside::of(stack, &user).await;
    let token = variable(inside.agent().pid, TOKEN_VARIABLE).expect("the agent's token");
    e2e_tests::secrets::used("the token of a sandbox for providers", &token);

    let tap = Tap::on(inside.supervisor.pid);
    chat(stack, &user, stub).await;
    let heard = tap.heard();
    let heard = String::from_utf8_lossy(&heard);
    println!("heard {} bytes", heard.len());
    assert!(heard.contains(&token), "nothing was heard");
    assert!(!heard.contains(&stub.key), "the key is on the sandbox's network");

    // Those that are there now.
    let inside = Inside::of(stack, &user).await;
    for (what, text) in [("token", &token), ("channel", &channel)] {
        let (processes, files) = (inside.processes(text), inside.files(text, true));
        println!("{what}: {processes:?} {files:?}");
        // What the agent runs itself inherits it; no process of the supervisor's has it.
        let agent = |(place, name): &(&str, String)| *place == "environ" && !name.starts_with("sandboxd");
        assert!(!processes.is_empty() && processes.iter().all(agent), "{processes:?}");
        let note = ("file", "/var/lib/molt/agent/providers-handed.json".to_owned());
        assert_eq!(files, Places::from([note]));
    }
    for (what, place) in [
        ("processes", inside.processes(&stub.key)),
        ("memory", inside.memory(&stub.key)),
        ("files", inside.files(&stub.key, true)),
    ] {
        println!("the platform's key in {what}: {place:?}");
        assert_eq!(place, Places::new(), "the platform's key");
    }
    assert!(!inside.memory(&token).is_empty(), "memory was not searched");
}

/// A turn of the agent, answered by the platform's model.
async fn chat(stack: &Stack, user: &User, stub: &ProviderStub) {
    let before = stub.count();
    let body = json!({"model": "openclaw", "messages": [{"role": "user", "content": "Say hello."}]});
    let reply = stack.post("/v1/chat/completions").user(user).json(&body).send().await;
    let answer = reply.json(200);
    assert!(answer.to_string().contains("hello from the stub"), "{answer}");
    assert!(stub.count() > before, "the model was not asked");
}
