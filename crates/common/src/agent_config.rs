//! The configuration of a user's agent: a document of his own, over defaults and under keys that are the platform's. All of it pure.
//!
//! What is passed around, kept and hashed is the *user's part* in its *shown form*: without the platform's keys ([`layers::user_part`]) and without the
//! values of secrets ([`secret::shown`]). A secret itself is only on the sandbox's disk.

pub mod handing;
pub mod layers;
pub mod locked;
pub mod merge;
pub mod providers;
pub mod secret;
pub mod standing;

use crate::id::hex;
use crate::json5_depth;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Header in which the agent finds the verified user; its configuration names it.
pub const USER_HEADER: &str = "x-openclaw-user";
/// Port on which the agent listens inside a sandbox.
pub const AGENT_PORT: u16 = 18_789;
/// Longest document, as JSON, in bytes. In a row of an archive each of them may be escaped once more (`crate::recovery::LONGEST_LINE`).
pub const LONGEST: usize = 256 * 1024;
/// Versions that are kept of each user's.
pub const KEPT_VERSIONS: u32 = 100;
/// Longest reason of a change, in characters.
pub const LONGEST_REASON: usize = 500;

/// Where a version came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Origin {
    /// Asked for through the admin API.
    Api,
    /// Seen on the sandbox's disk: the user or the agent changed it.
    Agent,
    /// What was there when the platform looked first.
    Import,
    /// An earlier version, asked for again.
    Rollback,
}

/// The content hash of a document: SHA-256 of its canonical JSON, in hexadecimal. Equal for equal documents, whatever the order of their keys.
#[must_use]
pub fn hash(document: &Value) -> String {
    let mut text = String::new();
    canonical(document, &mut text);
    hex(&Sha256::digest(text.as_bytes()))
}

/// Keys in order, no spaces.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            text.push('{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                canonical(fields.get(name).unwrap_or(&Value::Null), text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                canonical(value, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

/// Whether a text can be a hash of ours.
#[must_use]
pub fn is_hash(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Whether a document is no longer than may be kept, and no deeper than is read from a disk.
#[must_use]
pub fn fits(document: &Value) -> bool {
    let text = document.to_string();
    text.len() <= LONGEST && json5_depth::is_shallow(&text)
}

#[cfg(test)]
mod documents {
    //! Documents for property tests.
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Objects whose keys often are those that mean something.
    pub fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z]{0,5}".prop_map(Value::from),
            Just(Value::from("kQ9-literal-0123456789")),
        ];
        let key = || {
            prop_oneof![
                Just("gateway".to_owned()),
                Just("auth".to_owned()),
                Just("port".to_owned()),
                Just("update".to_owned()),
                Just("checkOnStart".to_owned()),
                Just("botToken".to_owned()),
                "[a-d]{1,2}"
            ]
        };
        let value = leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map(key(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        proptest::collection::btree_map(key(), value, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    /// The same, in which providers and a model are often chosen: by the user, by the platform, or by what the platform was before.
    pub fn with_models() -> impl Strategy<Value = Value> {
        let address = prop_oneof![
            Just("http://providers.molt.internal/_molt/providers/offered"),
            Just("http://providers.molt.internal/_molt/providers/gone/v1"),
            Just("https://api.example/v1"),
        ];
        let entry = prop_oneof![
            address.prop_map(|address| json!({ "baseUrl": address, "models": [] })),
            Just(json!({})),
            Just(json!(7)),
        ];
        let id = prop_oneof![Just("offered"), Just("gone"), Just("mine")];
        let entries = proptest::collection::btree_map(id.prop_map(str::to_owned), entry, 0..3);
        let models = prop_oneof![
            3 => entries.prop_map(|map| Some(json!({ "providers": map, "mode": "merge" }))),
            1 => Just(Some(json!({ "providers": {} }))),
            1 => Just(Some(json!([]))),
            2 => Just(None),
        ];
        let model = prop_oneof![
            Just(Some(json!({ "defaults": { "model": { "primary": "offered/m" } } }))),
            Just(Some(
                json!({ "defaults": { "model": { "primary": "mine/x", "fallbacks": ["offered/m"] } } })
            )),
            Just(Some(json!({ "defaults": { "model": { "fallbacks": [] } } }))),
            Just(Some(json!({ "defaults": { "model": "mine/x" }, "list": [] }))),
            Just(Some(json!({ "defaults": {} }))),
            Just(Some(json!(null))),
            Just(None),
        ];
        (documents(), models, model).prop_map(|(mut document, models, agents)| {
            for (name, value) in [("models", models), ("agents", agents)] {
                if let Some(value) = value {
                    document[name] = value;
                }
            }
            document
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, documents, fits, hash, is_hash};
    use crate::json5_depth::DEEPEST;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn the_order_of_keys_does_not_matter_and_everything_else_does() {
        let one: Value = serde_json::from_str(r#"{"b": [1, 2], "a": {"d": "x", "c": null}}"#).unwrap();
        let same: Value = serde_json::from_str(r#"{"a": {"c": null, "d": "x"}, "b": [1, 2]}"#).unwrap();
        assert_eq!(hash(&one), hash(&same));
        assert!(is_hash(&hash(&one)));
        // sha256sum of `{}`
        assert_eq!(
            hash(&json!({})),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        for other in [
            json!({"b": [2, 1], "a": {"c": null, "d": "x"}}),
            json!({"b": [1, 2], "a": {"d": "x"}}),
            json!({"b": [1, 2], "a": {"c": null, "d": "y"}}),
        ] {
            assert_ne!(hash(&one), hash(&other), "{other}");
        }
    }

    #[test]
    fn what_is_too_long_or_too_deep_does_not_fit() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert!(fits(&nested(DEEPEST)) && !fits(&nested(DEEPEST + 1)));
        let long = |length: usize| json!("x".repeat(length - 2));
        assert!(fits(&long(LONGEST)) && !fits(&long(LONGEST + 1)));
    }

    proptest! {
        #[test]
        fn reading_it_back_keeps_the_hash(document in documents::documents()) {
            let again: Value = serde_json::from_str(&serde_json::to_string_pretty(&document).unwrap()).unwrap();
            prop_assert_eq!(hash(&again), hash(&document));
        }
    }
}
