//! Calls to providers from inside a user's sandbox, as programs of his make them.

use crate::people::User;
use crate::secrets::used;
use crate::stack::Stack;
use molt_common::id::SandboxId;
use molt_common::provider::{PROVIDER_HOST, PROVIDER_PATH};
use molt_common::provider_token::ProviderClaims;
use molt_common::root_keys::RootKeys;
use serde_json::{Value, json};

/// An answer as `curl` in the sandbox saw it.
#[derive(Debug)]
pub struct Answered {
    /// HTTP status; 0 when there was none.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
    /// How `curl` ended; 0 when the answer came to its end.
    pub exit: i64,
}

impl Answered {
    /// A header's value; empty when it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When the status is another one or the body is no JSON.
    #[must_use]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A refusal of ours, which clients of both protocols can show.
    ///
    /// # Panics
    /// When it is another one.
    pub fn refused(&self, status: u16, code: &str) {
        let body = self.json(status);
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(body["error"]["message"], body["detail"], "{self:?}");
        assert_eq!(body["error"]["code"], code, "{self:?}");
    }

    fn read(output: &str, exit: i64) -> Self {
        let mut rest = output;
        let mut status = 0;
        let mut headers = Vec::new();
        // Interim answers stand before the answer.
        while rest.starts_with("HTTP/") {
            let (head, after) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
            let mut lines = head.lines();
            let first = lines.next().unwrap_or_default();
            status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
            headers = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            rest = after;
        }
        Self {
            status,
            headers,
            body: rest.to_owned(),
            exit,
        }
    }
}

/// The address of a path below that of providers, as a sandbox asks for it.
#[must_use]
pub fn provider_url(path: &str) -> String {
    format!("http://{PROVIDER_HOST}{PROVIDER_PATH}{path}")
}

impl Stack {
    /// The token of a user's sandbox and this start, as the platform makes it.
    ///
    /// # Panics
    /// When the stack's keys make none.
    #[must_use]
    pub fn provider_token_of(&self, user: &User, generation: u64) -> String {
        let keys = RootKeys::parse(&self.secrets.secret_keys.to_string()).expect("keys");
        let claims = ProviderClaims {
            sandbox: SandboxId::parse(&user.sandbox()).expect("an id"),
            generation,
        };
        let token = claims.mint(&keys).expect("a token");
        used("the token of a sandbox for providers", &token);
        token
    }

    /// That of the start that is on; the sandbox is started if need be.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn provider_token(&self, user: &User) -> String {
        self.awake(user).await;
        self.provider_token_of(user, self.generation(user).await)
    }

    /// Runs `curl` with these further arguments in the sandbox: `$TOKEN` and `$BODY` stand in its environment.
    ///
    /// # Panics
    /// When the command does not end.
    pub async fn curl_inside(&self, user: &User, token: &str, body: &str, arguments: &str) -> Answered {
        let command = format!("curl -sS -m 60 -i --path-as-is {arguments}");
        let asked = json!({"command": command, "env": {"TOKEN": token, "BODY": body}});
        let done = self.exec(user, &asked).await;
        let output = done["stdout"].as_str().expect("text");
        Answered::read(output, done["exitCode"].as_i64().unwrap_or(-1))
    }

    /// Asks a provider from inside the sandbox: `POST` of a JSON body with the token as a bearer's.
    ///
    /// # Panics
    /// When the command does not end.
    pub async fn ask_provider(&self, user: &User, token: &str, path: &str, body: &Value) -> Answered {
        let url = provider_url(path);
        let arguments = format!(
            "-H \"Authorization: Bearer $TOKEN\" -H 'content-type: application/json' --data-binary \"$BODY\" '{url}'"
        );
        self.curl_inside(user, token, &body.to_string(), &arguments).await
    }
}
