//! A user's token: who may issue one, how its signature is verified, and what its claims must say.
//!
//! A token passes through three steps, each a file of its own: [`Token`] is what arrived, taken apart and not trusted;
//! [`Issuers::authenticate`] finds the key that its issuer published and verifies the signature by the algorithm *of that key*;
//! `claims.rs` decides whether the claims are those of a person who is signed in.

mod authenticate;
mod claimed;
mod claims;
mod issue;
mod issuer;
mod key;
mod key_cache;
mod key_set;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
mod token;

pub use authenticate::{CheckFault, KeySource, Lookup, SignatureCheck};
pub use claimed::claimed;
pub use issue::{IssuedClaims, issue};
pub use issuer::{AccessIssuer, Issuers, KeyEndpoint, SessionIssuer, Settings, SettingsError, Source};
pub use key::{Algorithm, KeyMaterial, PublicKey};
pub use key_cache::{Decision, FETCH_LIMIT_MS, KeyCache, Reason};
pub use key_set::{KeySet, KeySetError, LONGEST_KEY_SET};
pub use token::Token;

use crate::id::UserId;
use crate::time::Millis;

/// Longest token that is looked at, in bytes.
pub const LONGEST: usize = 8 * 1024;
/// Clocks may differ by this much.
const LEEWAY_S: u64 = 60;
/// Shortest HS256 secret, in bytes.
const SHORTEST_SECRET: usize = 32;
/// Role of a signed-in person. `anon` and `service_role` tokens are signed with the same keys and are nobody.
const AUTHENTICATED: &str = "authenticated";

/// Why a token is refused. One answer for callers; the text is for logs and tests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing is configured that could have signed it: nobody gets in.
    #[error("no issuer of such tokens is configured")]
    NotConfigured,
    /// The issuer's keys cannot be had at the moment; seconds after which asking again makes sense.
    #[error("the issuer's keys cannot be had")]
    Unavailable(u32),
    /// Not a JWS of three parts with a header and claims that are unambiguous.
    #[error("not a token: {0}")]
    Malformed(&'static str),
    /// Not signed with a key of its issuer by the algorithm of that key.
    #[error("not signed by its issuer: {0}")]
    Signature(&'static str),
    /// `exp` missing or past, `nbf` or `iat` in the future.
    #[error("expired or not yet valid")]
    Time,
    /// Another issuer.
    #[error("wrong issuer")]
    Issuer,
    /// Another audience or role than that of a signed-in person.
    #[error("not a signed-in person")]
    Role,
    /// `sub` is not a UUID, or one that this issuer may not give.
    #[error("no user id")]
    Subject,
}

/// A verified user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `sub`, or what follows from it (see [`AccessIssuer`]).
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
