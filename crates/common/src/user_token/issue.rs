//! Tokens that we issue ourselves: the development identity provider and tests.

use super::{AUTHENTICATED, SHORTEST_SECRET, TokenError};
use crate::hs256;
use crate::id::UserId;
use crate::time::Millis;
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;

/// Claims of a token that we issue.
#[derive(Clone, Debug, Serialize)]
pub struct IssuedClaims {
    /// User id.
    pub sub: String,
    /// E-mail address.
    pub email: String,
    /// Always `authenticated`.
    pub aud: &'static str,
    /// Always `authenticated`.
    pub role: &'static str,
    /// Issuer.
    pub iss: String,
    /// Epoch seconds.
    pub iat: u64,
    /// Epoch seconds.
    pub exp: u64,
    /// Id of the session.
    pub session_id: String,
}

/// Signs a token for a user by HS256.
///
/// # Errors
/// [`TokenError::NotConfigured`] when the secret is too short.
pub fn issue(
    secret: &str,
    issuer: &str,
    user: UserId,
    email: &str,
    session: &str,
    now: Millis,
    lifetime_s: u64,
) -> Result<String, TokenError> {
    if secret.len() < SHORTEST_SECRET {
        return Err(TokenError::NotConfigured);
    }
    let claims = IssuedClaims {
        sub: user.to_string(),
        email: email.into(),
        aud: AUTHENTICATED,
        role: AUTHENTICATED,
        iss: issuer.into(),
        iat: now.seconds(),
        exp: now.seconds() + lifetime_s,
        session_id: session.into(),
    };
    hs256::encode(&Header::new(Algorithm::HS256), &claims, secret.as_bytes()).map_err(|_| TokenError::NotConfigured)
}
