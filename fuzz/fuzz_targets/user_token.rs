//! Tokens of users: nothing that is not signed by the provider's key is accepted, and of what is signed only a signed-in person of now.
#![no_main]

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use libfuzzer_sys::fuzz_target;
use molt_common::time::Millis;
use molt_common::user_token::native::PublishedKeys;
use molt_common::user_token::{Issuers, KeySet, LONGEST_KEY_SET, Settings, Source, User};
use serde_json::{Map, Value, json};

const SECRET: &str = "a-secret-of-the-provider-of-32-bytes-or-more";
const ISSUER: &str = "https://issuer.test/auth/v1";
const KEYS_URL: &str = "https://issuer.test/keys";
const NOW_S: i64 = 1_800_000_000;
const ADA: &str = "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11";
const LEEWAY_S: f64 = 60.0;

#[derive(Arbitrary, Debug)]
enum Claim {
    Sub,
    Aud,
    Iss,
    Role,
    Exp,
    Nbf,
    Iat,
    Email,
    Session,
    Other(String),
}

#[derive(Arbitrary, Debug)]
enum Content {
    Absent,
    Null,
    Bool(bool),
    /// Seconds around now.
    Near(i16),
    Whole(i64),
    Fraction(f64),
    Text(String),
    Authenticated,
    OtherCase,
    List(Vec<String>),
    ListWithAuthenticated(Vec<String>),
    Document(Vec<(String, String)>),
}

#[derive(Arbitrary, Debug)]
enum Payload {
    /// A good token's claims with these changes.
    Claims(Vec<(Claim, Content)>),
    /// Any text, signed all the same.
    Text(String),
}

#[derive(Arbitrary, Debug)]
struct Input {
    unsigned: String,
    keys: Vec<u8>,
    header: Option<String>,
    payload: Payload,
    algorithm: u8,
    other_key: bool,
    change: Option<(u16, u8)>,
}

fn value(content: &Content) -> Option<Value> {
    Some(match content {
        Content::Absent => return None,
        Content::Null => Value::Null,
        Content::Bool(bool) => json!(bool),
        Content::Near(seconds) => json!(NOW_S + i64::from(*seconds)),
        Content::Whole(number) => json!(number),
        Content::Fraction(number) => json!(number),
        Content::Text(text) => json!(text),
        Content::Authenticated => json!("authenticated"),
        Content::OtherCase => json!("Authenticated"),
        Content::List(list) => json!(list),
        Content::ListWithAuthenticated(list) => {
            let mut list = list.clone();
            list.push("authenticated".into());
            json!(list)
        }
        Content::Document(pairs) => {
            Value::Object(pairs.iter().map(|(key, value)| (key.clone(), json!(value))).collect())
        }
    })
}

fn claims(changes: &[(Claim, Content)]) -> Value {
    let mut claims =
        json!({"sub": ADA, "aud": "authenticated", "role": "authenticated", "iss": ISSUER, "exp": NOW_S + 600});
    for (claim, content) in changes {
        let name = match claim {
            Claim::Sub => "sub",
            Claim::Aud => "aud",
            Claim::Iss => "iss",
            Claim::Role => "role",
            Claim::Exp => "exp",
            Claim::Nbf => "nbf",
            Claim::Iat => "iat",
            Claim::Email => "email",
            Claim::Session => "session_id",
            Claim::Other(name) => name,
        };
        match value(content) {
            Some(value) => claims[name] = value,
            None => drop(claims.as_object_mut().and_then(|claims| claims.remove(name))),
        }
    }
    claims
}

/// Two issuers, of which only the first has a secret; the keys that both publish are whatever document was made up.
fn issuers() -> Issuers {
    let text = |text: &str| Some(text.to_owned());
    Issuers::read(&Settings {
        secret: text(SECRET),
        issuer: text(ISSUER),
        jwks_url: text(KEYS_URL),
        access_team: text("https://team.test"),
        access_audience: text("tag"),
        ..Settings::default()
    })
    .expect("settings")
}

fn accept(token: &str, keys: &PublishedKeys) -> Option<User> {
    let now = Millis(NOW_S.unsigned_abs() * 1000);
    let issuers = issuers();
    let access = issuers.authenticate_natively(token, Source::Access, keys, now);
    assert!(access.is_err(), "accepted as an assertion of Access");
    let found = issuers.authenticate_natively(token, Source::Bearer, keys, now).ok();
    let by_cookie = issuers.authenticate_natively(token, Source::Cookie, keys, now).ok();
    assert_eq!(found, by_cookie);
    found
}

/// Publishes a document, if it is a set of keys, at both addresses.
fn published(document: &[u8]) -> PublishedKeys {
    let Ok(set) = KeySet::parse(document) else {
        return PublishedKeys::default();
    };
    assert!(document.len() <= LONGEST_KEY_SET && set.len() <= 64);
    let text = String::from_utf8_lossy(document);
    let json: Value = serde_json::from_slice(document).expect("a set of keys is JSON");
    for entry in json["keys"].as_array().expect("a list") {
        let Some(key) = entry["kid"].as_str().and_then(|kid| set.get(kid)) else {
            continue;
        };
        assert!(!key.kid.is_empty(), "{text}");
        assert_ne!(entry["kty"], "oct", "a shared secret counts as published: {text}");
        assert!(!key.fits(b""), "{text}");
    }
    let addresses = [KEYS_URL, "https://team.test/cdn-cgi/access/certs"];
    PublishedKeys(addresses.into_iter().map(|url| (url.to_owned(), set.clone())).collect())
}

/// What the policy promises, read from the claims in another way.
fn assert_person(claims: &Map<String, Value>, user: &User) {
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["role"], "authenticated");
    let listed = claims["aud"]
        .as_array()
        .is_some_and(|list| list.contains(&json!("authenticated")));
    assert!(listed || claims["aud"] == "authenticated", "{claims:?}");
    let now = NOW_S as f64;
    assert!(
        claims["exp"]
            .as_f64()
            .is_some_and(|exp| exp > now - LEEWAY_S && exp.is_finite()),
        "{claims:?}"
    );
    for name in ["nbf", "iat"] {
        let from_future = claims
            .get(name)
            .and_then(Value::as_f64)
            .is_some_and(|at| at > now + LEEWAY_S);
        assert!(!from_future, "{claims:?}");
    }
    let sub = claims["sub"].as_str().expect("a text");
    assert_eq!(sub.to_ascii_lowercase(), user.id.to_string());
    assert!(
        sub.len() == 36 && sub.split('-').map(str::len).eq([8, 4, 4, 4, 12]),
        "{sub}"
    );
    assert!(user.until.0 as f64 >= (now - LEEWAY_S) * 1000.0);
}

fuzz_target!(|input: Input| {
    let keys = published(&input.keys);
    assert!(accept(&input.unsigned, &keys).is_none(), "accepted without a signature");
    let algorithm = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512][usize::from(input.algorithm % 8).min(2)];
    let default = format!(r#"{{"typ":"JWT","alg":"{algorithm:?}"}}"#);
    let own_header = input.header.is_none();
    let header = input.header.unwrap_or(default);
    let payload = match &input.payload {
        Payload::Claims(changes) => claims(changes).to_string(),
        Payload::Text(text) => text.clone(),
    };
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(&header),
        URL_SAFE_NO_PAD.encode(&payload)
    );
    let secret = if input.other_key {
        "another-secret-of-32-bytes-or-more-it-is"
    } else {
        SECRET
    };
    let Ok(signature) = crypto::sign(
        signed.as_bytes(),
        &EncodingKey::from_secret(secret.as_bytes()),
        algorithm,
    ) else {
        return;
    };
    let good = format!("{signed}.{signature}");
    let mut bytes = good.clone().into_bytes();
    if let Some((at, with)) = input.change {
        let at = usize::from(at) % bytes.len();
        bytes[at] = with;
    }
    let Ok(token) = String::from_utf8(bytes) else { return };
    let Some(user) = accept(&token, &keys) else {
        let untouched = own_header && matches!(&input.payload, Payload::Claims(changes) if changes.is_empty());
        let right = token == good && !input.other_key && algorithm == Algorithm::HS256;
        assert!(!(untouched && right), "a good token is refused");
        return;
    };
    assert!(
        !input.other_key && algorithm == Algorithm::HS256,
        "accepted by a key or an algorithm that is not the provider's"
    );
    assert_eq!(token, good, "accepted although it was changed");
    let header: Value = serde_json::from_str(&header).expect("accepted with a header that is not JSON");
    assert_eq!(header["alg"], "HS256");
    let claims: Value = serde_json::from_str(&payload).expect("accepted with claims that are not JSON");
    assert_person(claims.as_object().expect("an object"), &user);
});
