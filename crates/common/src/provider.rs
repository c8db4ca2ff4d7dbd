//! Providers of models as the edge reaches them: a row of data each. A sandbox asks at [`PROVIDER_HOST`] for [`PROVIDER_PATH`]`/<provider>/<path>`; the
//! gateway adds the key, which no sandbox ever holds.

pub mod header;
pub mod offer;
pub mod path;
pub mod refusal;
pub mod table;
pub mod veil;

use serde::{Deserialize, Serialize};

/// Where providers are served: `{PROVIDER_PATH}/{provider}/{path of the provider}`. Reached by sandboxes alone, never through the router.
pub const PROVIDER_PATH: &str = "/_molt/providers";
/// The name under which a sandbox asks for them, by plain HTTP that does not leave the machine; the runtime leads it to the gateway.
pub const PROVIDER_HOST: &str = "providers.molt.internal";
/// Longest id of a provider.
pub const LONGEST_ID: usize = 32;

/// Whether a text is the id of a provider: `[a-z][a-z0-9-]{0,31}`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() <= LONGEST_ID
        && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The protocol that a provider speaks: where its answers state tokens, and what the agent is told to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Dialect {
    /// `/v1/chat/completions`, `/v1/responses`, and what is compatible with them.
    Openai,
    /// `/v1/messages`.
    Anthropic,
}

/// How the key is shown to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyHeader {
    /// `Authorization: Bearer <key>`.
    Bearer,
    /// `x-api-key: <key>`.
    XApiKey,
    /// `cf-aig-authorization: Bearer <key>`: an authenticated AI Gateway that holds the provider's own key.
    AiGateway,
}

/// A model that a provider is known to have, as the agent's configuration lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    /// As the provider calls it.
    pub id: String,
    /// As a person reads it; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tokens that it takes in all, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u32>,
    /// Tokens that it answers with at most, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Millionths of a US dollar for a million tokens that go in, where the operator states it. Figures made with it are estimates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_price: Option<u64>,
    /// The same for those that come out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_price: Option<u64>,
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// See [`is_id`].
    pub id: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// `https://host[/path]` without a slash at the end; `http` only for an address of this machine, in development.
    pub base_url: String,
    /// How it takes the key.
    pub key_header: KeyHeader,
    /// Name of the key: the platform's secret of the gateway, and the user's own (`crate::user_secret`), which is chosen before it.
    pub key_name: String,
    /// Paths below the base that may be asked for: the exact path, or with `/*` at the end whatever lies below it.
    pub paths: Vec<String>,
    /// Models that the agent is offered; it may ask for others.
    #[serde(default)]
    pub models: Vec<Model>,
}

/// What the agent is told of a provider (`crate::control::provider`): enough to ask the edge for it, and nothing that opens anything elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentProvider {
    /// See [`is_id`].
    pub id: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// Where the agent asks for it: below [`PROVIDER_HOST`], with the part of the path that its protocol's clients expect in a base URL.
    pub base_url: String,
    /// Models that it is offered.
    pub models: Vec<Model>,
}

#[cfg(test)]
mod tests {
    use super::is_id;

    #[test]
    fn ids_are_plain() {
        for good in ["openai", "ai-gateway", "p2", "a"] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "2p", "-a", "A", "a/b", "a.b", "ä", &"a".repeat(33)] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
