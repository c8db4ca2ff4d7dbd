//! Claims that this deployment signs for its own later reading: a compact JWS (HS256) under a key that is derived from a ring for one purpose.

use crate::hs256;
use crate::root_keys::RootKeys;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;

/// Longest token that is looked at, in bytes; ours are a third of it.
const LONGEST: usize = 1024;

/// Signs claims with the current key; `None` when there is none.
pub(crate) fn sign<T: Serialize>(keys: &RootKeys, purpose: &str, claims: &T) -> Option<String> {
    let (id, key) = keys.current(purpose)?;
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(id.to_owned());
    hs256::encode(&header, claims, &key).ok()
}

/// What a token says, if a key of the ring signed it for this purpose. The signature is compared in constant time and before anything it says;
/// ends are the caller's to check, against the clock that it was passed.
pub(crate) fn read<T: DeserializeOwned>(keys: &RootKeys, purpose: &str, token: &str) -> Option<T> {
    if token.len() > LONGEST {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    let key = keys.key(header.kid.as_deref()?, purpose)?;
    let mut rules = Validation::new(Algorithm::HS256);
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims = HashSet::new();
    Some(hs256::decode::<T>(token, &key, &rules).ok()?.claims)
}
