//! What a start is given for its agent besides its configuration: how it reaches providers through the edge, and the tokens that it must hold itself.

use crate::agent_config::providers::{is_at_the_edge, is_model};
use crate::id::hex;
use crate::provider::{AgentProvider, Model, is_id};
use crate::user_secret::{LONGEST_VALUE, MOST, Values};
use crate::user_secret_name::{CHANNELS, is_name};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;

/// Name of the agent's environment variable with the token of its start; its configuration refers to it, so that no file holds it.
pub const TOKEN_VARIABLE: &str = "MOLT_PROVIDER_TOKEN";

/// `PUT /v1/providers/handed` (200 with [`ProvidersView`]): what this start's agent is to have. With `MOLT_PROVIDERS=wait` the agent is not started
/// before. The same id again changes nothing; another id counts from the agent's next start on (`POST /v1/agent/restart`).
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandProviders {
    /// Names it, `[A-Za-z0-9_-]{1,64}`.
    pub id: String,
    /// Token of the sandbox and its generation, the agent's [`TOKEN_VARIABLE`].
    pub token: String,
    /// Providers that it may ask.
    pub providers: Vec<AgentProvider>,
    /// `provider/model` that the agent uses as long as its user has chosen none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
    /// Environment variables of the agent: tokens of its channels.
    #[serde(default)]
    pub secrets: Values,
}

/// Digits of a hash in an id.
const ID_DIGITS: usize = 24;
/// Longest id and token, in bytes.
const LONGEST_ID: usize = 64;
const LONGEST_TOKEN: usize = 4096;
/// Beginnings of variables that decide what a process of the agent is, or whose it is: no secret of a user may be one.
const NO_SECRETS: [&str; 6] = ["MOLT_", "OPENCLAW_", "NODE_", "LD_", "LC_", "SANDBOXD_"];
/// The same, whole names.
const NO_SECRET: [&str; 9] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "BASH_ENV",
];

/// Whether a user's secret may be a variable of his agent under this name. Names that an edge newer than this knows may be, too.
#[must_use]
pub fn may_be_variable(name: &str) -> bool {
    CHANNELS.contains(&name) || is_name(name) && !decides(name)
}

fn decides(name: &str) -> bool {
    NO_SECRETS.iter().any(|prefix| name.starts_with(prefix)) || NO_SECRET.contains(&name)
}

impl HandProviders {
    /// What is wrong with it, by the name of its field and without any value; nothing when it can be taken.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.id.is_empty() || self.id.len() > LONGEST_ID || !self.id.bytes().all(legal) {
            return Some(format!("id: must be 1 to {LONGEST_ID} letters, digits, - or _"));
        }
        let printable = self.token.bytes().all(|byte| byte.is_ascii_graphic());
        if self.token.is_empty() || self.token.len() > LONGEST_TOKEN || !printable {
            return Some("token: is none".into());
        }
        let mut ids = BTreeSet::new();
        for provider in &self.providers {
            if !is_id(&provider.id) || !ids.insert(&provider.id) {
                return Some("providers: an id is none, or twice there".into());
            }
            if !is_at_the_edge(&provider.base_url) {
                return Some(format!("providers: {} is not asked through the edge", provider.id));
            }
            let named = |model: &Model| is_model(&format!("{}/{}", provider.id, model.id));
            if !provider.models.iter().all(named) {
                return Some(format!("providers: {} has a model that is none", provider.id));
            }
        }
        if self.default_model.as_ref().is_some_and(|model| !is_model(model)) {
            return Some("defaultModel: must be provider/model".into());
        }
        let text = |value: &String| !value.is_empty() && value.len() <= LONGEST_VALUE && !value.contains('\0');
        let Values(secrets) = &self.secrets;
        if secrets.len() > MOST || !secrets.iter().all(|(name, value)| may_be_variable(name) && text(value)) {
            return Some("secrets: a name or a value cannot be a variable of the agent".into());
        }
        None
    }

    /// The same with the id of its contents, in a start of this generation. The token is among them, which nobody can guess: so the id tells nothing about
    /// a short secret.
    #[must_use]
    pub fn named(mut self, generation: u64) -> Self {
        let mut hash = Sha256::new();
        let Self {
            token,
            providers,
            default_model,
            secrets,
            ..
        } = &self;
        hash.update(json!([token, providers, default_model, secrets]).to_string());
        let hash = hex(&hash.finalize());
        self.id = format!("{generation}-{}", hash.get(..ID_DIGITS).unwrap_or_default());
        self
    }

    /// The variables of the agent's process.
    pub fn environment(&self) -> impl Iterator<Item = (String, String)> {
        let token = (TOKEN_VARIABLE.to_owned(), self.token.clone());
        let secrets = self.secrets.0.iter();
        secrets
            .map(|(name, value)| (name.clone(), value.clone()))
            .chain([token])
    }
}

impl fmt::Debug for HandProviders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandProviders")
            .field("id", &self.id)
            .field("providers", &self.providers)
            .field("default_model", &self.default_model)
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

/// In `SupervisorStatus`, and the answer to [`HandProviders`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvidersView {
    /// The start waits for it.
    pub waits: bool,
    /// Id of what was handed last, if anything was.
    pub handed: Option<String>,
    /// Id of what the agent that runs was started with.
    pub taken: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{HandProviders, TOKEN_VARIABLE};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn order(change: impl FnOnce(&mut Value)) -> HandProviders {
        let mut order = json!({
            "id": "7-a1", "token": "ey.tail-kQ9", "defaultModel": "openai/gpt-5", "secrets": {"TELEGRAM_BOT_TOKEN": "1:tail-kQ9"},
            "providers": [{"id": "openai", "dialect": "openai", "baseUrl": "http://providers.molt.internal/_molt/providers/openai/v1",
                           "models": [{"id": "gpt-5"}]},
                          {"id": "other", "dialect": "anthropic", "baseUrl": "http://providers.molt.internal/x", "models": []}],
        });
        change(&mut order);
        serde_json::from_value(order).unwrap()
    }

    #[test]
    fn what_is_wrong_is_named_without_values() {
        assert_eq!(order(|_| ()).problem(), None);
        assert_eq!(order(|order| order["providers"] = json!([])).problem(), None);
        type Change = fn(&mut Value);
        let bad: [(&str, Change); 13] = [
            ("id", |order| order["id"] = "a b".into()),
            ("id", |order| order["id"] = "".into()),
            ("token", |order| order["token"] = "tail-kQ9\n".into()),
            ("token", |order| order["token"] = "".into()),
            ("providers", |order| order["providers"][0]["id"] = "Open AI".into()),
            ("providers", |order| {
                order["providers"][1] = order["providers"][0].clone()
            }),
            ("providers", |order| {
                order["providers"][0]["baseUrl"] = "https://evil.example/v1".into()
            }),
            ("providers", |order| {
                order["providers"][0]["models"][0]["id"] = "".into()
            }),
            ("defaultModel", |order| order["defaultModel"] = "gpt-5".into()),
            ("secrets", |order| order["secrets"]["PATH"] = "tail-kQ9".into()),
            ("secrets", |order| order["secrets"]["NODE_OPTIONS"] = "tail-kQ9".into()),
            ("secrets", |order| order["secrets"][TOKEN_VARIABLE] = "tail-kQ9".into()),
            ("secrets", |order| order["secrets"]["X_TOKEN"] = "tail-kQ9\0".into()),
        ];
        for (field, change) in bad {
            let order = order(change);
            let problem = order.problem().unwrap_or_else(|| panic!("{order:?}"));
            assert!(problem.starts_with(field), "{problem}: {order:?}");
            assert!(!problem.contains("kQ9"), "{problem}");
        }
        assert!(!format!("{:?}", order(|_| ())).contains("kQ9"), "it is printed nowhere");
    }

    #[test]
    fn it_is_named_by_what_it_says() {
        let named = |change: fn(&mut Value)| order(change).named(7).id;
        assert_eq!(named(|_| ()), named(|order| order["id"] = "other".into()));
        assert_eq!(order(|_| ()).named(7).problem(), None);
        type Change = fn(&mut Value);
        let others: [Change; 4] = [
            |order| order["token"] = "ey.other".into(),
            |order| order["providers"] = json!([]),
            |order| order["defaultModel"] = "openai/other".into(),
            |order| order["secrets"]["TELEGRAM_BOT_TOKEN"] = "other".into(),
        ];
        for change in others {
            assert_ne!(named(change), named(|_| ()));
        }
        assert_ne!(order(|_| ()).named(8).id, named(|_| ()));
    }

    #[test]
    fn tokens_of_channels_may_be_variables_and_what_decides_may_not() {
        let may = super::may_be_variable;
        assert!(crate::user_secret_name::CHANNELS.iter().all(|name| may(name)));
        assert!(may("A_CHANNEL_OF_TOMORROW_TOKEN"));
        for no in [
            "PATH",
            "LD_PRELOAD",
            "NODE_OPTIONS",
            "OPENCLAW_CONFIG_PATH",
            "MOLT_X",
            "lower",
            "",
            "A=B",
        ] {
            assert!(!may(no), "{no}");
        }
    }

    #[test]
    fn the_agent_alone_gets_the_token_and_its_secrets() {
        let environment: BTreeMap<String, String> = order(|_| ()).environment().collect();
        let expected = [(TOKEN_VARIABLE, "ey.tail-kQ9"), ("TELEGRAM_BOT_TOKEN", "1:tail-kQ9")];
        assert_eq!(
            environment,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        );
    }
}
