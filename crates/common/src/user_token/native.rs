//! The two traits without a runtime: published keys from memory, signatures by `jsonwebtoken`. For tests and tools.

use super::authenticate::{CheckFault, KeySource, Lookup, SignatureCheck};
use super::issuer::{Issuers, KeyEndpoint, Source};
use super::key::{KeyMaterial, PublicKey};
use super::key_set::KeySet;
use super::{TokenError, User};
use crate::time::Millis;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Key sets by address. An address without one does not answer.
#[derive(Clone, Debug, Default)]
pub struct PublishedKeys(pub BTreeMap<String, KeySet>);

impl KeySource for PublishedKeys {
    async fn find(&self, endpoint: &KeyEndpoint, kid: &str) -> Lookup {
        match self.0.get(&endpoint.url) {
            None => Lookup::Unavailable(1),
            Some(set) => set.get(kid).cloned().map_or(Lookup::Unknown, Lookup::Found),
        }
    }
}

/// Signatures by the library's own provider.
#[derive(Clone, Copy, Debug)]
pub struct LibraryCheck;

impl SignatureCheck for LibraryCheck {
    async fn verify(
        &self,
        _endpoint: &KeyEndpoint,
        key: &PublicKey,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<bool, CheckFault> {
        let decoding = match &key.material {
            KeyMaterial::P256 { x, y } => DecodingKey::from_ec_components(x, y),
            KeyMaterial::Rsa { n, e, .. } => DecodingKey::from_rsa_components(n, e),
            KeyMaterial::Ed25519 { x } => DecodingKey::from_ed_components(x),
        };
        let decoding = decoding.map_err(|error| CheckFault(error.to_string()))?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        // A key that is no point of its curve fits no signature.
        Ok(jsonwebtoken::crypto::verify(&signature, signed, &decoding, key.algorithm.in_header()).unwrap_or(false))
    }
}

impl Issuers {
    /// [`Issuers::authenticate`] with keys from memory.
    ///
    /// # Errors
    /// See there.
    pub fn authenticate_natively(
        &self,
        text: &str,
        source: Source,
        keys: &PublishedKeys,
        now: Millis,
    ) -> Result<User, TokenError> {
        let future = pin!(self.authenticate(text, source, keys, &LibraryCheck, now));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            // Neither trait ever waits here.
            Poll::Pending => Err(TokenError::Unavailable(1)),
        }
    }
}
