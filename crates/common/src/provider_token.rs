//! The token by which a sandbox asks providers: what its agent shows where it would show a key.
//!
//! It says which sandbox and which start it was made for, and opens nothing by itself: the gateway compares it with what the runtime says about where
//! the call comes from (`crate::sandbox_props`), and the `Sandbox` object knows whether that start is still on. So it needs no end of its own.

use crate::id::SandboxId;
use crate::root_keys::RootKeys;
use crate::sandbox_props::SandboxProps;
use crate::signed_claims;
use serde::{Deserialize, Serialize};

/// What the signing keys are derived for.
const PURPOSE: &str = "molt/provider-token/1";

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderClaims {
    /// Whose agent shows it.
    pub sandbox: SandboxId,
    /// The start that it was made for.
    pub generation: u64,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderTokenError {
    /// None of ours: another form, an unknown key, a wrong signature.
    #[error("is not one that was made for a sandbox of this deployment")]
    NotOurs,
    /// It was made for another sandbox than the one that shows it.
    #[error("is for another sandbox")]
    OtherSandbox,
    /// It was made for another start than the one that shows it.
    #[error("is for another start of this sandbox")]
    OtherGeneration,
}

impl ProviderClaims {
    /// Signs them with the current key of `MOLT_SECRET_KEYS`; `None` when there is none.
    #[must_use]
    pub fn mint(&self, keys: &RootKeys) -> Option<String> {
        signed_claims::sign(keys, PURPOSE, self)
    }

    /// Accepts a token that the sandbox and start show for which it was made.
    ///
    /// # Errors
    /// [`ProviderTokenError`]; the signature counts before anything that the token says.
    pub fn verify(keys: &RootKeys, token: &str, caller: &SandboxProps) -> Result<Self, ProviderTokenError> {
        let claims: Self = signed_claims::read(keys, PURPOSE, token).ok_or(ProviderTokenError::NotOurs)?;
        if claims.sandbox != caller.sandbox {
            return Err(ProviderTokenError::OtherSandbox);
        }
        if claims.generation != caller.generation {
            return Err(ProviderTokenError::OtherGeneration);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::{ProviderClaims, ProviderTokenError};
    use crate::id::{SandboxId, UserId};
    use crate::repository_token::{Access, RepositoryClaims};
    use crate::root_keys::RootKeys;
    use crate::sandbox_props::SandboxProps;
    use crate::time::Millis;

    fn ring(current: &str, known: &[(&str, char)]) -> RootKeys {
        let known: Vec<String> = known
            .iter()
            .map(|(id, letter)| format!("\"{id}\":\"{}\"", letter.to_string().repeat(43)))
            .collect();
        RootKeys::parse(&format!(r#"{{"current":"{current}","keys":{{{}}}}}"#, known.join(","))).unwrap()
    }

    fn sandbox(user: u8) -> SandboxId {
        SandboxId::personal(UserId::parse(&format!("ada00000-0000-4000-8000-0000000000{user:02}")).unwrap())
    }

    fn caller(user: u8, generation: u64) -> SandboxProps {
        SandboxProps {
            sandbox: sandbox(user),
            generation,
        }
    }

    fn claims(user: u8, generation: u64) -> ProviderClaims {
        ProviderClaims {
            sandbox: sandbox(user),
            generation,
        }
    }

    #[test]
    fn a_token_is_good_for_its_sandbox_and_start_alone() {
        let keys = ring("k1", &[("k1", 'a')]);
        let token = claims(1, 7).mint(&keys).unwrap();
        let verify = |user, generation| ProviderClaims::verify(&keys, &token, &caller(user, generation));
        assert_eq!(verify(1, 7), Ok(claims(1, 7)));
        assert_eq!(verify(2, 7), Err(ProviderTokenError::OtherSandbox));
        assert_eq!(verify(1, 8), Err(ProviderTokenError::OtherGeneration));
        assert_eq!(verify(1, 6), Err(ProviderTokenError::OtherGeneration));
    }

    #[test]
    fn what_no_key_of_ours_signed_for_this_is_refused() {
        let keys = ring("k1", &[("k1", 'a')]);
        let token = claims(1, 7).mint(&keys).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        // The same root key in the other secret: each purpose derives its own.
        let repository = RepositoryClaims {
            sandbox: sandbox(1),
            incarnation: 0,
            generation: 7,
            access: Access::Full,
            until: Millis(u64::MAX),
        };
        for wrong in [
            String::new(),
            "sk-something".into(),
            format!("{signed}."),
            format!("{signed}.{}", signature.chars().rev().collect::<String>()),
            format!("{token}{}", "A".repeat(2_000)),
            claims(1, 7).mint(&ring("k1", &[("k1", 'b')])).unwrap(),
            claims(1, 7).mint(&ring("k2", &[("k2", 'a')])).unwrap(),
            repository.mint(&keys).unwrap(),
        ] {
            let refused = ProviderClaims::verify(&keys, &wrong, &caller(1, 7));
            assert_eq!(refused, Err(ProviderTokenError::NotOurs), "{wrong}");
        }
    }

    #[test]
    fn a_rotation_overlaps_and_then_ends() {
        let token = claims(1, 1).mint(&ring("old", &[("old", 'a')])).unwrap();
        let both = ring("new", &[("old", 'a'), ("new", 'b')]);
        assert!(ProviderClaims::verify(&both, &token, &caller(1, 1)).is_ok());
        let after = ring("new", &[("new", 'b')]);
        assert!(ProviderClaims::verify(&after, &token, &caller(1, 1)).is_err());
    }
}
