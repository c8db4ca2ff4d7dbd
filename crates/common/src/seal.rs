//! Values that a browser keeps for us and must neither read nor change, such as the refresh token.
//!
//! XChaCha20-Poly1305 with a random nonce of 24 bytes, which may be chosen at random without fear of a repetition. What a value is for
//! and whom it belongs to are associated data: a value sealed for one purpose or person opens for no other.
//!
//! Sealed text: `1.<key id>.<user id>.<base64url(nonce ‖ ciphertext ‖ tag)>`. The user id is readable, because it must be known before opening.

use crate::id::UserId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of a nonce.
pub const NONCE: usize = 24;
const VERSION: &str = "1";
const SHORTEST_KEY: usize = 32;
const LONGEST_KEY_ID: usize = 32;

/// What a sealed value is for. One that is sealed for one purpose is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The identity provider's refresh token in the refresh cookie.
    RefreshCookie,
}

impl Purpose {
    const fn word(self) -> &'static str {
        match self {
            Self::RefreshCookie => "refresh-cookie",
        }
    }
}

/// Why a value cannot be sealed or opened. The text is for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key set is missing or malformed.
    #[error("session keys: {0}")]
    Keys(&'static str),
    /// Not a sealed value of ours: another form, an unknown key, changed, or for another purpose or person.
    #[error("not sealed by us for this")]
    NotOurs,
}

/// A value and whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// Whom it belongs to.
    pub user: UserId,
    /// The value.
    pub text: String,
}

/// Keys by id; `current` seals, all open, so that a rotation overlaps. Secret `MOLT_SESSION_KEYS`, JSON of the same form as
/// `MOLT_IDENTITY_KEYS`: `{"current":"k1","keys":{"k1":"<base64url of 32 bytes or more>"}}`.
#[derive(Deserialize)]
pub struct SessionKeys {
    current: String,
    keys: BTreeMap<String, String>,
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeys")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

impl SessionKeys {
    /// Reads the secret.
    ///
    /// # Errors
    /// [`SealError::Keys`] when it is not of that form, the current key is not among the keys, a key is too short or an id does not fit
    /// into a cookie.
    pub fn parse(json: &str) -> Result<Self, SealError> {
        let keys: Self = serde_json::from_str(json).map_err(|_| SealError::Keys("not JSON of the documented form"))?;
        if !keys.keys.contains_key(&keys.current) {
            return Err(SealError::Keys("the current key is not among the keys"));
        }
        if keys.keys.values().any(|key| key.len() < SHORTEST_KEY) {
            return Err(SealError::Keys("a key is too short"));
        }
        let fits = |id: &String| {
            (1..=LONGEST_KEY_ID).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !keys.keys.keys().all(fits) {
            return Err(SealError::Keys(
                "a key id has other characters than letters, digits, - and _",
            ));
        }
        Ok(keys)
    }

    /// Seals a value with the current key. `nonce` is random and used for nothing else.
    ///
    /// # Errors
    /// [`SealError::Keys`].
    pub fn seal(&self, purpose: Purpose, user: UserId, text: &str, nonce: [u8; NONCE]) -> Result<String, SealError> {
        let cipher = self.cipher(&self.current).ok_or(SealError::Keys("no current key"))?;
        let bound = associated(purpose, &self.current, user);
        let payload = Payload {
            msg: text.as_bytes(),
            aad: bound.as_bytes(),
        };
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::Keys("sealing failed"))?;
        let bytes = [nonce.as_slice(), &sealed].concat();
        Ok(format!(
            "{VERSION}.{}.{user}.{}",
            self.current,
            URL_SAFE_NO_PAD.encode(bytes)
        ))
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    /// [`SealError::NotOurs`].
    pub fn open(&self, purpose: Purpose, sealed: &str) -> Result<Opened, SealError> {
        self.opened(purpose, sealed).ok_or(SealError::NotOurs)
    }

    fn opened(&self, purpose: Purpose, sealed: &str) -> Option<Opened> {
        let mut parts = sealed.split('.');
        let (version, id, user, body) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version != VERSION || parts.next().is_some() {
            return None;
        }
        let user = UserId::parse(user).ok()?;
        let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE>()?;
        let bound = associated(purpose, id, user);
        let payload = Payload {
            msg: text,
            aad: bound.as_bytes(),
        };
        let text = self.cipher(id)?.decrypt(&XNonce::from(*nonce), payload).ok()?;
        Some(Opened {
            user,
            text: String::from_utf8(text).ok()?,
        })
    }

    /// The text of a key is hashed with its use: it may have any length, and the same text elsewhere gives another key.
    fn cipher(&self, id: &str) -> Option<XChaCha20Poly1305> {
        let text = self.keys.get(id)?;
        let key = Sha256::new()
            .chain_update("molt/session-key/")
            .chain_update(text)
            .finalize();
        XChaCha20Poly1305::new_from_slice(&key).ok()
    }
}

fn associated(purpose: Purpose, key_id: &str, user: UserId) -> String {
    format!("molt/{}/{VERSION}/{key_id}/{user}", purpose.word())
}

#[cfg(test)]
mod tests {
    use super::{NONCE, Purpose, SealError, SessionKeys};
    use crate::id::UserId;
    use proptest::prelude::*;

    const ADA: &str = "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11";
    const BEN: &str = "1b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11";

    fn user(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    fn keys(current: &str, known: &[(&str, char)]) -> SessionKeys {
        let known: Vec<String> = known
            .iter()
            .map(|(id, letter)| format!("\"{id}\":\"{}\"", letter.to_string().repeat(43)))
            .collect();
        SessionKeys::parse(&format!(r#"{{"current":"{current}","keys":{{{}}}}}"#, known.join(","))).unwrap()
    }

    fn seal(keys: &SessionKeys, nonce: u8) -> String {
        keys.seal(Purpose::RefreshCookie, user(ADA), "refresh-token", [nonce; NONCE])
            .unwrap()
    }

    fn open(keys: &SessionKeys, sealed: &str) -> Option<(String, String)> {
        let opened = keys.open(Purpose::RefreshCookie, sealed).ok()?;
        Some((opened.user.to_string(), opened.text))
    }

    #[test]
    fn what_is_sealed_opens_for_its_owner() {
        let keys = keys("k1", &[("k1", 'a')]);
        let sealed = seal(&keys, 7);
        assert!(!sealed.contains("refresh-token"));
        assert!(
            !sealed.contains([';', ',', ' ', '"', '=']),
            "fits into a cookie: {sealed}"
        );
        assert_eq!(open(&keys, &sealed), Some((ADA.into(), "refresh-token".into())));
        assert_ne!(seal(&keys, 8), sealed, "another nonce, another text");
    }

    #[test]
    fn it_opens_for_nobody_else() {
        let keys = keys("k1", &[("k1", 'a'), ("k2", 'a')]);
        let sealed = seal(&keys, 7);
        for forged in [
            sealed.replace(ADA, BEN),
            // The same key text under another id is another context.
            sealed.replace(".k1.", ".k2."),
            sealed.replace(".k1.", ".k3."),
            sealed.replacen('1', "2", 1),
            format!("{sealed}."),
            format!("{sealed}A"),
            sealed[..sealed.len() - 2].to_owned(),
            String::new(),
            "1.k1".into(),
            format!("1.k1.{ADA}."),
            format!("1.k1.{ADA}.AAAA"),
        ] {
            assert_eq!(
                keys.open(Purpose::RefreshCookie, &forged).err(),
                Some(SealError::NotOurs),
                "{forged}"
            );
        }
    }

    #[test]
    fn a_rotation_overlaps_and_then_ends() {
        let sealed = seal(&keys("old", &[("old", 'a')]), 1);
        assert!(open(&keys("new", &[("old", 'a'), ("new", 'b')]), &sealed).is_some());
        assert!(open(&keys("new", &[("new", 'b')]), &sealed).is_none());
        assert!(
            open(&keys("old", &[("old", 'b')]), &sealed).is_none(),
            "another key under the old id"
        );
    }

    #[test]
    fn weak_or_missing_keys_are_refused() {
        let long = "x".repeat(43);
        for json in [
            String::new(),
            "{}".into(),
            r#"{"current":"a","keys":{}}"#.into(),
            r#"{"current":"a","keys":{"a":"short"}}"#.into(),
            format!(r#"{{"current":"a.b","keys":{{"a.b":"{long}"}}}}"#),
            format!(r#"{{"current":"","keys":{{"":"{long}"}}}}"#),
        ] {
            assert!(SessionKeys::parse(&json).is_err(), "{json}");
        }
        assert!(!format!("{:?}", keys("k1", &[("k1", 'a')])).contains("aaa"));
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_opens(place in 0usize..120, bit in 0u8..7) {
            let keys = keys("k1", &[("k1", 'a')]);
            let mut bytes = seal(&keys, 3).into_bytes();
            let place = place % bytes.len();
            bytes[place] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(bytes) {
                // Capitals in the user id spell the same id.
                let same_id = text.eq_ignore_ascii_case(&seal(&keys, 3)) && (5..41).contains(&place);
                prop_assert!(same_id || open(&keys, &text).is_none(), "{}", text);
            }
        }

        #[test]
        fn any_text_comes_back(text in "\\PC{0,500}", nonce in any::<[u8; 24]>()) {
            let keys = keys("k1", &[("k1", 'a')]);
            let sealed = keys.seal(Purpose::RefreshCookie, user(BEN), &text, nonce).unwrap();
            prop_assert_eq!(open(&keys, &sealed), Some((BEN.to_owned(), text)));
        }
    }
}
