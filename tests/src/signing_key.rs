//! Keys of an issuer, random for each run, and the signatures that they make.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use p256::elliptic_curve::rand_core::OsRng;
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use rsa::sha2::{Digest as _, Sha256, Sha512};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use serde_json::{Value, json};

/// What an issuer signs with.
pub enum Secret {
    /// ES256.
    P256(p256::ecdsa::SigningKey),
    /// RS256.
    Rsa(Box<RsaPrivateKey>),
    /// EdDSA.
    Ed25519(ed25519_dalek::SigningKey),
}

/// A key with its id.
pub struct SigningKey {
    /// Id, by which tokens name it.
    pub kid: String,
    /// The key itself.
    pub secret: Secret,
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl SigningKey {
    /// A new key for ES256.
    #[must_use]
    pub fn es256(kid: &str) -> Self {
        Self {
            kid: kid.into(),
            secret: Secret::P256(p256::ecdsa::SigningKey::random(&mut OsRng)),
        }
    }

    /// A new key for RS256, of 2048 bits.
    ///
    /// # Panics
    /// When there is no randomness.
    #[must_use]
    pub fn rs256(kid: &str) -> Self {
        let key = RsaPrivateKey::new(&mut OsRng, 2048).expect("an RSA key");
        Self {
            kid: kid.into(),
            secret: Secret::Rsa(Box::new(key)),
        }
    }

    /// A new key for `EdDSA`.
    #[must_use]
    pub fn eddsa(kid: &str) -> Self {
        Self {
            kid: kid.into(),
            secret: Secret::Ed25519(ed25519_dalek::SigningKey::generate(&mut OsRng)),
        }
    }

    /// Name of its algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        match self.secret {
            Secret::P256(_) => "ES256",
            Secret::Rsa(_) => "RS256",
            Secret::Ed25519(_) => "EdDSA",
        }
    }

    /// As it is published.
    ///
    /// # Panics
    /// Never: a key for ES256 is no point at infinity.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let (kid, alg) = (&self.kid, self.algorithm());
        match &self.secret {
            Secret::P256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                let (x, y) = (point.x().expect("a point"), point.y().expect("a point"));
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y), "kid": kid, "alg": alg, "use": "sig"})
            }
            Secret::Rsa(key) => {
                let (n, e) = (text(key.n().to_bytes_be()), text(key.e().to_bytes_be()));
                json!({"kty": "RSA", "n": n, "e": e, "kid": kid, "alg": alg, "use": "sig", "key_ops": ["verify"]})
            }
            Secret::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(key.verifying_key()), "kid": kid, "alg": alg})
            }
        }
    }

    /// As the operator of an issuer might show it: PEM.
    ///
    /// # Panics
    /// For Ed25519, which nothing asks for.
    #[must_use]
    pub fn pem(&self) -> String {
        let pem = match &self.secret {
            Secret::P256(key) => key.verifying_key().to_public_key_pem(LineEnding::LF),
            Secret::Rsa(key) => key.to_public_key().to_public_key_pem(LineEnding::LF),
            Secret::Ed25519(_) => panic!("not asked for"),
        };
        pem.expect("PEM")
    }

    /// The signature of this text, as a token has it.
    ///
    /// # Panics
    /// Never with a sound key.
    #[must_use]
    pub fn signature(&self, signed: &str) -> Vec<u8> {
        match &self.secret {
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(signed.as_bytes());
                signature.to_vec()
            }
            Secret::Rsa(key) => key
                .sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed))
                .expect("a signature"),
            Secret::Ed25519(key) => key.sign(signed.as_bytes()).to_vec(),
        }
    }

    /// A token with this header, whatever it says, and these claims.
    #[must_use]
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
        let signature = text(self.signature(&signed));
        format!("{signed}.{signature}")
    }

    /// A token as an issuer makes it.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "kid": self.kid, "typ": "JWT"});
        self.token_with(&header, claims)
    }

    /// A signature by this RSA key that is none for RS256: another padding, or another digest.
    ///
    /// # Panics
    /// When the key is no RSA key, or the form is unknown.
    #[must_use]
    pub fn misformed(&self, form: &str, signed: &str) -> Vec<u8> {
        let Secret::Rsa(key) = &self.secret else {
            panic!("{form} needs an RSA key")
        };
        let signature = match form {
            "ps256" => {
                return rsa::pss::SigningKey::<Sha256>::new((**key).clone())
                    .sign_with_rng(&mut OsRng, signed.as_bytes())
                    .to_vec();
            }
            // The digest without the name of its algorithm in front.
            "unprefixed" => key.sign(Pkcs1v15Sign::new_unprefixed(), &Sha256::digest(signed)),
            "sha512" => key.sign(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(signed)),
            other => panic!("no form {other}"),
        };
        signature.expect("a signature")
    }
}
