//! The provider that all tests share, and secrets of users.

use e2e_tests::key_search::Inside;
use e2e_tests::people::User;
use e2e_tests::processes::variable;
use e2e_tests::provider_stub::ProviderStub;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::LazyLock;
use uuid::Uuid;

static STUB: LazyLock<ProviderStub> = LazyLock::new(ProviderStub::start);

/// A channel's token.
pub const CHANNEL: &str = "TELEGRAM_BOT_TOKEN";

/// Options of the group's stack.
pub fn flags() -> &'static [&'static str] {
    let flags: Vec<&'static str> = STUB.flags().into_iter().map(|flag| &*flag.leak()).collect();
    flags.leak()
}

/// The provider.
pub fn stub() -> &'static ProviderStub {
    &STUB
}

/// A value that stands nowhere else, known as a secret to the search of logs.
pub fn value() -> String {
    let value = format!("12345:{}", Uuid::new_v4().simple());
    e2e_tests::secrets::used("a user's secret", &value);
    value
}

/// Sets a secret of a user; answers what the platform says of it.
pub async fn set(stack: &Stack, user: &User, name: &str, value: &str) -> Value {
    let path = user.path(&format!("/secrets/{name}"));
    let asked = stack.call("PUT", &path).admin().json(&json!({ "value": value }));
    let reply = asked.send().await;
    // Whether there was one before is not what is asked here.
    reply.json(if reply.status == 200 { 200 } else { 201 })
}

/// Restarts the agent and waits until that is done.
pub async fn restart(stack: &Stack, user: &User) {
    let job = stack.begin_change(user, "POST", "restart", &json!({})).await;
    e2e_tests::changes::ended(&stack.job_ends(&job).await, "succeeded");
    stack.awake(user).await;
}

/// A variable of the agent's process.
pub async fn of_agent(stack: &Stack, user: &User, name: &str) -> Option<String> {
    let inside = Inside::of(stack, user).await;
    let agent = inside.agent();
    variable(agent.pid, name)
}

/// The configuration as operators read it.
pub async fn config(stack: &Stack, user: &User) -> Value {
    stack.get(&user.path("/config")).admin().send().await.json(200)
}

/// What is on the disk.
pub async fn disk(stack: &Stack, user: &User) -> Value {
    let text = stack.sh(user, "cat .openclaw/openclaw.json").await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
