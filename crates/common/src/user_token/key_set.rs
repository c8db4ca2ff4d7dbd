//! The set of keys that an issuer publishes (RFC 7517, section 5).

use super::key::PublicKey;
use serde_json::Value;

/// Longest document that is read, in bytes. A set of ten RSA keys with certificates is half of it.
pub const LONGEST_KEY_SET: usize = 64 * 1024;
/// Entries that are looked at.
const MOST_KEYS: usize = 64;

/// Keys by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

/// Why a document is no set of keys. The keys from before stay in use then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Over [`LONGEST_KEY_SET`].
    #[error("longer than {LONGEST_KEY_SET} bytes")]
    TooLong,
    /// Not JSON, or without a list `keys`.
    #[error("not a JSON document with a list of keys")]
    NotAKeySet,
}

impl KeySet {
    /// Reads a document. Entries that are no usable keys are left out, as the RFC asks; a document without any is an empty set, which
    /// is how an issuer withdraws all its keys.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > LONGEST_KEY_SET {
            return Err(KeySetError::TooLong);
        }
        let json: Value = serde_json::from_slice(document).map_err(|_| KeySetError::NotAKeySet)?;
        let entries = json
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(KeySetError::NotAKeySet)?;
        let mut keys: Vec<PublicKey> = Vec::new();
        let mut ambiguous: Vec<String> = Vec::new();
        for key in entries.iter().take(MOST_KEYS).filter_map(PublicKey::from_jwk) {
            match keys.iter().find(|other| other.kid == key.kid) {
                None => keys.push(key),
                Some(same) if *same == key => {}
                Some(_) => ambiguous.push(key.kid),
            }
        }
        // An id of two keys names neither: which one a token means would be a guess.
        keys.retain(|key| !ambiguous.contains(&key.kid));
        Ok(Self { keys })
    }

    /// The key of this id.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// Number of usable keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no usable key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{KeySet, KeySetError, LONGEST_KEY_SET};
    use serde_json::{Value, json};

    fn key(kid: &str, x: &str) -> Value {
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x.repeat(42) + "A", "y": "A".repeat(43)})
    }

    fn parse(document: &Value) -> Result<KeySet, KeySetError> {
        KeySet::parse(document.to_string().as_bytes())
    }

    #[test]
    fn unusable_entries_are_left_out_and_the_rest_stays() {
        let oct = json!({"kty": "oct", "kid": "a", "k": "c2VjcmV0"});
        let set =
            parse(&json!({"keys": [oct, 7, key("b", "B"), {"kty": "EC"}, key("c", "C")], "public_cert": {}})).unwrap();
        assert_eq!(set.len(), 2);
        assert!(set.get("a").is_none() && set.get("b").is_some() && set.get("c").is_some());
        assert!(set.get("").is_none() && set.get("B").is_none());
    }

    #[test]
    fn an_id_of_two_keys_names_neither() {
        let set = parse(&json!({"keys": [key("a", "B"), key("a", "C"), key("b", "B"), key("b", "B"), key("a", "B")]}))
            .unwrap();
        assert!(set.get("a").is_none());
        assert!(set.get("b").is_some(), "the same key twice is one");
    }

    #[test]
    fn what_is_no_key_set_is_an_error_and_not_an_empty_set() {
        assert!(parse(&json!({"keys": []})).unwrap().is_empty());
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":null}"#,
            "<html>",
            "\u{0}",
        ] {
            assert_eq!(KeySet::parse(text.as_bytes()), Err(KeySetError::NotAKeySet), "{text}");
        }
        let padded = format!("{}{}", json!({"keys": []}), " ".repeat(LONGEST_KEY_SET));
        assert_eq!(KeySet::parse(padded.as_bytes()), Err(KeySetError::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn no_document_breaks_it(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = KeySet::parse(&bytes);
        }
    }
}
