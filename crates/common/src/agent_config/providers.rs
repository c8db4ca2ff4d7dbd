//! The providers that the platform offers, in the words of the agent's document (`models.providers.*` of the pinned release's schema), and its model.
//!
//! An entry of the platform's is known by where it asks: below [`PROVIDER_HOST`], which no provider of the user's own is. So one that is no longer offered
//! leaves the document without anybody having to remember it.

use crate::control::provider::TOKEN_VARIABLE;
use crate::provider::{AgentProvider, Dialect, Model, PROVIDER_HOST};
use serde_json::{Map, Value, json};

/// Where the document has its providers.
pub const PATH: [&str; 2] = ["models", "providers"];
/// Longest `provider/model`, in bytes.
const LONGEST_MODEL: usize = 200;
/// Millionths in a whole: prices are stored in millionths of a dollar, and the agent wants dollars.
const MILLIONTHS: f64 = 1_000_000.0;

/// `models.providers` of what is offered.
#[must_use]
pub fn entries(offered: &[AgentProvider]) -> Value {
    let entries = offered.iter().map(|provider| (provider.id.clone(), entry(provider)));
    Value::Object(entries.collect())
}

/// The key is a reference to a variable of the agent's process, so that no file holds what it stands for.
fn entry(provider: &AgentProvider) -> Value {
    let models: Vec<Value> = provider.models.iter().map(|row| model(provider.dialect, row)).collect();
    json!({
        "baseUrl": provider.base_url,
        "apiKey": format!("${{{TOKEN_VARIABLE}}}"),
        "api": match provider.dialect {
            Dialect::Openai => "openai-completions",
            Dialect::Anthropic => "anthropic-messages",
        },
        "models": models,
    })
}

fn model(dialect: Dialect, row: &Model) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), row.id.as_str().into());
    fields.insert("name".into(), row.name.as_deref().unwrap_or(&row.id).into());
    // The agent's schema takes no zero.
    if let Some(tokens) = row.context_window.filter(|tokens| *tokens > 0) {
        fields.insert("contextWindow".into(), tokens.into());
    }
    if let Some(tokens) = row.max_tokens.filter(|tokens| *tokens > 0) {
        fields.insert("maxTokens".into(), tokens.into());
    }
    if let (Some(input), Some(output)) = (row.input_price, row.output_price) {
        fields.insert(
            "cost".into(),
            json!({ "input": dollars(input), "output": dollars(output) }),
        );
    }
    if dialect == Dialect::Openai {
        // Without being asked, a stream does not state its tokens, and the agent asks only addresses that it knows.
        fields.insert("compat".into(), json!({ "supportsUsageInStreaming": true }));
    }
    Value::Object(fields)
}

#[allow(clippy::cast_precision_loss)] // Prices are far below 2^53 millionths.
fn dollars(millionths: u64) -> f64 {
    millionths as f64 / MILLIONTHS
}

/// Whether an entry of `models.providers` is the platform's, now offered or not.
#[must_use]
pub fn is_ours(entry: &Value) -> bool {
    entry.get("baseUrl").and_then(Value::as_str).is_some_and(is_at_the_edge)
}

/// Whether what is asked at this address is asked at [`PROVIDER_HOST`].
#[must_use]
pub fn is_at_the_edge(address: &str) -> bool {
    let (scheme, rest) = address.trim().split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    !scheme.is_empty() && host.eq_ignore_ascii_case(PROVIDER_HOST)
}

/// Ids of the entries in a document that are the platform's by [`is_ours`].
pub(super) fn found_in(document: &Value) -> Vec<String> {
    let entries = PATH.iter().try_fold(document, |value, key| value.get(*key));
    let entries = entries.and_then(Value::as_object).into_iter().flatten();
    entries
        .filter(|(_, entry)| is_ours(entry))
        .map(|(id, _)| id.clone())
        .collect()
}

/// Static defaults with the model that the platform puts there.
#[must_use]
pub fn with_model(defaults: &Value, model: Option<&str>) -> Value {
    let mut defaults = defaults.clone();
    if let (Some(model), Some(fields)) = (model, defaults.as_object_mut()) {
        fields.insert(
            "agents".into(),
            json!({ "defaults": { "model": { "primary": model } } }),
        );
    }
    defaults
}

/// The default that counts for a document of the user's: none where he has chosen a model, in whichever form.
#[must_use]
pub fn default_for<'a>(user: &Value, model: Option<&'a str>) -> Option<&'a str> {
    let mut at = user;
    for key in ["agents", "defaults", "model"] {
        match at {
            Value::Object(fields) => match fields.get(key) {
                Some(value) => at = value,
                None => return model,
            },
            // Something else stands where the choice would be.
            _ => return None,
        }
    }
    match at {
        Value::Object(fields) if !fields.contains_key("primary") => model,
        _ => None,
    }
}

/// Whether a text names a model of a provider: `provider/model`.
#[must_use]
pub fn is_model(text: &str) -> bool {
    let named = text
        .split_once('/')
        .is_some_and(|(provider, model)| crate::provider::is_id(provider) && !model.is_empty());
    named && text.len() <= LONGEST_MODEL && !text.chars().any(|letter| letter.is_whitespace() || letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::{default_for, entries, is_model, is_ours};
    use crate::provider::{AgentProvider, Dialect, Model};
    use serde_json::json;

    #[test]
    fn entries_are_in_the_agents_words_and_hold_no_key() {
        let model = |id: &str, priced: bool| Model {
            id: id.into(),
            name: priced.then(|| "Named".into()),
            context_window: priced.then_some(1000),
            max_tokens: priced.then_some(100),
            input_price: priced.then_some(1_250_000),
            output_price: priced.then_some(10_000_000),
        };
        let provider = |id: &str, dialect, models| AgentProvider {
            id: id.into(),
            dialect,
            base_url: format!("http://providers.molt.internal/_molt/providers/{id}"),
            models,
        };
        let offered = [
            provider("openai", Dialect::Openai, vec![model("m", false)]),
            provider("anthropic", Dialect::Anthropic, vec![model("c", true)]),
        ];
        assert_eq!(
            entries(&offered),
            json!({
                "openai": {
                    "baseUrl": "http://providers.molt.internal/_molt/providers/openai", "apiKey": "${MOLT_PROVIDER_TOKEN}", "api": "openai-completions",
                    "models": [{"id": "m", "name": "m", "compat": {"supportsUsageInStreaming": true}}],
                },
                "anthropic": {
                    "baseUrl": "http://providers.molt.internal/_molt/providers/anthropic", "apiKey": "${MOLT_PROVIDER_TOKEN}", "api": "anthropic-messages",
                    "models": [{"id": "c", "name": "Named", "contextWindow": 1000, "maxTokens": 100, "cost": {"input": 1.25, "output": 10.0}}],
                },
            })
        );
    }

    #[test]
    fn an_entry_is_known_by_where_it_asks() {
        for ours in [
            "http://providers.molt.internal/_molt/providers/openai/v1",
            "http://providers.molt.internal",
            " HTTP://Providers.Molt.Internal:80/x",
            "http://x@providers.molt.internal./y",
        ] {
            assert!(is_ours(&json!({ "baseUrl": ours })), "{ours}");
        }
        for other in [
            "https://api.openai.com/v1",
            "http://providers.molt.internal.example/",
            "http://example/providers.molt.internal",
            "providers.molt.internal",
            "",
        ] {
            assert!(!is_ours(&json!({ "baseUrl": other })), "{other}");
        }
        for other in [
            json!({}),
            json!({"baseUrl": 7}),
            json!("http://providers.molt.internal/"),
        ] {
            assert!(!is_ours(&other), "{other}");
        }
    }

    #[test]
    fn a_model_is_chosen_in_whichever_form() {
        let counts = |user| default_for(&user, Some("p/m")).is_some();
        for none in [
            json!({}),
            json!({"agents": {}}),
            json!({"agents": {"defaults": {"model": {"fallbacks": ["a/b"]}}}}),
        ] {
            assert!(counts(none.clone()), "{none}");
        }
        for chosen in [
            json!({"agents": {"defaults": {"model": {"primary": "a/b"}}}}),
            json!({"agents": {"defaults": {"model": {"primary": "p/m"}}}}),
            json!({"agents": {"defaults": {"model": "a/b"}}}),
            json!({"agents": 7}),
        ] {
            assert!(!counts(chosen.clone()), "{chosen}");
        }
        assert_eq!(default_for(&json!({}), None), None);
    }

    #[test]
    fn a_model_is_named_with_its_provider() {
        for good in ["openai/gpt-5", "ai-gateway/openai/gpt-5", "p/m:free"] {
            assert!(is_model(good), "{good}");
        }
        for bad in ["", "openai", "openai/", "/m", "Open/m", "p/a b", "p/a\nb"] {
            assert!(!is_model(bad), "{bad}");
        }
    }
}
