//! Secrets in a document: referenced, never kept. The agent reads a reference from its environment, a file or its own store.

use super::layers::dotted;
use crate::redaction;
use serde_json::{Map, Value};

/// Stands in the shown form for a secret whose value is on the sandbox's disk. In a document that is put there it means: as it is.
pub const KEPT: &str = "__MOLT_KEPT__";

/// What the agent takes a reference from.
const SOURCES: [&str; 4] = ["env", "file", "exec", "store"];
/// Last words of names that say where a secret is, or of what kind, and hold none.
const NO_SECRET_BY_NAME: [&str; 12] = [
    "file", "path", "dir", "url", "env", "id", "name", "mode", "type", "provider", "source", "header",
];
/// Names of credentials that announce themselves to nobody else.
const SECRET_BY_NAME: [&str; 2] = ["authtag", "encryptkey"];

/// Whether a text is nothing but a reference to a variable: `${NAME}`.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    name.is_some_and(|name| {
        name.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    })
}

/// Whether a value is a reference: `{source, provider, id}`.
fn is_reference(fields: &Map<String, Value>) -> bool {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    text("source").is_some_and(|source| SOURCES.contains(&source))
        && text("id").is_some()
        && fields
            .keys()
            .all(|name| matches!(name.as_str(), "source" | "provider" | "id"))
}

/// Whether a text in a field of this name is a secret that stands there itself.
fn is_literal(name: &str, text: &str) -> bool {
    if text.is_empty() || text == KEPT || is_variable(text) {
        return false;
    }
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    if SECRET_BY_NAME.contains(&plain.as_str()) {
        return true;
    }
    let by_shape = redaction::text(text) != text;
    let by_name = !NO_SECRET_BY_NAME.iter().any(|last| plain.ends_with(last)) && redaction::field(name, text) != text;
    by_shape || by_name
}

/// The shown form: each secret that stands in the document itself is replaced by [`KEPT`].
#[must_use]
pub fn shown(document: &Value) -> Value {
    mapped("", document)
}

fn mapped(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(fields) if is_reference(fields) => value.clone(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), mapped(name, value)))
                .collect(),
        ),
        Value::Array(values) => values.iter().map(|value| mapped(name, value)).collect(),
        Value::String(text) if is_literal(name, text) => KEPT.into(),
        other => other.clone(),
    }
}

/// The places at which a secret stands itself, dotted, in order.
#[must_use]
pub fn literals(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    places("", "", document, &is_literal, &mut found);
    found
}

/// The places of [`KEPT`].
#[must_use]
pub fn kept(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    places("", "", document, &|_, text| text == KEPT, &mut found);
    found
}

fn places(at: &str, name: &str, value: &Value, is: &impl Fn(&str, &str) -> bool, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) if is_reference(fields) => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                places(&dotted(at, name), name, value, is, found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                places(&format!("{at}[{index}]"), name, value, is, found);
            }
        }
        Value::String(text) if is(name, text) => found.push(at.to_owned()),
        _ => {}
    }
}

/// The document with each [`KEPT`] replaced by what `disk` has at its place, and the places for which there is nothing, which are left out. An entry of a
/// list is found by what else it says, not by its number: a secret must not get into another entry.
#[must_use]
pub fn restored(document: &Value, disk: &Value) -> (Value, Vec<String>) {
    let mut missing = Vec::new();
    let restored = restore("", "", document, Some(disk), &mut missing);
    (restored.unwrap_or_default(), missing)
}

fn restore(at: &str, name: &str, value: &Value, disk: Option<&Value>, missing: &mut Vec<String>) -> Option<Value> {
    match value {
        Value::String(text) if text == KEPT => match disk {
            Some(Value::String(secret)) if secret != KEPT => Some(Value::String(secret.clone())),
            _ => {
                missing.push(at.to_owned());
                None
            }
        },
        Value::Object(fields) => {
            let restored = fields.iter().filter_map(|(name, value)| {
                let disk = disk.and_then(|disk| disk.get(name));
                let value = restore(&dotted(at, name), name, value, disk, missing)?;
                Some((name.clone(), value))
            });
            Some(Value::Object(restored.collect()))
        }
        Value::Array(values) => {
            let entries = disk.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let restored = values.iter().enumerate().filter_map(|(index, value)| {
                let says_the_same = |entry: &&Value| mapped(name, entry) == *value;
                let in_place = entries.get(index).filter(says_the_same);
                let same = in_place.or_else(|| entries.iter().find(says_the_same));
                restore(&format!("{at}[{index}]"), name, value, same, missing)
            });
            Some(restored.collect())
        }
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::documents;
    use super::{KEPT, kept, literals, restored, shown};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn literals_are_told_from_references_and_plain_settings() {
        let document = json!({
            "channels": {"telegram": {"botToken": "123456:AAh-kQ9zzzzzzzzzzzzzzzzzzzzzzzzzzzz", "tokenFile": "/home/agent/token"},
                         "slack": {"appToken": {"source": "env", "provider": "default", "id": "SLACK_APP_TOKEN"}, "botToken": "${SLACK_BOT_TOKEN}"},
                         "buzz": {"authTag": "x1Y2z3W4"}},
            "models": {"providers": {"p": {"apiKey": (["sk", "proj", "0123456789abcdefghij0123456789"].join("-")), "baseUrl": "https://m.example/v1",
                                           "headers": {"Authorization": "Bearer abcdefghijklmnop", "X-Title": "mine"},
                                           "models": [{"id": "m", "contextWindow": 8000, "maxTokens": 4096}]}}},
            "gateway": {"auth": {"password": "hunter2"}},
            "agents": {"defaults": {"model": {"primary": "p/m"}}, "session": {"sessionKey": "main"}},
        });
        let found = literals(&document);
        for secret in [
            "channels.telegram.botToken",
            "channels.buzz.authTag",
            "models.providers.p.apiKey",
            "models.providers.p.headers.Authorization",
            "gateway.auth.password",
        ] {
            assert!(found.iter().any(|path| path == secret), "{secret}: {found:?}");
        }
        assert_eq!(found.len(), 5, "{found:?}");
        let shown = shown(&document);
        assert_eq!(shown["gateway"]["auth"]["password"], KEPT);
        assert_eq!(
            shown["channels"]["slack"], document["channels"]["slack"],
            "references stay"
        );
        assert!(!shown.to_string().contains("hunter2"));
        assert_eq!(restored(&shown, &document), (document, vec![]));
    }

    #[test]
    fn what_only_looks_like_a_reference_is_a_literal() {
        for bad in [
            json!({"apiKey": "${lower}"}),
            json!({"apiKey": "${A}tail-kQ9"}),
            json!({"password": {"source": "env", "id": "X", "value": "tail-kQ9", "password": "tail-kQ9"}}),
        ] {
            assert_eq!(literals(&bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_kept_secret_that_is_not_there_is_named_and_left_out() {
        let wanted = json!({"a": {"botToken": KEPT, "x": 1}, "list": [{"name": "two", "token": KEPT}, {"name": "new", "token": KEPT}]});
        let disk = json!({"list": [{"name": "one", "token": "secret-1kQ9"}, {"name": "two", "token": "secret-2kQ9"}]});
        let (document, missing) = restored(&wanted, &disk);
        assert_eq!(
            document,
            json!({"a": {"x": 1}, "list": [{"name": "two", "token": "secret-2kQ9"}, {"name": "new"}]})
        );
        assert_eq!(missing, ["a.botToken", "list[1].token"]);
        assert_eq!(kept(&wanted), ["a.botToken", "list[0].token", "list[1].token"]);
    }

    proptest! {
        #[test]
        fn nothing_that_is_shown_is_a_literal_and_all_of_it_comes_back(document in documents::documents()) {
            let form = shown(&document);
            prop_assert_eq!(literals(&form), Vec::<String>::new());
            prop_assert_eq!(shown(&form), form.clone());
            let (back, missing): (Value, Vec<String>) = restored(&form, &document);
            prop_assert_eq!(missing, Vec::<String>::new());
            prop_assert_eq!(shown(&back), form);
        }
    }
}
