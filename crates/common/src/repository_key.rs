//! The own key of a sandbox's repository, which encrypts everything in it, and how it is kept: wrapped under a root key of the deployment.
//!
//! It is restic's master key: a key of AES-256 and one of Poly1305-AES. No password leads to it, so opening a repository derives nothing, and
//! destroying the wrapped text destroys the repository.
//!
//! Wrapped as `crate::sealed_text`, bound to its sandbox: what was wrapped for one opens for no other.

use crate::id::SandboxId;
use crate::repository_keys::RepositoryKeys;
use crate::sealed_text::{NONCE, key_id};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Random bytes that a new key takes.
pub const RANDOM: usize = 64;
const LABEL: &str = "molt/repository-key";
/// Bits of `r` that Poly1305 wants to be nought (RFC 8439, section 2.5).
const CLAMP: [u8; 16] = [
    0xff, 0xff, 0xff, 0x0f, 0xfc, 0xff, 0xff, 0x0f, 0xfc, 0xff, 0xff, 0x0f, 0xfc, 0xff, 0xff, 0x0f,
];

/// Why a key cannot be wrapped or unwrapped. The text is for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryKeyError {
    /// There is no current root key, or wrapping failed.
    #[error("it could not be wrapped")]
    Wrap,
    /// Not wrapped by us for this sandbox, changed, or under a root key that is gone.
    #[error("it is not wrapped for this sandbox under a root key of this deployment")]
    NotOurs,
}

/// The key of one repository. Printed nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryKey {
    mac: MacKey,
    encrypt: String,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MacKey {
    k: String,
    r: String,
}

impl fmt::Debug for RepositoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RepositoryKey")
    }
}

impl RepositoryKey {
    /// A new key of random bytes that are used for nothing else.
    #[must_use]
    pub fn new(random: &[u8; RANDOM]) -> Self {
        let (encrypt, mac) = random.split_at(32);
        let (k, r) = mac.split_at(16);
        let r: Vec<u8> = r.iter().zip(CLAMP).map(|(byte, mask)| byte & mask).collect();
        Self {
            mac: MacKey {
                k: STANDARD.encode(k),
                r: STANDARD.encode(r),
            },
            encrypt: STANDARD.encode(encrypt),
        }
    }

    /// As restic writes a master key: `{"mac":{"k":…,"r":…},"encrypt":…}`, each base64 with padding; what
    /// `crate::control::snapshot::RepositoryAccess::key` carries.
    ///
    /// # Errors
    /// [`RepositoryKeyError::Wrap`]; does not happen.
    pub fn json(&self) -> Result<String, RepositoryKeyError> {
        serde_json::to_string(self).map_err(|_| RepositoryKeyError::Wrap)
    }
}

impl RepositoryKeys {
    /// Wraps a key under the current root key. `nonce` is random and used for nothing else.
    ///
    /// # Errors
    /// [`RepositoryKeyError::Wrap`].
    pub fn wrap(
        &self,
        key: &RepositoryKey,
        sandbox: &SandboxId,
        nonce: [u8; NONCE],
    ) -> Result<String, RepositoryKeyError> {
        let text = key.json()?;
        self.seal(LABEL, sandbox.as_str(), text.as_bytes(), nonce)
            .ok_or(RepositoryKeyError::Wrap)
    }

    /// The key that was wrapped for this sandbox.
    ///
    /// # Errors
    /// [`RepositoryKeyError::NotOurs`].
    pub fn unwrap(&self, wrapped: &str, sandbox: &SandboxId) -> Result<RepositoryKey, RepositoryKeyError> {
        let text = self.open(LABEL, sandbox.as_str(), wrapped);
        text.and_then(|text| serde_json::from_slice(&text).ok())
            .ok_or(RepositoryKeyError::NotOurs)
    }

    /// The same key under the current root key; `None` when it is wrapped under that one already.
    ///
    /// # Errors
    /// As [`Self::wrap`] and [`Self::unwrap`].
    pub fn rewrap(
        &self,
        wrapped: &str,
        sandbox: &SandboxId,
        nonce: [u8; NONCE],
    ) -> Result<Option<String>, RepositoryKeyError> {
        let key = self.unwrap(wrapped, sandbox)?;
        if key_id(wrapped) == Some(self.current_id()) {
            return Ok(None);
        }
        self.wrap(&key, sandbox, nonce).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::{RANDOM, RepositoryKey, RepositoryKeyError};
    use crate::id::{SandboxId, UserId};
    use crate::repository_keys::RepositoryKeys;
    use crate::sealed_text::NONCE;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn keys(current: &str, known: &[(&str, char)]) -> RepositoryKeys {
        let known: Vec<String> = known
            .iter()
            .map(|(id, letter)| format!("\"{id}\":\"{}\"", letter.to_string().repeat(43)))
            .collect();
        RepositoryKeys::parse(&format!(r#"{{"current":"{current}","keys":{{{}}}}}"#, known.join(","))).unwrap()
    }

    fn sandbox(user: u8) -> SandboxId {
        SandboxId::personal(UserId::parse(&format!("ada00000-0000-4000-8000-0000000000{user:02}")).unwrap())
    }

    fn key() -> RepositoryKey {
        RepositoryKey::new(&std::array::from_fn(|at| u8::try_from(at).unwrap() | 0x80))
    }

    #[test]
    fn a_key_is_what_restic_calls_a_master_key() {
        let json: serde_json::Value =
            serde_json::from_str(&RepositoryKey::new(&[0xff; RANDOM]).json().unwrap()).unwrap();
        let bytes = |at: &str| STANDARD.decode(json.pointer(at).unwrap().as_str().unwrap()).unwrap();
        assert_eq!(bytes("/encrypt"), [0xff; 32]);
        assert_eq!(bytes("/mac/k"), [0xff; 16]);
        let r = bytes("/mac/r");
        assert_eq!(r.len(), 16);
        for (at, byte) in r.iter().enumerate() {
            let expected = match at {
                3 | 7 | 11 | 15 => 0x0f,
                4 | 8 | 12 => 0xfc,
                _ => 0xff,
            };
            assert_eq!(*byte, expected, "byte {at} of r");
        }
        assert_ne!(key(), RepositoryKey::new(&[1; RANDOM]));
        assert_eq!(format!("{:?}", key()), "RepositoryKey");
    }

    #[test]
    fn what_is_wrapped_opens_for_its_sandbox_and_no_other() {
        let ring = keys("k1", &[("k1", 'a'), ("k2", 'a')]);
        let wrapped = ring.wrap(&key(), &sandbox(1), [7; NONCE]).unwrap();
        assert!(wrapped.starts_with("1.k1."), "the version is in clear: {wrapped}");
        assert_eq!(ring.unwrap(&wrapped, &sandbox(1)), Ok(key()));
        assert_eq!(ring.unwrap(&wrapped, &sandbox(2)), Err(RepositoryKeyError::NotOurs));
        for forged in [
            // The same root key text under another id is another context.
            wrapped.replace(".k1.", ".k2."),
            wrapped.replace(".k1.", ".k3."),
            wrapped.replacen('1', "2", 1),
            format!("{wrapped}."),
            wrapped[..wrapped.len() - 2].to_owned(),
            "1.k1.".into(),
            "1.k1.AAAA".into(),
            String::new(),
        ] {
            assert_eq!(
                ring.unwrap(&forged, &sandbox(1)),
                Err(RepositoryKeyError::NotOurs),
                "{forged}"
            );
        }
    }

    #[test]
    fn what_is_wrapped_once_opens_for_ever() {
        let ring = keys("k1", &[("k1", 'a')]);
        let wrapped = concat!(
            "1.k1.BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHpoaORG46PjzH2tYyakQv1YE4lFWFvgbJAmAa6DnkFXA4VvMKwGkGRJTrnWP5LaG2zOuO",
            "6KNuaew62AKEKNf8qinb6hmmoPfML6EN8rTvfjiKAZIuiiNPwW7TMYenfZz6pWhq90xAAK9tDIqqUDiLZwyi5okwVHrAfndjLxSzqxS1ga",
            "cDXc8z8aXdxirZpkj9"
        );
        assert_eq!(ring.wrap(&key(), &sandbox(1), [7; NONCE]).unwrap(), wrapped);
        assert_eq!(ring.unwrap(wrapped, &sandbox(1)), Ok(key()));
    }

    #[test]
    fn a_rotation_wraps_the_same_key_again() {
        let old = keys("old", &[("old", 'a')])
            .wrap(&key(), &sandbox(1), [1; NONCE])
            .unwrap();
        let both = keys("new", &[("old", 'a'), ("new", 'b')]);
        let new = both.rewrap(&old, &sandbox(1), [2; NONCE]).unwrap().unwrap();
        assert!(new.starts_with("1.new."));
        assert_eq!(both.rewrap(&new, &sandbox(1), [3; NONCE]), Ok(None), "once");
        let after = keys("new", &[("new", 'b')]);
        assert_eq!(after.unwrap(&new, &sandbox(1)), Ok(key()));
        assert_eq!(after.unwrap(&old, &sandbox(1)), Err(RepositoryKeyError::NotOurs));
        assert_eq!(
            after.rewrap(&old, &sandbox(1), [4; NONCE]),
            Err(RepositoryKeyError::NotOurs),
            "what cannot be read is not replaced"
        );
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_opens(place in any::<prop::sample::Index>(), bit in 0u8..7) {
            let ring = keys("k1", &[("k1", 'a')]);
            let mut bytes = ring.wrap(&key(), &sandbox(1), [3; NONCE]).unwrap().into_bytes();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(bytes) {
                prop_assert!(ring.unwrap(&text, &sandbox(1)).is_err(), "{}", text);
            }
        }

        #[test]
        fn any_key_comes_back(random in prop::collection::vec(any::<u8>(), RANDOM), nonce in any::<[u8; NONCE]>()) {
            let key = RepositoryKey::new(&random.try_into().unwrap());
            let ring = keys("k1", &[("k1", 'a')]);
            let wrapped = ring.wrap(&key, &sandbox(9), nonce).unwrap();
            prop_assert_eq!(ring.unwrap(&wrapped, &sandbox(9)), Ok(key));
        }
    }
}
