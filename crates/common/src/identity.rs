//! The signed identity that the router adds and every other worker demands (`X-Molt-Identity`).
//!
//! A compact JWS (HS256) under a key of its own with a key id, valid for [`LIFETIME_MS`] and bound to method and path, so that
//! it is worth nothing for another call. Header and payload are ours: nothing of the client's is in it but what was verified.

use crate::hs256;
use crate::time::Millis;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// Header that carries it between workers.
pub const HEADER: &str = "x-molt-identity";
/// How long it is accepted.
pub const LIFETIME_MS: u64 = 30_000;
/// Isolates of different machines differ by this much at most.
const SKEW_MS: u64 = 5_000;
const SHORTEST_KEY: usize = 32;

/// What kind of principal calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A person with a sandbox.
    User,
    /// A holder of an admin credential.
    Admin,
    /// One of our own workers, for itself.
    Service,
}

/// Who calls, for what, until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id, name of the admin credential (`bootstrap`, `key:<id>`), or name of the worker.
    pub sub: String,
    /// What kind of principal `sub` is.
    pub kind: Kind,
    /// What it may do; `*` is everything.
    pub scopes: Vec<String>,
    /// E-mail address from the user's token, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether that address is confirmed, as far as the token says; see `crate::signup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// Request id.
    pub rid: String,
    /// Epoch milliseconds until which this is accepted.
    pub until: u64,
    /// Epoch milliseconds at which the principal's own credential ends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_until: Option<u64>,
    /// Session of a user (`crate::trust::SessionRef`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Method of the call.
    pub method: String,
    /// Path of the call, as it stands in the URL.
    pub path: String,
}

/// Why an identity is refused. The text is for logs; callers all see the same answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The key set is missing or malformed.
    #[error("identity keys: {0}")]
    Keys(&'static str),
    /// No header, not a JWS of ours, unknown key id or wrong signature.
    #[error("not signed by a key of ours")]
    Signature,
    /// Too old, or from the future.
    #[error("expired")]
    Expired,
    /// Signed for another method or path.
    #[error("signed for another call")]
    OtherCall,
    /// Another kind of principal is wanted here.
    #[error("wrong kind of principal")]
    Kind,
}

/// Keys by id; `current` signs, all verify, so that a rotation overlaps. Secret `MOLT_IDENTITY_KEYS`, JSON:
/// `{"current":"k1","keys":{"k1":"<base64url of 32 bytes or more>"}}`.
#[derive(Deserialize)]
pub struct IdentityKeys {
    current: String,
    keys: BTreeMap<String, String>,
}

impl std::fmt::Debug for IdentityKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdentityKeys")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

impl IdentityKeys {
    /// Reads the secret.
    ///
    /// # Errors
    /// [`IdentityError::Keys`] when it is not of that form, the current key is not among the keys, or a key is too short.
    pub fn parse(json: &str) -> Result<Self, IdentityError> {
        let keys: Self =
            serde_json::from_str(json).map_err(|_| IdentityError::Keys("not JSON of the documented form"))?;
        if !keys.keys.contains_key(&keys.current) {
            return Err(IdentityError::Keys("the current key is not among the keys"));
        }
        if keys.keys.values().any(|key| key.len() < SHORTEST_KEY) {
            return Err(IdentityError::Keys("a key is too short"));
        }
        Ok(keys)
    }

    /// The current key with its id, for keys of another purpose that are derived from it.
    pub(crate) fn current(&self) -> Option<(&str, &[u8])> {
        self.keys
            .get(&self.current)
            .map(|key| (self.current.as_str(), key.as_bytes()))
    }

    /// Ids of all keys.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// One of the keys, for the same.
    pub(crate) fn key(&self, id: &str) -> Option<&[u8]> {
        self.keys.get(id).map(String::as_bytes)
    }

    /// Signs with the current key.
    ///
    /// # Errors
    /// [`IdentityError::Keys`].
    pub fn sign(&self, identity: &Identity) -> Result<String, IdentityError> {
        let key = self
            .keys
            .get(&self.current)
            .ok_or(IdentityError::Keys("no current key"))?;
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.current.clone());
        hs256::encode(&header, identity, key.as_bytes()).map_err(|_| IdentityError::Keys("signing failed"))
    }

    /// Accepts an identity for exactly this call.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn verify(
        &self,
        token: Option<&str>,
        kind: Kind,
        method: &str,
        path: &str,
        now: Millis,
    ) -> Result<Identity, IdentityError> {
        let token = token.ok_or(IdentityError::Signature)?;
        let header = jsonwebtoken::decode_header(token).map_err(|_| IdentityError::Signature)?;
        let key = header
            .kid
            .as_deref()
            .and_then(|kid| self.keys.get(kid))
            .ok_or(IdentityError::Signature)?;
        let mut rules = Validation::new(Algorithm::HS256);
        // Times are checked below against the clock that the caller passes in.
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims = HashSet::new();
        let identity = hs256::decode::<Identity>(token, key.as_bytes(), &rules)
            .map_err(|_| IdentityError::Signature)?
            .claims;
        if now.0 > identity.until || identity.until > now.0 + LIFETIME_MS + SKEW_MS {
            return Err(IdentityError::Expired);
        }
        if identity.method != method || identity.path != path {
            return Err(IdentityError::OtherCall);
        }
        if identity.kind != kind {
            return Err(IdentityError::Kind);
        }
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::{Identity, IdentityError, IdentityKeys, Kind, LIFETIME_MS};
    use crate::time::Millis;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn keys(current: &str) -> IdentityKeys {
        let json = format!(
            r#"{{"current":"{current}","keys":{{"old":"{}","new":"{}"}}}}"#,
            "o".repeat(43),
            "n".repeat(43)
        );
        IdentityKeys::parse(&json).unwrap()
    }

    fn identity() -> Identity {
        Identity {
            sub: "u".into(),
            kind: Kind::User,
            scopes: vec![],
            email: None,
            email_verified: None,
            rid: "req_1".into(),
            until: NOW.0 + LIFETIME_MS,
            session_until: None,
            session: None,
            method: "GET".into(),
            path: "/a".into(),
        }
    }

    #[test]
    fn is_accepted_for_exactly_its_call() {
        let keys = keys("new");
        let token = keys.sign(&identity()).unwrap();
        let verify = |kind, method, path, now| keys.verify(Some(&token), kind, method, path, now);
        assert_eq!(verify(Kind::User, "GET", "/a", NOW).unwrap(), identity());
        assert_eq!(
            verify(Kind::User, "POST", "/a", NOW).unwrap_err(),
            IdentityError::OtherCall
        );
        assert_eq!(
            verify(Kind::User, "GET", "/b", NOW).unwrap_err(),
            IdentityError::OtherCall
        );
        assert_eq!(verify(Kind::Admin, "GET", "/a", NOW).unwrap_err(), IdentityError::Kind);
        assert_eq!(
            verify(Kind::User, "GET", "/a", NOW.plus(LIFETIME_MS + 1)).unwrap_err(),
            IdentityError::Expired
        );
    }

    #[test]
    fn nothing_unsigned_or_foreign_is_accepted() {
        let keys = keys("new");
        let signed = keys.sign(&identity()).unwrap();
        let unsigned = format!("{}.", signed.rsplit_once('.').unwrap().0);
        let mut other = identity();
        other.until += 10 * LIFETIME_MS;
        let everlasting = keys.sign(&other).unwrap();
        for (token, error) in [
            (None, IdentityError::Signature),
            (Some(""), IdentityError::Signature),
            (Some("a.b.c"), IdentityError::Signature),
            (Some(unsigned.as_str()), IdentityError::Signature),
            (Some(everlasting.as_str()), IdentityError::Expired),
        ] {
            assert_eq!(
                keys.verify(token, Kind::User, "GET", "/a", NOW).unwrap_err(),
                error,
                "{token:?}"
            );
        }
    }

    #[test]
    fn a_rotation_overlaps() {
        let token = keys("old").sign(&identity()).unwrap();
        assert!(keys("new").verify(Some(&token), Kind::User, "GET", "/a", NOW).is_ok());
    }

    #[test]
    fn weak_or_missing_keys_are_refused() {
        for json in [
            "",
            "{}",
            r#"{"current":"a","keys":{}}"#,
            r#"{"current":"a","keys":{"a":"short"}}"#,
        ] {
            assert!(IdentityKeys::parse(json).is_err(), "{json}");
        }
    }
}
