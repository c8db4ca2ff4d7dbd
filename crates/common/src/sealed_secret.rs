//! How a user's secret is kept: sealed (`crate::sealed_text`) for its user, name and use, so that no row of one user, name or use opens in the place of
//! another.

use crate::id::UserId;
use crate::root_keys::RootKeys;
use crate::sealed_text::{NONCE, key_id};
use crate::user_secret::SecretUse;

const LABEL: &str = "molt/user-secret";

/// Which secret it is.
#[derive(Clone, Copy, Debug)]
pub struct SecretPlace<'a> {
    /// Whose.
    pub owner: UserId,
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub used_for: SecretUse,
}

/// Why a secret cannot be sealed or opened. The text is for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedSecretError {
    /// There is no current root key, or sealing failed.
    #[error("it could not be sealed")]
    Seal,
    /// Not sealed by us for this place, changed, or under a root key that is gone.
    #[error("it is not sealed for this user, name and use under a root key of this deployment")]
    NotOurs,
}

impl SecretPlace<'_> {
    // Names have no slash, so no two places are written alike.
    fn bound(&self) -> String {
        format!("{}/{}/{}", self.owner, self.used_for.word(), self.name)
    }
}

impl RootKeys {
    /// Seals a value under the current root key. `nonce` is random and used for nothing else.
    ///
    /// # Errors
    /// [`SealedSecretError::Seal`].
    pub fn seal_secret(
        &self,
        place: &SecretPlace<'_>,
        value: &str,
        nonce: [u8; NONCE],
    ) -> Result<String, SealedSecretError> {
        self.seal(LABEL, &place.bound(), value.as_bytes(), nonce)
            .ok_or(SealedSecretError::Seal)
    }

    /// The value that was sealed for this place.
    ///
    /// # Errors
    /// [`SealedSecretError::NotOurs`].
    pub fn open_secret(&self, place: &SecretPlace<'_>, sealed: &str) -> Result<String, SealedSecretError> {
        let text = self.open(LABEL, &place.bound(), sealed);
        text.and_then(|text| String::from_utf8(text).ok())
            .ok_or(SealedSecretError::NotOurs)
    }

    /// The same value under the current root key; `None` when it is sealed under that one already.
    ///
    /// # Errors
    /// As [`Self::seal_secret`] and [`Self::open_secret`]: what cannot be opened is left as it is.
    pub fn reseal_secret(
        &self,
        place: &SecretPlace<'_>,
        sealed: &str,
        nonce: [u8; NONCE],
    ) -> Result<Option<String>, SealedSecretError> {
        let value = self.open_secret(place, sealed)?;
        if key_id(sealed) == Some(self.current_id()) {
            return Ok(None);
        }
        self.seal_secret(place, &value, nonce).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::{SealedSecretError, SecretPlace};
    use crate::id::UserId;
    use crate::root_keys::RootKeys;
    use crate::sealed_text::{NONCE, key_id};
    use crate::user_secret::SecretUse;
    use proptest::prelude::*;

    const ADA: &str = "ada00000-0000-4000-8000-000000000001";
    const BEN: &str = "ada00000-0000-4000-8000-000000000002";

    fn keys(current: &str, known: &[(&str, char)]) -> RootKeys {
        let known: Vec<String> = known
            .iter()
            .map(|(id, letter)| format!("\"{id}\":\"{}\"", letter.to_string().repeat(43)))
            .collect();
        RootKeys::parse(&format!(r#"{{"current":"{current}","keys":{{{}}}}}"#, known.join(","))).unwrap()
    }

    fn place<'a>(owner: &str, name: &'a str, used_for: SecretUse) -> SecretPlace<'a> {
        SecretPlace {
            owner: UserId::parse(owner).unwrap(),
            name,
            used_for,
        }
    }

    fn adas() -> SecretPlace<'static> {
        place(ADA, "OPENAI_API_KEY", SecretUse::Provider)
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_and_no_other() {
        let ring = keys("k1", &[("k1", 'a'), ("k2", 'a')]);
        let sealed = ring.seal_secret(&adas(), "sk-1", [7; NONCE]).unwrap();
        assert_eq!(key_id(&sealed), Some("k1"));
        assert!(!sealed.contains("sk-1"));
        assert_eq!(ring.open_secret(&adas(), &sealed).as_deref(), Ok("sk-1"));
        for other in [
            place(BEN, "OPENAI_API_KEY", SecretUse::Provider),
            place(ADA, "OPENAI_API_KEX", SecretUse::Provider),
            place(ADA, "OPENAI_API_KEY", SecretUse::Channel),
        ] {
            assert_eq!(
                ring.open_secret(&other, &sealed),
                Err(SealedSecretError::NotOurs),
                "{other:?}"
            );
        }
        for forged in [
            sealed.replace(".k1.", ".k2."),
            sealed.replace(".k1.", ".k3."),
            sealed.replacen('1', "2", 1),
            format!("{sealed}."),
            sealed[..sealed.len() - 2].to_owned(),
            "1.k1.".into(),
            String::new(),
        ] {
            assert_eq!(
                ring.open_secret(&adas(), &forged),
                Err(SealedSecretError::NotOurs),
                "{forged}"
            );
        }
    }

    #[test]
    fn a_rotation_seals_the_same_value_again_and_touches_nothing_that_it_cannot_read() {
        let old = keys("old", &[("old", 'a')])
            .seal_secret(&adas(), "sk-1", [1; NONCE])
            .unwrap();
        let both = keys("new", &[("old", 'a'), ("new", 'b')]);
        let new = both.reseal_secret(&adas(), &old, [2; NONCE]).unwrap().unwrap();
        assert_eq!(key_id(&new), Some("new"));
        assert_eq!(both.reseal_secret(&adas(), &new, [3; NONCE]), Ok(None), "once");
        let after = keys("new", &[("new", 'b')]);
        assert_eq!(after.open_secret(&adas(), &new).as_deref(), Ok("sk-1"));
        assert_eq!(
            after.reseal_secret(&adas(), &old, [4; NONCE]),
            Err(SealedSecretError::NotOurs)
        );
    }

    proptest! {
        #[test]
        fn any_value_comes_back_and_is_not_seen(value in "\\PC{8,200}", nonce in any::<[u8; NONCE]>()) {
            let ring = keys("k1", &[("k1", 'a')]);
            let sealed = ring.seal_secret(&adas(), &value, nonce).unwrap();
            prop_assert!(!sealed.contains(&value));
            prop_assert_eq!(ring.open_secret(&adas(), &sealed), Ok(value));
        }

        #[test]
        fn a_changed_byte_never_opens(place in any::<prop::sample::Index>(), bit in 0u8..7) {
            let ring = keys("k1", &[("k1", 'a')]);
            let mut bytes = ring.seal_secret(&adas(), "sk-something", [3; NONCE]).unwrap().into_bytes();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(bytes) {
                prop_assert!(ring.open_secret(&adas(), &text).is_err(), "{}", text);
            }
        }
    }
}
