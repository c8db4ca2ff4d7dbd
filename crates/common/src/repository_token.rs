//! Tokens for the repository of one sandbox: what `sandboxd` and restic show at `crate::snapshot::REPOSITORY_PATH`.
//!
//! A compact JWS (HS256) under a key derived from the repositories' root keys. It names the sandbox, the generation that it was made for, what it
//! may do and when it ends. Nothing is stored: a generation that is over is found out by the `Sandbox` object, when something is published.

use crate::id::SandboxId;
use crate::repository_keys::RepositoryKeys;
use crate::repository_path::Root;
use crate::signed_claims;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What the signing keys are derived for.
const PURPOSE: &str = "molt/repository-token/1";

/// What a token may do. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Read everything.
    Read,
    /// Add objects, take lock files away again, publish.
    Append,
    /// Remove objects, as a prune does.
    Full,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryClaims {
    /// Whose repository.
    pub sandbox: SandboxId,
    /// Which of his ([`Root`]); a token without it is for the first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub incarnation: u32,
    /// The generation of the sandbox that it was made for; for an operator's the one that was then.
    pub generation: u64,
    /// What it may do.
    pub access: Access,
    /// Until when, in epoch milliseconds.
    pub until: Millis,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryTokenError {
    /// None of ours: another form, an unknown key, a wrong signature.
    #[error("is not one that was made for a repository of this deployment")]
    NotOurs,
    /// Its time is over.
    #[error("has ended")]
    Ended,
    /// It is for the repository of another sandbox.
    #[error("is for the repository of another sandbox")]
    OtherSandbox,
    /// It may not do this.
    #[error("may not do this")]
    Access,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
const fn is_first(incarnation: &u32) -> bool {
    *incarnation == 0
}

impl RepositoryClaims {
    /// Where what it opens lies.
    #[must_use]
    pub fn root(&self) -> Root {
        Root {
            sandbox: self.sandbox.clone(),
            incarnation: self.incarnation,
        }
    }

    /// Signs them with the current key. Whoever mints chooses the end; nothing here bounds it.
    ///
    /// # Errors
    /// [`RepositoryTokenError::NotOurs`] when there is no current key.
    pub fn mint(&self, keys: &RepositoryKeys) -> Result<String, RepositoryTokenError> {
        signed_claims::sign(keys, PURPOSE, self).ok_or(RepositoryTokenError::NotOurs)
    }

    /// Accepts a token for the repository of one sandbox. The signature is compared in constant time and before anything it says.
    ///
    /// # Errors
    /// [`RepositoryTokenError`], but never its `Access`: see [`Self::may`].
    pub fn verify(
        keys: &RepositoryKeys,
        token: &str,
        sandbox: &SandboxId,
        now: Millis,
    ) -> Result<Self, RepositoryTokenError> {
        let claims: Self = signed_claims::read(keys, PURPOSE, token).ok_or(RepositoryTokenError::NotOurs)?;
        if claims.until <= now {
            return Err(RepositoryTokenError::Ended);
        }
        if claims.sandbox != *sandbox {
            return Err(RepositoryTokenError::OtherSandbox);
        }
        Ok(claims)
    }

    /// Whether it may do what takes this much.
    ///
    /// # Errors
    /// [`RepositoryTokenError::Access`].
    pub fn may(&self, wanted: Access) -> Result<(), RepositoryTokenError> {
        if self.access >= wanted {
            Ok(())
        } else {
            Err(RepositoryTokenError::Access)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, RepositoryClaims, RepositoryTokenError};
    use crate::id::{SandboxId, UserId};
    use crate::identity::{Identity, IdentityKeys, Kind};
    use crate::repository_keys::RepositoryKeys;
    use crate::time::Millis;
    use proptest::prelude::*;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn json(current: &str, known: &[(&str, char)]) -> String {
        let known: Vec<String> = known
            .iter()
            .map(|(id, letter)| format!("\"{id}\":\"{}\"", letter.to_string().repeat(43)))
            .collect();
        format!(r#"{{"current":"{current}","keys":{{{}}}}}"#, known.join(","))
    }

    fn keys(current: &str, known: &[(&str, char)]) -> RepositoryKeys {
        RepositoryKeys::parse(&json(current, known)).unwrap()
    }

    fn sandbox(user: u8) -> SandboxId {
        SandboxId::personal(UserId::parse(&format!("ada00000-0000-4000-8000-0000000000{user:02}")).unwrap())
    }

    fn claims(user: u8, access: Access) -> RepositoryClaims {
        RepositoryClaims {
            sandbox: sandbox(user),
            incarnation: 0,
            generation: 7,
            access,
            until: NOW.plus(60_000),
        }
    }

    #[test]
    fn a_token_leads_to_the_repository_that_it_was_made_for() {
        let keys = keys("k1", &[("k1", 'a')]);
        let first = claims(1, Access::Append);
        let text = serde_json::to_string(&first).unwrap();
        assert!(!text.contains("incarnation"), "older releases read it: {text}");
        assert_eq!(serde_json::from_str::<RepositoryClaims>(&text).unwrap(), first);
        let again = RepositoryClaims {
            incarnation: 2,
            ..first
        };
        let token = again.mint(&keys).unwrap();
        let read = RepositoryClaims::verify(&keys, &token, &sandbox(1), NOW).unwrap();
        assert_eq!(read.root().prefix(), format!("snapshots/{}/again-2/", sandbox(1)));
    }

    #[test]
    fn a_token_is_good_for_its_sandbox_until_its_end() {
        let keys = keys("k1", &[("k1", 'a')]);
        let token = claims(1, Access::Append).mint(&keys).unwrap();
        let verify = |of: u8, at: Millis| RepositoryClaims::verify(&keys, &token, &sandbox(of), at);
        assert_eq!(verify(1, NOW).unwrap(), claims(1, Access::Append));
        assert_eq!(verify(1, NOW.plus(59_999)).unwrap().generation, 7);
        assert_eq!(verify(1, NOW.plus(60_000)).unwrap_err(), RepositoryTokenError::Ended);
        assert_eq!(verify(2, NOW).unwrap_err(), RepositoryTokenError::OtherSandbox);
    }

    #[test]
    fn access_grows_from_read_to_full() {
        use Access::{Append, Full, Read};
        for (has, may) in [
            (Read, [true, false, false]),
            (Append, [true, true, false]),
            (Full, [true, true, true]),
        ] {
            let seen = [Read, Append, Full].map(|wanted| claims(1, has).may(wanted).is_ok());
            assert_eq!(seen, may, "{has:?}");
        }
    }

    #[test]
    fn what_no_key_of_ours_signed_for_this_is_refused() {
        let ring = keys("k1", &[("k1", 'a')]);
        let token = claims(1, Access::Full).mint(&ring).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let other_root = claims(1, Access::Full).mint(&keys("k1", &[("k1", 'b')])).unwrap();
        let unknown_key = claims(1, Access::Full).mint(&keys("k2", &[("k2", 'a')])).unwrap();
        // The same text of a key in another secret makes no token: each purpose derives its own.
        let identity = IdentityKeys::parse(&json("k1", &[("k1", 'a')]))
            .unwrap()
            .sign(&Identity {
                sub: sandbox(1).to_string(),
                kind: Kind::Service,
                scopes: vec![],
                email: None,
                email_verified: None,
                rid: "req_1".into(),
                until: NOW.0,
                session_until: None,
                session: None,
                method: "GET".into(),
                path: "/".into(),
            })
            .unwrap();
        // `{"alg":"none"}`
        let unsigned = format!(
            // Apart, so that no search for tokens takes it for one.
            "{}{}.{}.",
            "eyJhbGciOiJub25l",
            "Iiwia2lkIjoiazEifQ",
            signed.split('.').nth(1).unwrap()
        );
        for wrong in [
            String::new(),
            "a.b.c".into(),
            format!("{signed}."),
            format!("{signed}.{}", signature.chars().rev().collect::<String>()),
            format!("{token}{}", "A".repeat(2_000)),
            other_root,
            unknown_key,
            identity,
            unsigned,
        ] {
            assert_eq!(
                RepositoryClaims::verify(&ring, &wrong, &sandbox(1), NOW).unwrap_err(),
                RepositoryTokenError::NotOurs,
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_rotation_overlaps_and_then_ends() {
        let token = claims(1, Access::Read).mint(&keys("old", &[("old", 'a')])).unwrap();
        let both = keys("new", &[("old", 'a'), ("new", 'b')]);
        assert!(RepositoryClaims::verify(&both, &token, &sandbox(1), NOW).is_ok());
        let after = keys("new", &[("new", 'b')]);
        assert!(RepositoryClaims::verify(&after, &token, &sandbox(1), NOW).is_err());
    }

    proptest! {
        #[test]
        fn a_changed_character_is_never_accepted(place in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_.-]") {
            let ring = keys("k1", &[("k1", 'a')]);
            let token = claims(1, Access::Read).mint(&ring).unwrap();
            let mut changed: Vec<char> = token.chars().collect();
            let place = place.index(changed.len());
            changed[place] = letter.chars().next().unwrap();
            let changed: String = changed.into_iter().collect();
            let accepted = RepositoryClaims::verify(&ring, &changed, &sandbox(1), NOW).is_ok();
            prop_assert_eq!(accepted, changed == token, "{}", changed);
        }
    }
}
