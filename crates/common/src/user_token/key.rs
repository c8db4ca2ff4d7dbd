//! A public key as an issuer publishes it (RFC 7517), and the one algorithm that it may be used with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use serde_json::Value;

/// Algorithms of published keys. HMAC is not among them: whoever can read such a key can sign with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The name in a token's header, as the library has it.
    #[must_use]
    pub const fn in_header(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    const fn in_key(self) -> KeyAlgorithm {
        match self {
            Self::Es256 => KeyAlgorithm::ES256,
            Self::Rs256 => KeyAlgorithm::RS256,
            Self::EdDsa => KeyAlgorithm::EdDSA,
        }
    }
}

/// The numbers of a key, as base64url without padding and of the right length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMaterial {
    /// A point of P-256.
    P256 {
        /// 32 bytes.
        x: String,
        /// 32 bytes.
        y: String,
    },
    /// An RSA key of 2048 to 8192 bits.
    Rsa {
        /// Modulus.
        n: String,
        /// Exponent.
        e: String,
        /// Length of the modulus, and of a signature, in bytes.
        length: usize,
    },
    /// A point of Ed25519.
    Ed25519 {
        /// 32 bytes.
        x: String,
    },
}

/// A key that signatures of its issuer are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Id, by which tokens name it.
    pub kid: String,
    /// Follows from the key, whatever a token says.
    pub algorithm: Algorithm,
    /// The key itself.
    pub material: KeyMaterial,
}

const LONGEST_KID: usize = 256;
/// NIST SP 800-131A allows no shorter ones; 8192 bits bound the work that one token can cause.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

impl PublicKey {
    /// Reads one entry of a key set; `None` for every key that is no signature key of a kind we verify with, such as one without an
    /// id, an `oct` key, a short RSA key, one for encryption, or one for another algorithm.
    #[must_use]
    pub fn from_jwk(entry: &Value) -> Option<Self> {
        // Whoever publishes his private key has lost it.
        if ["d", "p", "q", "k"].iter().any(|private| entry.get(private).is_some()) {
            return None;
        }
        let jwk: Jwk = serde_json::from_value(entry.clone()).ok()?;
        let common = &jwk.common;
        let kid = common
            .key_id
            .clone()
            .filter(|kid| !kid.is_empty() && kid.len() <= LONGEST_KID)?;
        let for_signatures = common.public_key_use.is_none() || common.public_key_use == Some(PublicKeyUse::Signature);
        let operations = common.key_operations.as_ref();
        if !for_signatures || operations.is_some_and(|list| !list.contains(&KeyOperations::Verify)) {
            return None;
        }
        let (algorithm, material) = material(&jwk.algorithm)?;
        if common.key_algorithm.is_some_and(|named| named != algorithm.in_key()) {
            return None;
        }
        Some(Self {
            kid,
            algorithm,
            material,
        })
    }

    /// Whether a signature has the one length that this key makes. Others need not be computed: a DER-encoded signature is none here.
    #[must_use]
    pub fn fits(&self, signature: &[u8]) -> bool {
        signature.len()
            == match &self.material {
                KeyMaterial::P256 { .. } | KeyMaterial::Ed25519 { .. } => 64,
                KeyMaterial::Rsa { length, .. } => *length,
            }
    }
}

fn material(parameters: &AlgorithmParameters) -> Option<(Algorithm, KeyMaterial)> {
    match parameters {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (bytes(&key.x)?.len() == 32 && bytes(&key.y)?.len() == 32).then_some(())?;
            let (x, y) = (key.x.clone(), key.y.clone());
            Some((Algorithm::Es256, KeyMaterial::P256 { x, y }))
        }
        AlgorithmParameters::RSA(key) => {
            let modulus = bytes(&key.n)?;
            // A leading zero would count as length without adding any.
            let full = modulus.first().is_some_and(|first| *first & 0x80 != 0) && RSA_BYTES.contains(&modulus.len());
            let exponent = bytes(&key.e)?;
            let odd =
                exponent.last().is_some_and(|last| *last & 1 == 1) && modulus.last().is_some_and(|last| *last & 1 == 1);
            // 3 is the least; more than four bytes make verification slow and no key stronger.
            let sound = (1..=4).contains(&exponent.len()) && exponent != [1] && exponent.first() != Some(&0);
            (full && odd && sound).then(|| {
                let (n, e) = (key.n.clone(), key.e.clone());
                let length = modulus.len();
                (Algorithm::Rs256, KeyMaterial::Rsa { n, e, length })
            })
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (bytes(&key.x)?.len() == 32).then(|| (Algorithm::EdDsa, KeyMaterial::Ed25519 { x: key.x.clone() }))
        }
        _ => None,
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, PublicKey};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    fn number(bytes: usize, first: u8, last: u8) -> String {
        let mut number = vec![0x55; bytes];
        number[0] = first;
        number[bytes - 1] = last;
        URL_SAFE_NO_PAD.encode(number)
    }

    fn ec() -> Value {
        json!({"kty": "EC", "crv": "P-256", "kid": "e", "x": number(32, 1, 1), "y": number(32, 1, 1)})
    }

    fn rsa(bytes: usize) -> Value {
        json!({"kty": "RSA", "kid": "r", "n": number(bytes, 0x80, 1), "e": "AQAB"})
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    #[test]
    fn the_kind_of_key_decides_the_algorithm() {
        let algorithm = |key: Value| PublicKey::from_jwk(&key).map(|key| key.algorithm);
        assert_eq!(algorithm(ec()), Some(Algorithm::Es256));
        assert_eq!(algorithm(rsa(256)), Some(Algorithm::Rs256));
        let ed = json!({"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": number(32, 1, 1)});
        assert_eq!(algorithm(ed), Some(Algorithm::EdDsa));
        for (name, value) in [
            ("alg", json!("ES256")),
            ("use", json!("sig")),
            ("key_ops", json!(["verify"])),
            ("x5t", json!("abc")),
            ("ext", json!(true)),
        ] {
            assert_eq!(algorithm(with(ec(), name, value)), Some(Algorithm::Es256), "{name}");
        }
    }

    #[test]
    fn keys_for_anything_else_are_left_out() {
        for key in [
            with(ec(), "alg", json!("RS256")),
            with(ec(), "alg", json!("HS256")),
            with(ec(), "alg", json!("none")),
            with(ec(), "use", json!("enc")),
            with(ec(), "use", json!("")),
            with(ec(), "key_ops", json!(["sign"])),
            with(ec(), "key_ops", json!([])),
            with(ec(), "crv", json!("P-384")),
            with(ec(), "crv", json!("secp256k1")),
            with(ec(), "kid", Value::Null),
            with(ec(), "kid", json!("")),
            with(ec(), "kid", json!("k".repeat(257))),
            with(ec(), "kid", json!(7)),
            with(ec(), "x", json!(number(31, 1, 1))),
            with(ec(), "y", json!(number(33, 1, 1))),
            with(ec(), "y", json!("?")),
            with(ec(), "d", json!(number(32, 1, 1))),
            with(rsa(256), "alg", json!("RS512")),
            with(rsa(256), "alg", json!("PS256")),
            with(rsa(256), "alg", json!("HS256")),
            with(rsa(256), "e", json!("AQ")),
            with(rsa(256), "e", json!("AQAA")),
            with(rsa(256), "e", json!("AAEAAQ")),
            with(rsa(256), "e", json!("AQAAAAAB")),
            with(rsa(256), "n", json!(number(256, 0x7f, 1))),
            with(rsa(256), "n", json!(number(256, 0x80, 2))),
            with(rsa(256), "n", json!("")),
            rsa(128),
            rsa(255),
            rsa(1025),
            json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": "c2VjcmV0"}),
            json!({"kty": "oct", "kid": "s"}),
            json!({"kty": "AKP", "kid": "a", "alg": "ML-DSA-44", "pub": "x"}),
            json!({"kty": "OKP", "crv": "X25519", "kid": "o", "x": number(32, 1, 1)}),
            json!({"kid": "r", "n": number(256, 0x80, 1), "e": "AQAB"}),
            json!("key"),
            Value::Null,
        ] {
            assert_eq!(PublicKey::from_jwk(&key), None, "{key}");
        }
    }

    #[test]
    fn a_signature_has_one_length() {
        let (ec, rsa) = (
            PublicKey::from_jwk(&ec()).unwrap(),
            PublicKey::from_jwk(&rsa(384)).unwrap(),
        );
        assert!(ec.fits(&[0; 64]) && rsa.fits(&[0; 384]));
        for length in [0, 63, 65, 70, 71, 72, 128] {
            assert!(!ec.fits(&vec![0; length]) && !rsa.fits(&vec![0; length]), "{length}");
        }
    }
}
