//! HS256 through `jsonwebtoken`, the only algorithm that workers compute in wasm.
//!
//! The crate comes with a provider of every algorithm there is, a third of the router's size. Workers verify the other ones by the
//! runtime's own crypto, so for wasm it is built without that provider and gets this one, which knows HMAC-SHA-256 and nothing else.
//! Natively (tests, `dev-stack`) the complete provider stays.

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result, new_error};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, TokenData, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Reads private keys and hashes public ones: neither happens in a worker.
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(key: &[u8]) -> Result<Self> {
        Hmac::new_from_slice(key)
            .map(Self)
            .map_err(|_| new_error(ErrorKind::InvalidKeyFormat))
    }

    fn mac(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(message);
        mac
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        Ok(self.mac(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        // In constant time.
        self.mac(message)
            .verify_slice(signature)
            .map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

fn only_hs256(algorithm: Algorithm) -> Result<()> {
    if algorithm == Algorithm::HS256 {
        Ok(())
    } else {
        Err(Error::from(ErrorKind::UnsupportedAlgorithm))
    }
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    only_hs256(*algorithm)?;
    if key.family() != AlgorithmFamily::Hmac {
        return Err(new_error(ErrorKind::InvalidKeyFormat));
    }
    Ok(Box::new(Hs256::new(key.as_bytes())?))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    only_hs256(*algorithm)?;
    if key.family() != AlgorithmFamily::Hmac {
        return Err(new_error(ErrorKind::InvalidKeyFormat));
    }
    Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?))
}

/// Without a provider the crate panics at first use. A wasm instance may be made anew at any time, so each use asks for it.
fn provide() {
    if cfg!(target_arch = "wasm32") {
        // The error says that it is installed already.
        let _ = PROVIDER.install_default();
    }
}

/// Signs claims by HS256.
///
/// # Errors
/// When the header names another algorithm or the claims are no JSON object.
pub fn encode<T: Serialize>(header: &Header, claims: &T, secret: &[u8]) -> Result<String> {
    only_hs256(header.alg)?;
    provide();
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret))
}

/// Verifies a token signed by HS256 and reads its claims by `rules`.
///
/// # Errors
/// When it is none, or breaks a rule.
pub fn decode<T: DeserializeOwned>(token: &str, secret: &[u8], rules: &Validation) -> Result<TokenData<T>> {
    provide();
    jsonwebtoken::decode(token, &DecodingKey::from_secret(secret), rules)
}

/// Whether `signature` (base64url, the third part of a token) is that of `signed` (the first two) under this secret.
#[must_use]
pub fn matches(signed: &str, signature: &str, secret: &[u8]) -> bool {
    provide();
    let key = DecodingKey::from_secret(secret);
    jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, Algorithm::HS256).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::{PROVIDER, matches, only_hs256};
    use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

    const SECRET: &[u8] = b"a-test-secret-of-at-least-32-bytes!";

    /// Natively the complete provider is in use, so the one of the workers is compared with it here.
    #[test]
    fn the_workers_provider_agrees_with_the_complete_one() {
        let key = EncodingKey::from_secret(SECRET);
        let signer = (PROVIDER.signer_factory)(&Algorithm::HS256, &key).unwrap();
        let theirs = jsonwebtoken::crypto::sign(b"a.b", &key, Algorithm::HS256).unwrap();
        assert!(matches("a.b", &theirs, SECRET));
        assert!(!matches("a.c", &theirs, SECRET));
        assert!(!matches("a.b", &theirs, b"another-secret-of-at-least-32-bytes"));
        let verifier = (PROVIDER.verifier_factory)(&Algorithm::HS256, &DecodingKey::from_secret(SECRET)).unwrap();
        let ours = signer.sign(b"a.b");
        assert!(verifier.verify(b"a.b", &ours).is_ok());
        for wrong in [vec![], ours[..31].to_vec(), [ours.clone(), vec![0]].concat()] {
            assert!(verifier.verify(b"a.b", &wrong).is_err());
        }
        assert!(verifier.verify(b"a.c", &ours).is_err());
        use base64::Engine as _;
        assert_eq!(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(ours), theirs);
    }

    #[test]
    fn nothing_but_hs256_is_known() {
        assert!(only_hs256(Algorithm::HS256).is_ok());
        for other in [Algorithm::HS512, Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA] {
            let key = DecodingKey::from_secret(SECRET);
            assert!((PROVIDER.verifier_factory)(&other, &key).is_err());
            assert!((PROVIDER.signer_factory)(&other, &EncodingKey::from_secret(SECRET)).is_err());
        }
        let point = DecodingKey::from_ec_der(&[4; 65]);
        assert!((PROVIDER.verifier_factory)(&Algorithm::HS256, &point).is_err());
    }
}
