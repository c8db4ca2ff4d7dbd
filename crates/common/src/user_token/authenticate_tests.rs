//! Tokens signed in many ways, against issuers of every kind. Keys are random. (RSA is tested in `tests/`, which can make such keys.)

use crate::id::UserId;
use crate::time::Millis;
use crate::user_token::native::PublishedKeys;
use crate::user_token::{Issuers, KeySet, Settings, Source, TokenError, User, issue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::rand_core::OsRng;
use serde_json::{Value, json};

const SECRET: &str = "a-test-secret-of-at-least-32-bytes!";
const EARLIER: &str = "an-earlier-secret-of-32-bytes-or-more";
const NOW: Millis = Millis(1_800_000_000_000);
const ADA: &str = "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11";
const JWKS: &str = "https://id.example/jwks.json";

struct Provider {
    key: SigningKey,
    issuers: Issuers,
    keys: PublishedKeys,
}

fn settings() -> Settings {
    Settings {
        secret: Some(SECRET.into()),
        previous_secret: Some(EARLIER.into()),
        issuer: Some("iss".into()),
        jwks_url: Some(JWKS.into()),
        ..Settings::default()
    }
}

fn provider() -> Provider {
    let key = SigningKey::random(&mut OsRng);
    let mut keys = PublishedKeys::default();
    keys.0
        .insert(JWKS.into(), KeySet::parse(jwks(&key).as_bytes()).unwrap());
    Provider {
        key,
        issuers: Issuers::read(&settings()).unwrap(),
        keys,
    }
}

fn jwks(key: &SigningKey) -> String {
    let point = key.verifying_key().to_encoded_point(false);
    let text = |bytes: Option<&p256::FieldBytes>| URL_SAFE_NO_PAD.encode(bytes.unwrap());
    json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "e1", "alg": "ES256", "x": text(point.x()), "y": text(point.y())}]})
        .to_string()
}

fn claims() -> Value {
    json!({"sub": ADA, "aud": "authenticated", "role": "authenticated", "iss": "iss", "exp": NOW.seconds() + 60})
}

fn signed(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn es256(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let signed = signed(header, claims);
    let signature: Signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let signed = signed(header, claims);
    let key = jsonwebtoken::EncodingKey::from_secret(secret);
    let mac = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{signed}.{mac}")
}

impl Provider {
    fn verify(&self, token: &str) -> Result<User, TokenError> {
        self.issuers
            .authenticate_natively(token, Source::Bearer, &self.keys, NOW)
    }
}

#[test]
fn both_secrets_and_the_published_key_open() {
    let provider = provider();
    for secret in [SECRET, EARLIER] {
        let token = hs256(secret.as_bytes(), &json!({"alg": "HS256"}), &claims());
        assert_eq!(provider.verify(&token).unwrap().id.to_string(), ADA);
    }
    let own = issue(SECRET, "iss", UserId::parse(ADA).unwrap(), "a@b", "s", NOW, 60).unwrap();
    assert_eq!(provider.verify(&own).unwrap().session.as_deref(), Some("s"));
    let token = es256(&provider.key, &json!({"alg": "ES256", "kid": "e1"}), &claims());
    assert_eq!(provider.verify(&token).unwrap().id.to_string(), ADA);
}

#[test]
fn the_key_decides_the_algorithm() {
    let provider = provider();
    let point = provider.key.verifying_key().to_encoded_point(false);
    let other = SigningKey::random(&mut OsRng);
    let good = json!({"alg": "ES256", "kid": "e1"});
    let published = jwks(&provider.key);
    for (what, token) in [
        (
            "the public key as a secret",
            hs256(point.as_bytes(), &json!({"alg": "HS256", "kid": "e1"}), &claims()),
        ),
        (
            "its document as a secret",
            hs256(published.as_bytes(), &json!({"alg": "HS256", "kid": "e1"}), &claims()),
        ),
        (
            "another secret",
            hs256(
                b"another-secret-of-at-least-32-bytes",
                &json!({"alg": "HS256"}),
                &claims(),
            ),
        ),
        ("a MAC that says ES256", hs256(SECRET.as_bytes(), &good, &claims())),
        ("another key", es256(&other, &good, &claims())),
        ("no key id", es256(&provider.key, &json!({"alg": "ES256"}), &claims())),
        (
            "an empty key id",
            es256(&provider.key, &json!({"alg": "ES256", "kid": ""}), &claims()),
        ),
        (
            "an unknown key id",
            es256(&provider.key, &json!({"alg": "ES256", "kid": "e2"}), &claims()),
        ),
        (
            "another algorithm's name",
            es256(&provider.key, &json!({"alg": "RS256", "kid": "e1"}), &claims()),
        ),
        (
            "an algorithm we do not have",
            es256(&provider.key, &json!({"alg": "ES384", "kid": "e1"}), &claims()),
        ),
    ] {
        assert!(
            matches!(provider.verify(&token), Err(TokenError::Signature(_))),
            "{what}"
        );
    }
}

#[test]
fn a_changed_or_reshaped_signature_is_none() {
    let provider = provider();
    let token = es256(&provider.key, &json!({"alg": "ES256", "kid": "e1"}), &claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let der = Signature::from_slice(&raw).unwrap().to_der();
    let zeros = [0; 64];
    let mut flipped = raw.clone();
    flipped[40] ^= 1;
    for bad in [
        &zeros[..],
        der.as_bytes(),
        &raw[..63],
        &[&raw[..], &[0]].concat(),
        &[&[0], &raw[..]].concat(),
        &flipped,
        &[0xff; 64],
    ] {
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bad));
        assert!(
            matches!(provider.verify(&token), Err(TokenError::Signature(_))),
            "{bad:?}"
        );
    }
    assert!(provider.verify(&token).is_ok());
}

#[test]
fn claims_are_looked_at_after_the_signature() {
    let provider = provider();
    let mut bad = claims();
    bad["role"] = json!("service_role");
    let header = json!({"alg": "ES256", "kid": "e1"});
    assert_eq!(
        provider.verify(&es256(&provider.key, &header, &bad)),
        Err(TokenError::Role)
    );
    let forged = es256(&SigningKey::random(&mut OsRng), &header, &bad);
    assert_eq!(provider.verify(&forged), Err(TokenError::Signature("wrong")));
    bad["iss"] = json!("https://id.example");
    assert_eq!(
        provider.verify(&es256(&provider.key, &header, &bad)),
        Err(TokenError::Issuer)
    );
}

#[test]
fn a_token_is_good_only_where_its_issuer_belongs() {
    let provider = provider();
    let token = es256(&provider.key, &json!({"alg": "ES256", "kid": "e1"}), &claims());
    let at = |source| {
        provider
            .issuers
            .authenticate_natively(&token, source, &provider.keys, NOW)
    };
    assert!(at(Source::Bearer).is_ok() && at(Source::Cookie).is_ok());
    assert_eq!(at(Source::Access), Err(TokenError::NotConfigured));
    // With Access configured, and even the same key and name: it signs by RS256 alone.
    let settings = Settings {
        access_team: Some("https://team.example".into()),
        access_audience: Some("tag".into()),
        ..settings()
    };
    let issuers = Issuers::read(&settings).unwrap();
    let mut keys = provider.keys.clone();
    keys.0
        .insert("https://team.example/cdn-cgi/access/certs".into(), keys.0[JWKS].clone());
    let assertion =
        json!({"sub": ADA, "aud": ["tag"], "iss": "https://team.example", "type": "app", "exp": NOW.seconds() + 60});
    let assertion = es256(&provider.key, &json!({"alg": "ES256", "kid": "e1"}), &assertion);
    let outcome = issuers.authenticate_natively(&assertion, Source::Access, &keys, NOW);
    assert_eq!(outcome, Err(TokenError::Signature("algorithm")));
}

#[test]
fn without_keys_nobody_gets_in() {
    let provider = provider();
    let token = es256(&provider.key, &json!({"alg": "ES256", "kid": "e1"}), &claims());
    let silent = PublishedKeys::default();
    let outcome = provider
        .issuers
        .authenticate_natively(&token, Source::Bearer, &silent, NOW);
    assert_eq!(outcome, Err(TokenError::Unavailable(1)));
    let nobody = Issuers::default().authenticate_natively(&token, Source::Bearer, &provider.keys, NOW);
    assert_eq!(nobody, Err(TokenError::NotConfigured));
    let secrets_only = Issuers::read(&Settings {
        jwks_url: None,
        ..settings()
    })
    .unwrap();
    let outcome = secrets_only.authenticate_natively(&token, Source::Bearer, &provider.keys, NOW);
    assert_eq!(outcome, Err(TokenError::Signature("algorithm")));
}
