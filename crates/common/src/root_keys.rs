//! Rings of root keys, each a secret of the deployment: what tokens for sandboxes are signed with, and what is sealed at rest.
//!
//! None of them is used as it is: each purpose has keys derived from them with a label of its own, so that a MAC or a ciphertext of one
//! purpose is worth nothing for another.

use crate::identity::{IdentityError, IdentityKeys};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Longest id of a key: it stands in clear in every token and wrapped key.
const LONGEST_KEY_ID: usize = 32;

/// Why there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("root keys: {0}")]
pub struct RootKeysError(pub &'static str);

/// Keys by id; `current` signs and seals, all verify and open, so that a rotation overlaps. JSON of the same form as `MOLT_IDENTITY_KEYS`:
/// `{"current":"k1","keys":{"k1":"<base64url of 32 bytes or more>"}}`. Secret `MOLT_REPOSITORY_KEYS` for repositories, `MOLT_SECRET_KEYS` for
/// users' secrets and the tokens by which sandboxes ask providers.
#[derive(Debug)]
pub struct RootKeys(IdentityKeys);

/// A key for one purpose, derived from a root key.
pub(crate) type Derived = [u8; 32];

impl RootKeys {
    /// Reads the secret.
    ///
    /// # Errors
    /// When it is not of that form, the current key is not among the keys, a key is too short, or an id has other characters than letters,
    /// digits, `-` and `_`, or more than 32.
    pub fn parse(json: &str) -> Result<Self, RootKeysError> {
        let keys = IdentityKeys::parse(json).map_err(|error| match error {
            IdentityError::Keys(why) => RootKeysError(why),
            _ => RootKeysError("not JSON of the documented form"),
        })?;
        if keys.ids().all(is_plain) {
            Ok(Self(keys))
        } else {
            Err(RootKeysError(
                "a key id has other characters than letters, digits, - and _, or more than 32",
            ))
        }
    }

    /// The current key for a purpose, with its id.
    pub(crate) fn current(&self, purpose: &str) -> Option<(&str, Derived)> {
        let (id, root) = self.0.current()?;
        Some((id, derive(root, purpose)?))
    }

    /// One of the keys for a purpose.
    pub(crate) fn key(&self, id: &str, purpose: &str) -> Option<Derived> {
        derive(self.0.key(id)?, purpose)
    }

    /// Id of the current key: what is sealed under another one wants to be sealed again.
    #[must_use]
    pub fn current_id(&self) -> &str {
        self.0.current().map_or("", |(id, _)| id)
    }
}

fn derive(root: &[u8], purpose: &str) -> Option<Derived> {
    let mut mac = Hmac::<Sha256>::new_from_slice(root).ok()?;
    mac.update(purpose.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

fn is_plain(id: &str) -> bool {
    (1..=LONGEST_KEY_ID).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::RootKeys;

    #[test]
    fn weak_missing_or_oddly_named_keys_are_refused() {
        let long = "x".repeat(43);
        for json in [
            String::new(),
            "{}".into(),
            r#"{"current":"a","keys":{}}"#.into(),
            r#"{"current":"a","keys":{"a":"short"}}"#.into(),
            format!(r#"{{"current":"b","keys":{{"a":"{long}"}}}}"#),
            format!(r#"{{"current":"a.b","keys":{{"a.b":"{long}"}}}}"#),
            format!(r#"{{"current":"a","keys":{{"a":"{long}","":"{long}"}}}}"#),
        ] {
            assert!(RootKeys::parse(&json).is_err(), "{json}");
        }
        let keys = RootKeys::parse(&format!(r#"{{"current":"a","keys":{{"a":"{long}"}}}}"#)).unwrap();
        assert_eq!(keys.current_id(), "a");
        assert!(!format!("{keys:?}").contains("xxx"));
    }

    #[test]
    fn each_purpose_and_each_root_has_a_key_of_its_own() {
        let (one, two) = ("1".repeat(43), "2".repeat(43));
        let keys = RootKeys::parse(&format!(r#"{{"current":"a","keys":{{"a":"{one}","b":"{two}"}}}}"#)).unwrap();
        let (id, current) = keys.current("x").unwrap();
        assert_eq!((id, Some(current)), ("a", keys.key("a", "x")));
        assert_ne!(keys.key("a", "x"), keys.key("a", "y"));
        assert_ne!(keys.key("a", "x"), keys.key("b", "x"));
        assert_eq!(keys.key("c", "x"), None);
    }
}
