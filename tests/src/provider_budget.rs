//! Chats with providers from inside a user's sandbox, one and many at once, as they use up a budget.

use crate::people::User;
use crate::provider_calls::{Answered, provider_url};
use crate::stack::Stack;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn body(user: &User, model: &str) -> Value {
    json!({"model": model, "user": user.id, "messages": []})
}

impl Stack {
    /// One chat with a provider, by this model.
    ///
    /// # Panics
    /// When the command fails.
    pub async fn chat(&self, user: &User, provider: &str, model: &str) -> Answered {
        let token = self.provider_token(user).await;
        let path = format!("/{provider}/v1/chat/completions");
        self.ask_provider(user, &token, &path, &body(user, model)).await
    }

    /// So many chats at once; how many were answered with which status.
    ///
    /// # Panics
    /// When the command fails.
    pub async fn chats_at_once(&self, user: &User, provider: &str, count: u32) -> BTreeMap<u16, u32> {
        let token = self.provider_token(user).await;
        let url = provider_url(&format!("/{provider}/v1/chat/completions?n=[1-{count}]"));
        let command = format!(
            "curl -sS -Z --parallel-immediate --parallel-max {count} -m 90 -o /dev/null -w '%{{http_code}}\\n' \
             -H \"Authorization: Bearer $TOKEN\" -H 'content-type: application/json' --data-binary \"$BODY\" '{url}'"
        );
        let environment = json!({"TOKEN": token, "BODY": body(user, "plain").to_string()});
        let asked = json!({"command": command, "env": environment, "timeoutMs": 120_000});
        let ended = self.exec(user, &asked).await;
        assert_eq!(ended["exitCode"], 0, "{ended}");
        let mut statuses = BTreeMap::new();
        for line in ended["stdout"].as_str().expect("text").lines() {
            let status = line.parse().unwrap_or_else(|_| panic!("no status: {line}"));
            *statuses.entry(status).or_default() += 1;
        }
        statuses
    }
}
