//! The agent's configuration: the platform's keys over the user's document. Pure.
//!
//! Names and meaning of the keys follow the schema of the pinned release (`gateway.*`, `update.*`); an unknown key would stop the agent.

use serde_json::{Map, Value, json};

use super::USER_HEADER;

/// Scopes that a browser of the owner gets for good. Administration is left out here and granted per connection by `identityScopes`, so a
/// copied device key alone is no administrator.
const DEVICE_SCOPES: [&str; 4] = [
    "operator.read",
    "operator.write",
    "operator.approvals",
    "operator.questions",
];
/// Scopes of a connection that the proxy has identified as the owner's.
const OWNER_SCOPES: [&str; 2] = ["operator.admin", "operator.pairing"];

/// Keys that are the platform's: whatever the user's document says about them is replaced.
pub fn locked(owner: &str, public_origins: &[String], port: u16) -> Value {
    json!({
        "gateway": {
            "port": port,
            "bind": "loopback",
            "trustedProxies": ["127.0.0.1"],
            "auth": {
                "mode": "trusted-proxy",
                "identityScopes": { owner: OWNER_SCOPES },
                "trustedProxy": {
                    "userHeader": USER_HEADER,
                    "requiredHeaders": ["x-forwarded-proto", "x-forwarded-host"],
                    "allowUsers": [owner],
                    "allowLoopback": true,
                    "deviceAutoApprove": { "enabled": true, "scopes": DEVICE_SCOPES },
                },
            },
            "controlUi": { "allowedOrigins": public_origins },
        },
    })
}

/// Keys that have a value as long as the user has chosen none. The agent cannot replace itself in a read-only image, so asking an outside
/// server for a newer release helps nobody.
pub fn defaults() -> Value {
    json!({ "update": { "checkOnStart": false } })
}

/// Maps that belong to the platform as a whole: an entry of the user's would let another identity in.
const REPLACED_WHOLE: [&[&str]; 1] = [&["gateway", "auth", "identityScopes"]];

/// The document that the agent is to find: `locked` over `document` over `defaults`. Everything else in `document` stays.
pub fn merge(document: &Value, locked: &Value, defaults: &Value) -> Value {
    let mut merged = defaults.clone();
    // Anything but an object is no document.
    if document.is_object() {
        overlay(&mut merged, document);
    }
    for path in REPLACED_WHOLE {
        remove(&mut merged, path);
    }
    overlay(&mut merged, locked);
    merged
}

/// Puts `upper` over `lower`: objects key by key, everything else whole.
fn overlay(lower: &mut Value, upper: &Value) {
    match (lower, upper) {
        (Value::Object(lower), Value::Object(upper)) => {
            for (key, value) in upper {
                overlay(lower.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (lower, Value::Object(upper)) => {
            let mut object = Value::Object(Map::new());
            overlay(&mut object, &Value::Object(upper.clone()));
            *lower = object;
        }
        (lower, upper) => *lower = upper.clone(),
    }
}

fn remove(document: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let parent = parents.iter().try_fold(document, |value, key| value.get_mut(*key));
    if let Some(Value::Object(parent)) = parent {
        parent.remove(*last);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ours() -> Value {
        locked("user-1", &["https://a.example".to_owned()], 18789)
    }

    #[test]
    fn an_empty_document_becomes_ours() {
        let merged = merge(&json!({}), &ours(), &defaults());
        assert_eq!(
            merged["gateway"]["auth"]["trustedProxy"]["allowUsers"],
            json!(["user-1"])
        );
        assert_eq!(
            merged["gateway"]["controlUi"]["allowedOrigins"],
            json!(["https://a.example"])
        );
        assert_eq!(merged["gateway"]["port"], 18789);
        assert_eq!(merged["update"]["checkOnStart"], false);
    }

    #[test]
    fn the_users_keys_survive_and_ours_win() {
        let document = json!({
            "agents": {"defaults": {"model": {"primary": "x/y"}}},
            "channels": {"telegram": {"botToken": "t"}},
            "update": {"channel": "beta", "checkOnStart": true},
            "gateway": {
                "port": 1, "bind": "lan", "reload": {"mode": "hot"},
                "trustedProxies": ["0.0.0.0/0"],
                "auth": {"mode": "none", "password": "p", "trustedProxy": {"allowUsers": [], "userHeader": "x-other"},
                         "identityScopes": {"mallory": ["operator.admin"]}},
                "controlUi": {"basePath": "/ui", "allowedOrigins": ["*"]},
            },
        });
        let merged = merge(&document, &ours(), &defaults());
        assert_eq!(merged["agents"], document["agents"]);
        assert_eq!(merged["channels"], document["channels"]);
        assert_eq!(merged["update"], document["update"]);
        assert_eq!(merged["gateway"]["reload"], json!({"mode": "hot"}));
        assert_eq!(merged["gateway"]["controlUi"]["basePath"], "/ui");
        assert_eq!(merged["gateway"]["auth"]["password"], "p");
        assert_eq!(merged["gateway"]["auth"]["mode"], "trusted-proxy");
        assert_eq!(
            merged["gateway"]["auth"]["trustedProxy"]["allowUsers"],
            json!(["user-1"])
        );
        assert_eq!(
            merged["gateway"]["auth"]["identityScopes"],
            json!({"user-1": OWNER_SCOPES})
        );
        assert_eq!(merged["gateway"]["trustedProxies"], json!(["127.0.0.1"]));
        assert_eq!(
            merged["gateway"]["controlUi"]["allowedOrigins"],
            json!(["https://a.example"])
        );
    }

    #[test]
    fn a_document_of_the_wrong_shape_gives_way() {
        for document in [
            json!({"gateway": 7}),
            json!({"gateway": {"auth": []}}),
            json!({"gateway": null}),
            json!([1]),
            Value::Null,
        ] {
            let merged = merge(&document, &ours(), &defaults());
            assert_eq!(merged["gateway"]["auth"]["mode"], "trusted-proxy", "{document}");
        }
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z]{0,5}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let key = prop_oneof![
                Just("gateway".to_owned()),
                Just("auth".to_owned()),
                Just("port".to_owned()),
                "[a-z]{1,4}"
            ];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map(key, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn merging_twice_changes_nothing_and_ours_is_always_in_it(document in document()) {
            let merged = merge(&document, &ours(), &defaults());
            prop_assert_eq!(merge(&merged, &ours(), &defaults()), merged.clone());
            prop_assert_eq!(merge(&merged, &ours(), &Value::Null), merged);
        }
    }
}
