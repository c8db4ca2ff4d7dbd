//! Tokens of users: nothing that is not signed by the provider's key is accepted, and of what is signed only a signed-in person of now.
#![no_main]

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use libfuzzer_sys::fuzz_target;
use molt_common::time::Millis;
use molt_common::user_token::{TokenPolicy, User};
use serde_json::{Map, Value, json};

const SECRET: &str = "a-secret-of-the-provider-of-32-bytes-or-more";
const ISSUER: &str = "https://issuer.test/auth/v1";
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

fn accept(token: &str) -> Option<User> {
    let policy = TokenPolicy {
        secret: Some(SECRET),
        issuer: ISSUER,
    };
    policy.verify(token, Millis(NOW_S.unsigned_abs() * 1000)).ok()
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
    assert!(accept(&input.unsigned).is_none(), "accepted without a signature");
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
    let Some(user) = accept(&token) else {
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
