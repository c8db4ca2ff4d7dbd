//! A user's token: HS256 JWT of the identity provider, verified before anything is routed.

use crate::id::UserId;
use crate::time::Millis;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;

/// Longest token that is looked at, in bytes.
pub const LONGEST: usize = 8 * 1024;
/// Clocks may differ by this much.
const LEEWAY_S: u64 = 60;
const SHORTEST_SECRET: usize = 32;
/// Audience and role of a signed-in person. `anon` and `service_role` tokens are signed with the same secret and are nobody.
const AUTHENTICATED: &str = "authenticated";

/// Why a token is refused. One answer for callers; the text is for logs and tests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No secret (or one under 32 bytes) is configured: nobody gets in.
    #[error("no token secret is configured")]
    NotConfigured,
    /// Not a JWS signed with our secret by HS256.
    #[error("not a token of our identity provider")]
    Signature,
    /// `exp` missing or past, `nbf` or `iat` in the future.
    #[error("expired or not yet valid")]
    Time,
    /// Another issuer.
    #[error("wrong issuer")]
    Issuer,
    /// `aud` or `role` is not `authenticated`.
    #[error("not a signed-in person")]
    Role,
    /// `sub` is not a UUID.
    #[error("no user id")]
    Subject,
}

/// How tokens are verified.
pub struct TokenPolicy<'a> {
    /// Shared secret; `None` refuses everything.
    pub secret: Option<&'a str>,
    /// Exact `iss`.
    pub issuer: &'a str,
}

/// A verified user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `sub`.
    pub id: UserId,
    /// `email`, if any.
    pub email: Option<String>,
    /// Whether the address is confirmed, as far as the token says; see `crate::signup`.
    pub email_verified: Option<bool>,
    /// `session_id`, if any.
    pub session: Option<String>,
    /// `nonce` of the sign-in that the token was made for, if any.
    pub nonce: Option<String>,
    /// End of the token, epoch milliseconds.
    pub until: Millis,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    aud: Option<Audience>,
    iss: Option<String>,
    role: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    email: Option<String>,
    session_id: Option<String>,
    nonce: Option<String>,
    // Of any type, as the next: a malformed claim is no reason to refuse a person, but it confirms nothing either.
    email_verified: Option<Value>,
    user_metadata: Option<Value>,
}

impl Claims {
    /// The token's own claim; a denial in `user_metadata` counts too. A confirmation there does not: users may write it themselves.
    fn email_verified(&self) -> Option<bool> {
        let own = self.email_verified.as_ref().map(|claim| claim == &Value::Bool(true));
        let of_user = self
            .user_metadata
            .as_ref()
            .and_then(|metadata| metadata.get("email_verified"));
        if of_user.is_some_and(|claim| claim != &Value::Bool(true)) {
            return Some(false);
        }
        own
    }
}

/// Claims of a token that we issue ourselves (the development identity provider).
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

/// Signs a token for a user: what the development identity provider and tests use.
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
    jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )
    .map_err(|_| TokenError::NotConfigured)
}

impl TokenPolicy<'_> {
    /// Verifies a token.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: Millis) -> Result<User, TokenError> {
        let secret = self
            .secret
            .filter(|secret| secret.len() >= SHORTEST_SECRET)
            .ok_or(TokenError::NotConfigured)?;
        if token.len() > LONGEST {
            return Err(TokenError::Signature);
        }
        let mut rules = Validation::new(Algorithm::HS256);
        // Claims are checked below: the clock is the caller's, and several are not in the library's rules.
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims = HashSet::new();
        let claims = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(secret.as_bytes()), &rules)
            .map_err(|_| TokenError::Signature)?
            .claims;
        let until = check_times(&claims, now)?;
        if claims.iss.as_deref() != Some(self.issuer) {
            return Err(TokenError::Issuer);
        }
        let audience = match &claims.aud {
            Some(Audience::One(one)) => one == AUTHENTICATED,
            Some(Audience::Many(many)) => many.iter().any(|one| one == AUTHENTICATED),
            None => false,
        };
        if !audience || claims.role.as_deref() != Some(AUTHENTICATED) {
            return Err(TokenError::Role);
        }
        let id = claims
            .sub
            .as_deref()
            .and_then(|sub| UserId::parse(sub).ok())
            .ok_or(TokenError::Subject)?;
        Ok(User {
            id,
            email_verified: claims.email_verified(),
            email: claims.email,
            nonce: claims.nonce,
            session: claims.session_id,
            until,
        })
    }
}

fn check_times(claims: &Claims, now: Millis) -> Result<Millis, TokenError> {
    #[allow(clippy::cast_precision_loss)] // Seconds of this era are exact in an f64.
    let seconds = now.seconds() as f64;
    #[allow(clippy::cast_precision_loss)]
    let leeway = LEEWAY_S as f64;
    let exp = claims
        .exp
        .filter(|exp| exp.is_finite() && *exp >= 0.0 && *exp < 9e12)
        .ok_or(TokenError::Time)?;
    let from_future = |claim: Option<f64>| claim.is_some_and(|at| at.is_nan() || at > seconds + leeway);
    if exp + leeway <= seconds || from_future(claims.nbf) || from_future(claims.iat) {
        return Err(TokenError::Time);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Checked to be finite, positive and small.
    Ok(Millis((exp * 1000.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::{TokenError, TokenPolicy, issue};
    use crate::id::UserId;
    use crate::time::Millis;
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use serde_json::{Value, json};

    const SECRET: &str = "a-test-secret-of-at-least-32-bytes!";
    const NOW: Millis = Millis(1_800_000_000_000);
    const ADA: &str = "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11";

    fn policy() -> TokenPolicy<'static> {
        TokenPolicy {
            secret: Some(SECRET),
            issuer: "iss",
        }
    }

    fn claims() -> Value {
        json!({"sub": ADA, "aud": "authenticated", "role": "authenticated", "iss": "iss", "exp": NOW.seconds() + 60})
    }

    fn sign(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
        jsonwebtoken::encode(
            &Header::new(algorithm),
            claims,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .unwrap()
    }

    fn with(key: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[key] = value;
        claims
    }

    #[test]
    fn a_signed_in_person_is_accepted() {
        let user = policy()
            .verify(&sign(&claims(), Algorithm::HS256, SECRET), NOW)
            .unwrap();
        assert_eq!(user.id.to_string(), ADA);
        assert!(
            policy()
                .verify(
                    &sign(&with("aud", json!(["x", "authenticated"])), Algorithm::HS256, SECRET),
                    NOW
                )
                .is_ok()
        );
        let own = issue(SECRET, "iss", UserId::parse(ADA).unwrap(), "a@b", "s", NOW, 60).unwrap();
        assert_eq!(policy().verify(&own, NOW).unwrap().session.as_deref(), Some("s"));
    }

    #[test]
    fn a_users_own_word_confirms_no_address() {
        let stated = |own: Value, of_user: Value| {
            let mut claims = claims();
            claims["email_verified"] = own;
            claims["user_metadata"] = json!({"email_verified": of_user});
            let token = sign(&claims, Algorithm::HS256, SECRET);
            policy().verify(&token, NOW).unwrap().email_verified
        };
        let (yes, no, absent) = (json!(true), json!(false), Value::Null);
        assert_eq!(stated(yes.clone(), yes.clone()), Some(true));
        assert_eq!(stated(absent.clone(), yes.clone()), None);
        assert_eq!(stated(yes.clone(), no.clone()), Some(false));
        assert_eq!(stated(absent, no.clone()), Some(false));
        assert_eq!(stated(no, yes.clone()), Some(false));
        assert_eq!(stated(json!("true"), yes), Some(false));
        let plain = policy()
            .verify(&sign(&claims(), Algorithm::HS256, SECRET), NOW)
            .unwrap();
        assert_eq!((plain.email_verified, plain.nonce), (None, None));
    }

    #[test]
    fn everybody_else_is_refused() {
        let s = NOW.seconds();
        for (bad, error) in [
            (with("role", json!("anon")), TokenError::Role),
            (with("role", json!("service_role")), TokenError::Role),
            (with("aud", json!("anon")), TokenError::Role),
            (with("aud", Value::Null), TokenError::Role),
            (with("iss", json!("other")), TokenError::Issuer),
            (with("iss", Value::Null), TokenError::Issuer),
            (with("sub", json!("undefined")), TokenError::Subject),
            (with("sub", Value::Null), TokenError::Subject),
            (with("exp", Value::Null), TokenError::Time),
            (with("exp", json!(s - 61)), TokenError::Time),
            (with("exp", json!(1e300)), TokenError::Time),
            (with("exp", json!(-1)), TokenError::Time),
            (with("nbf", json!(s + 61)), TokenError::Time),
            (with("iat", json!(s + 61)), TokenError::Time),
            (with("exp", json!("soon")), TokenError::Signature),
        ] {
            let token = sign(&bad, Algorithm::HS256, SECRET);
            assert_eq!(policy().verify(&token, NOW).unwrap_err(), error, "{bad}");
        }
    }

    #[test]
    fn the_signature_is_ours_by_our_algorithm() {
        let good = sign(&claims(), Algorithm::HS256, SECRET);
        let body = good.split('.').nth(1).unwrap();
        // {"alg":"none"} in base64url.
        let none = format!("eyJhbGciOiJub25lIn0.{body}.");
        let stripped = format!("{}.", good.rsplit_once('.').unwrap().0);
        for token in [
            sign(&claims(), Algorithm::HS512, SECRET),
            sign(&claims(), Algorithm::HS256, "another-secret-of-at-least-32-bytes"),
            none,
            stripped,
            String::new(),
            "x".repeat(9000),
        ] {
            assert_eq!(
                policy().verify(&token, NOW).unwrap_err(),
                TokenError::Signature,
                "{token}"
            );
        }
    }

    #[test]
    fn without_a_secret_nobody_gets_in() {
        let token = sign(&claims(), Algorithm::HS256, "");
        for secret in [None, Some(""), Some("short")] {
            let policy = TokenPolicy { secret, issuer: "iss" };
            assert_eq!(policy.verify(&token, NOW).unwrap_err(), TokenError::NotConfigured);
        }
    }
}
