//! The provider that all tests share.

use e2e_tests::people::User;
use e2e_tests::provider_stub::ProviderStub;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};
use std::sync::LazyLock;
use uuid::Uuid;

static STUB: LazyLock<ProviderStub> = LazyLock::new(ProviderStub::start);

/// The path of chats, below that of providers.
pub const CHAT: &str = "/openai/v1/chat/completions";
/// That of messages.
pub const MESSAGES: &str = "/anthropic/v1/messages";

/// Options of the group's stack.
pub fn flags() -> &'static [&'static str] {
    let flags: Vec<&'static str> = STUB.flags().into_iter().map(|flag| &*flag.leak()).collect();
    flags.leak()
}

/// The provider.
pub fn stub() -> &'static ProviderStub {
    &STUB
}

/// Somebody whose sandbox runs, and its token.
pub async fn somebody(stack: &Stack) -> (User, String) {
    let user = stack.new_user().await;
    let token = stack.provider_token(&user).await;
    (user, token)
}

/// A request for an answer of this kind, and what the stub knows it by.
pub fn asking(model: &str) -> (Value, String) {
    let mark = Uuid::new_v4().simple().to_string();
    let body =
        json!({"model": model, "stream": true, "user": mark, "messages": [{"role": "user", "content": "hello"}]});
    (body, mark)
}
