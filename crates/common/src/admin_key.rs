//! Admin keys: `molt_<id>_<secret>`, shown once and kept as a hash.

use crate::id::hex;
use crate::scope::Scope;
use crate::time::Millis;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

const PREFIX: &str = "molt_";
/// Hexadecimal digits of an id: 8 bytes.
const ID_DIGITS: usize = 16;
/// Hexadecimal digits of a secret: 32 bytes, so a plain hash of it cannot be guessed back.
const SECRET_DIGITS: usize = 64;

/// Public id of an admin key, 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// The text is no admin key, or no id of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must look like molt_<16 hexadecimal digits>_<64 hexadecimal digits>")]
pub struct NotAKey;

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl KeyId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`NotAKey`] for anything but 16 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        is_hex(text, ID_DIGITS).then(|| Self(text.into())).ok_or(NotAKey)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for KeyId {
    type Error = NotAKey;
    fn try_from(text: String) -> Result<Self, NotAKey> {
        Self::parse(&text)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole key. It is never stored nor logged; `Debug` shows the id only.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminKey {
    id: KeyId,
    secret: String,
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl AdminKey {
    /// A key of these random bytes.
    #[must_use]
    pub fn new(id: [u8; 8], secret: [u8; 32]) -> Self {
        Self {
            id: KeyId(hex(&id)),
            secret: hex(&secret),
        }
    }

    /// Reads what a caller presents.
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let (id, secret) = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(NotAKey)?;
        if !is_hex(secret, SECRET_DIGITS) {
            return Err(NotAKey);
        }
        Ok(Self {
            id: KeyId::parse(id)?,
            secret: secret.into(),
        })
    }

    /// Its public id.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The whole text, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret)
    }

    /// What is stored: SHA-256 over purpose, id and secret, hexadecimal. No slow hash is needed for 256 random bits.
    #[must_use]
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(format!("molt/admin-key/{}/{}", self.id, self.secret).as_bytes());
        hex(&digest)
    }
}

/// What is needed to admit a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRecord {
    /// Public id.
    pub id: KeyId,
    /// See [`AdminKey::hash`].
    pub hash: String,
    /// What it may do. Scopes of a later release are left out: they permit nothing here, and a worker that was rolled back goes on admitting keys.
    #[serde(deserialize_with = "known_scopes")]
    pub scopes: Vec<Scope>,
    /// From then on it is worth nothing; `None` means it does not expire.
    pub expires_at: Option<Millis>,
}

fn known_scopes<'de, D: Deserializer<'de>>(told: D) -> Result<Vec<Scope>, D::Error> {
    let words = Vec::<String>::deserialize(told)?;
    Ok(words.iter().filter_map(|word| word.parse().ok()).collect())
}

impl KeyRecord {
    /// Whether `key` is this one and still good. The comparison takes the same time wherever the two differ.
    #[must_use]
    pub fn admits(&self, key: &AdminKey, now: Millis) -> bool {
        let same = self.hash.as_bytes().ct_eq(key.hash().as_bytes());
        bool::from(same) && self.id == *key.id() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::{AdminKey, KeyRecord};
    use crate::scope::Scope;
    use crate::time::Millis;

    fn key() -> AdminKey {
        AdminKey::new([1; 8], [2; 32])
    }

    fn record(expires_at: Option<Millis>) -> KeyRecord {
        KeyRecord {
            id: key().id().clone(),
            hash: key().hash(),
            scopes: vec![Scope::FleetRead],
            expires_at,
        }
    }

    #[test]
    fn scopes_of_a_later_release_permit_nothing_and_harm_nothing() {
        let mut told = serde_json::to_value(record(None)).unwrap();
        told["scopes"] = serde_json::json!(["teleport:write", "fleet:read"]);
        assert_eq!(serde_json::from_value::<KeyRecord>(told).unwrap(), record(None));
    }

    #[test]
    fn a_key_goes_both_ways_and_is_not_shown() {
        let text = key().reveal();
        assert_eq!(text.len(), 5 + 16 + 1 + 64);
        assert_eq!(AdminKey::parse(&text).unwrap(), key());
        assert!(!format!("{:?}", key()).contains(&"02".repeat(4)));
        assert!(!record(None).hash.contains(&"02".repeat(4)));
    }

    #[test]
    fn anything_else_is_no_key() {
        let text = key().reveal();
        for bad in [
            "",
            "molt_",
            "molt__",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}0"),
            &format!(" {text}"),
            &text.to_uppercase(),
            &text.replace("02", "0g"),
            &text.replacen("01", "é", 1),
        ] {
            assert!(AdminKey::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_same_key_is_admitted_and_only_until_it_expires() {
        let now = Millis(1_000);
        assert!(record(None).admits(&key(), now));
        assert!(record(Some(Millis(1_001))).admits(&key(), now));
        assert!(!record(Some(now)).admits(&key(), now));
        assert!(!record(None).admits(&AdminKey::new([1; 8], [3; 32]), now), "same id");
        assert!(
            !record(None).admits(&AdminKey::new([3; 8], [2; 32]), now),
            "same secret"
        );
        let mut other = record(None);
        other.hash = String::new();
        assert!(!other.admits(&key(), now));
    }
}
