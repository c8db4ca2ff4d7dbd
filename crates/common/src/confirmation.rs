//! Tokens that say "yes, really": given by a refusal, and wanted by the call that then does what cannot be undone.
//!
//! A token is a MAC over what it confirms, under keys that are derived from those of the router's identity (`crate::identity`), so that nothing
//! is stored and no secret is added. It opens nothing by itself: the call that carries it needs its scope all the same.

use crate::id::UserId;
use crate::identity::IdentityKeys;
use crate::time::Millis;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How long a token is good for.
pub const LIFETIME_MS: u64 = 120_000;
/// Clocks of isolates differ by this much at most.
const SKEW_MS: u64 = 5_000;
/// What the keys are derived for: a MAC of another purpose confirms nothing.
const PURPOSE: &str = "molt/confirmation/1";

/// What is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed<'a> {
    /// What is to be done, as a word of `crate::sandbox_change::Wanted`.
    pub action: &'a str,
    /// Whose sandbox.
    pub user: UserId,
    /// The start that is meant: a later one was not seen by whoever confirmed.
    pub generation: u64,
}

/// Why a token confirms nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmationError {
    /// Not made by us for this action, user and generation.
    #[error("is not one that was given for this user, action and generation")]
    Other,
    /// Too old.
    #[error("has expired")]
    Expired,
}

/// A token for this, good from now on.
///
/// # Errors
/// When there is no current key.
pub fn token(keys: &IdentityKeys, what: &Confirmed<'_>, now: Millis) -> Result<String, ConfirmationError> {
    let until = now.plus(LIFETIME_MS);
    let (id, key) = keys.current().ok_or(ConfirmationError::Other)?;
    let mac = mac(key, what, until)?.finalize().into_bytes();
    Ok(format!("{id}.{}.{}", until.0, crate::id::hex(&mac)))
}

/// Whether a token confirms this. Compared in constant time.
///
/// # Errors
/// [`ConfirmationError`].
pub fn check(keys: &IdentityKeys, token: &str, what: &Confirmed<'_>, now: Millis) -> Result<(), ConfirmationError> {
    // From the right: what an operator calls a key may hold dots.
    let mut parts = token.rsplitn(3, '.');
    let (Some(given), Some(until), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(ConfirmationError::Other);
    };
    let until = until.parse().map(Millis).map_err(|_| ConfirmationError::Other)?;
    let given = bytes(given).ok_or(ConfirmationError::Other)?;
    let key = keys.key(id).ok_or(ConfirmationError::Other)?;
    mac(key, what, until)?
        .verify_slice(&given)
        .map_err(|_| ConfirmationError::Other)?;
    if now > until || until.since(now) > LIFETIME_MS.saturating_add(SKEW_MS) {
        return Err(ConfirmationError::Expired);
    }
    Ok(())
}

fn mac(key: &[u8], what: &Confirmed<'_>, until: Millis) -> Result<Hmac<Sha256>, ConfirmationError> {
    let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).map_err(|_| ConfirmationError::Other);
    let mut derived = keyed(key)?;
    derived.update(PURPOSE.as_bytes());
    let mut mac = keyed(&derived.finalize().into_bytes())?;
    // None of the parts holds a line end: an action is a word of ours.
    mac.update(format!("{}\n{}\n{}\n{}", what.action, what.user, what.generation, until.0).as_bytes());
    Ok(mac)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..hex.len())
        .step_by(2)
        .map(|at| {
            hex.get(at..at.saturating_add(2))
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{ConfirmationError, Confirmed, LIFETIME_MS, check, token};
    use crate::id::UserId;
    use crate::identity::IdentityKeys;
    use crate::time::Millis;
    use proptest::prelude::*;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn keys(current: &str, other: &str) -> IdentityKeys {
        let json = format!(
            r#"{{"current":"{current}","keys":{{"{current}":"{}","{other}":"{}"}}}}"#,
            current.repeat(43),
            other.repeat(43)
        );
        IdentityKeys::parse(&json).unwrap()
    }

    fn destroy(user: u8, generation: u64) -> Confirmed<'static> {
        let user = UserId::parse(&format!("ada00000-0000-4000-8000-0000000000{user:02}")).unwrap();
        Confirmed {
            action: "destroy",
            user,
            generation,
        }
    }

    #[test]
    fn it_confirms_one_thing_for_a_while() {
        let keys = keys("a.1", "b");
        let given = token(&keys, &destroy(1, 3), NOW).unwrap();
        assert_eq!(check(&keys, &given, &destroy(1, 3), NOW), Ok(()));
        assert_eq!(check(&keys, &given, &destroy(1, 3), NOW.plus(LIFETIME_MS)), Ok(()));
        let late = NOW.plus(LIFETIME_MS + 1);
        assert_eq!(
            check(&keys, &given, &destroy(1, 3), late),
            Err(ConfirmationError::Expired)
        );
        let reset = Confirmed {
            action: "emergency-reset",
            ..destroy(1, 3)
        };
        for other in [destroy(2, 3), destroy(1, 4), reset] {
            assert_eq!(
                check(&keys, &given, &other, NOW),
                Err(ConfirmationError::Other),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_token_of_another_deployment_or_one_that_was_changed_confirms_nothing() {
        let keys_here = keys("a", "b");
        let given = token(&keys_here, &destroy(1, 3), NOW).unwrap();
        assert_eq!(
            check(&keys("c", "d"), &given, &destroy(1, 3), NOW),
            Err(ConfirmationError::Other)
        );
        let longer = given.replace(
            &NOW.plus(LIFETIME_MS).0.to_string(),
            &NOW.plus(LIFETIME_MS + 1).0.to_string(),
        );
        assert_ne!(longer, given);
        for bad in [
            "",
            ".",
            "a.1.2",
            "a..",
            &longer,
            given.trim_end_matches(|c: char| c.is_ascii_hexdigit()),
        ] {
            assert_eq!(
                check(&keys_here, bad, &destroy(1, 3), NOW),
                Err(ConfirmationError::Other),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_rotation_overlaps() {
        let given = token(&keys("a", "b"), &destroy(1, 3), NOW).unwrap();
        assert_eq!(check(&keys("b", "a"), &given, &destroy(1, 3), NOW), Ok(()));
    }

    proptest! {
        #[test]
        fn nothing_that_somebody_makes_up_confirms(given in "(a|b|c)\\.(180000[0-9]{7})\\.[0-9a-f]{64}|.{0,100}") {
            prop_assert!(check(&keys("a", "b"), &given, &destroy(1, 3), NOW).is_err());
        }
    }
}
