//! From the text of a token to the person it stands for.

use super::claims::{AccessRules, SessionRules};
use super::issuer::{AccessIssuer, Issuers, KeyEndpoint, SessionIssuer, Source};
use super::key::PublicKey;
use super::token::Token;
use super::{TokenError, User};
use crate::hs256;
use crate::time::Millis;

/// What became of looking for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The issuer publishes it.
    Found(PublicKey),
    /// The issuer does not know it.
    Unknown,
    /// Nobody can say at the moment; seconds after which asking again makes sense.
    Unavailable(u32),
}

/// Finds published keys.
pub trait KeySource {
    /// The key `kid` of the issuer that publishes at `endpoint`.
    fn find(&self, endpoint: &KeyEndpoint, kid: &str) -> impl Future<Output = Lookup>;
}

/// The crypto itself failed, which says nothing about the signature. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature check: {0}")]
pub struct CheckFault(pub String);

/// Verifies signatures by published keys.
pub trait SignatureCheck {
    /// Whether `signature` is that of `signed` under `key`, by the algorithm of the key. `endpoint` tells keys of the same id apart.
    fn verify(
        &self,
        endpoint: &KeyEndpoint,
        key: &PublicKey,
        signed: &[u8],
        signature: &[u8],
    ) -> impl Future<Output = Result<bool, CheckFault>>;
}

impl Issuers {
    /// The person whom a token stands for.
    ///
    /// # Errors
    /// [`TokenError`]. Everything that is not plainly a person's valid token is one.
    pub async fn authenticate(
        &self,
        text: &str,
        source: Source,
        keys: &impl KeySource,
        check: &impl SignatureCheck,
        now: Millis,
    ) -> Result<User, TokenError> {
        match source {
            Source::Bearer | Source::Cookie => {
                let issuer = self.session.as_ref().ok_or(TokenError::NotConfigured)?;
                issuer.person(text, self.access.is_some(), keys, check, now).await
            }
            Source::Access => {
                let issuer = self.access.as_ref().ok_or(TokenError::NotConfigured)?;
                issuer.person(text, keys, check, now).await
            }
        }
    }
}

impl SessionIssuer {
    async fn person(
        &self,
        text: &str,
        derived_ids_reserved: bool,
        keys: &impl KeySource,
        check: &impl SignatureCheck,
        now: Millis,
    ) -> Result<User, TokenError> {
        let token = Token::parse(text)?;
        if token.algorithm == jsonwebtoken::Algorithm::HS256 {
            // A shared secret is only ever compared with a MAC, and a published key never: neither can be taken for the other.
            if !self.signed_by_secret(&token) {
                return Err(TokenError::Signature("no secret of ours"));
            }
        } else {
            let endpoint = self.keys.as_ref().ok_or(TokenError::Signature("algorithm"))?;
            signed_by_key(&token, &self.issuer, endpoint, keys, check).await?;
        }
        let rules = SessionRules {
            issuer: &self.issuer,
            audience: &self.audience,
            derived_ids_reserved,
        };
        rules.person(&token.claims, now)
    }

    fn signed_by_secret(&self, token: &Token<'_>) -> bool {
        self.secrets
            .iter()
            .any(|secret| hs256::matches(token.signed, token.signature_text, secret.as_bytes()))
    }
}

impl AccessIssuer {
    async fn person(
        &self,
        text: &str,
        keys: &impl KeySource,
        check: &impl SignatureCheck,
        now: Millis,
    ) -> Result<User, TokenError> {
        let token = Token::parse(text)?;
        signed_by_key(&token, &self.team, &self.keys, keys, check).await?;
        let rules = AccessRules {
            team: &self.team,
            audience: &self.audience,
        };
        rules.person(&token.claims, now)
    }
}

/// Cheap reasons to refuse come first, so that a key is only looked for on behalf of a token that might be good.
async fn signed_by_key(
    token: &Token<'_>,
    issuer: &str,
    endpoint: &KeyEndpoint,
    keys: &impl KeySource,
    check: &impl SignatureCheck,
) -> Result<(), TokenError> {
    if !endpoint
        .algorithms
        .iter()
        .any(|algorithm| algorithm.in_header() == token.algorithm)
    {
        return Err(TokenError::Signature("algorithm"));
    }
    if token.claimed_issuer() != Some(issuer) {
        return Err(TokenError::Issuer);
    }
    let kid = token
        .kid
        .as_deref()
        .filter(|kid| !kid.is_empty())
        .ok_or(TokenError::Signature("no key id"))?;
    let key = match keys.find(endpoint, kid).await {
        Lookup::Found(key) => key,
        Lookup::Unknown => return Err(TokenError::Signature("unknown key")),
        Lookup::Unavailable(seconds) => return Err(TokenError::Unavailable(seconds)),
    };
    if key.kid != kid || key.algorithm.in_header() != token.algorithm || !endpoint.algorithms.contains(&key.algorithm) {
        return Err(TokenError::Signature("key of another algorithm"));
    }
    if !key.fits(&token.signature) {
        return Err(TokenError::Signature("length"));
    }
    match check
        .verify(endpoint, &key, token.signed.as_bytes(), &token.signature)
        .await
    {
        Ok(true) => Ok(()),
        Ok(false) => Err(TokenError::Signature("wrong")),
        Err(_) => Err(TokenError::Unavailable(1)),
    }
}

#[cfg(test)]
#[path = "authenticate_tests.rs"]
mod tests;
