//! ES256 and RS256 computed in wasm.

use crate::failed;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use molt_common::user_token::{KeyMaterial, PublicKey};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use rsa::sha2::{Digest as _, Sha256};
use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};
use worker::Result;

/// A key that is ready.
pub enum Key {
    P256(Box<VerifyingKey>),
    Rsa(Box<RsaPublicKey>),
}

/// Base64url.
pub fn decoded(text: &str) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).map_err(failed)
}

impl Key {
    pub fn of(key: &PublicKey) -> Result<Self> {
        match &key.material {
            KeyMaterial::P256 { x, y } => {
                let point = [vec![4], decoded(x)?, decoded(y)?].concat();
                let key = VerifyingKey::from_sec1_bytes(&point).map_err(failed)?;
                Ok(Self::P256(Box::new(key)))
            }
            KeyMaterial::Rsa { n, e, .. } => {
                let number = |text| decoded(text).map(|bytes| BigUint::from_bytes_be(&bytes));
                let key = RsaPublicKey::new(number(n)?, number(e)?).map_err(failed)?;
                Ok(Self::Rsa(Box::new(key)))
            }
            KeyMaterial::Ed25519 { .. } => Err(failed("not measured")),
        }
    }

    pub fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256(key) => {
                Signature::from_slice(signature).is_ok_and(|signature| key.verify(signed, &signature).is_ok())
            }
            Self::Rsa(key) => key
                .verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed), signature)
                .is_ok(),
        }
    }
}
