//! The tokens of `corpus/user-tokens.txt`, made with the keys of this run.

use crate::provider::document;
use crate::signing_key::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// Longest token that the platform looks at.
pub const LONGEST: usize = 8 * 1024;

/// Order of P-256.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// Published keys, and those of somebody who would like to be the issuer.
pub struct Keys {
    /// `e1`.
    pub es256: SigningKey,
    /// `r1`.
    pub rs256: SigningKey,
    /// `d1`.
    pub eddsa: SigningKey,
    stranger_es256: SigningKey,
    stranger_rs256: SigningKey,
}

impl Keys {
    /// New ones.
    #[must_use]
    pub fn random() -> Self {
        Self {
            es256: SigningKey::es256("e1"),
            rs256: SigningKey::rs256("r1"),
            eddsa: SigningKey::eddsa("d1"),
            stranger_es256: SigningKey::es256("stranger"),
            stranger_rs256: SigningKey::rs256("stranger"),
        }
    }

    /// What the issuer publishes.
    #[must_use]
    pub fn published(&self) -> [&SigningKey; 3] {
        [&self.es256, &self.rs256, &self.eddsa]
    }

    /// What the stranger would publish.
    #[must_use]
    pub fn of_the_stranger(&self) -> [&SigningKey; 2] {
        [&self.stranger_es256, &self.stranger_rs256]
    }

    fn named(&self, name: &str) -> &SigningKey {
        match name.split_once("-").map_or(name, |(key, _)| key) {
            "e1" => &self.es256,
            "r1" => &self.rs256,
            "d1" => &self.eddsa,
            "stranger" if name == "stranger-rs256" => &self.stranger_rs256,
            "stranger" => &self.stranger_es256,
            _ => panic!("no key {name}"),
        }
    }

    fn secret(&self, name: &str) -> String {
        match name {
            "e1-pem" => self.es256.pem(),
            "r1-pem" => self.rs256.pem(),
            "e1-jwk" => self.es256.jwk().to_string(),
            "r1-jwk" => self.rs256.jwk().to_string(),
            "r1-n" => self.rs256.jwk()["n"].as_str().unwrap_or_default().into(),
            "document" => document(&self.published()).to_string(),
            other => other.into(),
        }
    }
}

/// A line of the corpus.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    what: String,
    sign: String,
    header: Option<Value>,
    #[serde(default)]
    claims: serde_json::Map<String, Value>,
    raw: Option<String>,
    signature: Option<String>,
    text: Option<String>,
    only: Option<String>,
}

/// A token that must not open anything.
#[derive(Debug)]
pub struct Hostile {
    /// Name of the case.
    pub what: String,
    /// The token.
    pub token: String,
    /// Whether HTTP can carry it as it is.
    pub over_http: bool,
}

/// All of them. `claims` are good ones, and `url` is where the stranger would be asked for keys.
///
/// # Panics
/// When the corpus cannot be read.
#[must_use]
pub fn all(keys: &Keys, claims: &Value, url: &str) -> Vec<Hostile> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/user-tokens.txt");
    let text = std::fs::read_to_string(&path).expect("the corpus");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let cases = lines.map(|line| {
        let case: Case = serde_json::from_str(&repeated(line)).unwrap_or_else(|error| panic!("{error}: {line}"));
        Hostile {
            token: case.token(keys, claims, url),
            over_http: case.only.as_deref() != Some("native"),
            what: case.what,
        }
    });
    cases.collect()
}

/// `%text*N%` written out.
fn repeated(line: &str) -> String {
    let parts: Vec<&str> = line.split('%').collect();
    let written = parts.iter().enumerate().map(|(index, part)| {
        let count = part.rsplit_once('*').filter(|_| index % 2 == 1);
        let count = count.and_then(|(text, count)| Some(text.repeat(count.parse().ok()?)));
        count.unwrap_or_else(|| (*part).to_owned())
    });
    written.collect()
}

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

impl Case {
    fn token(&self, keys: &Keys, claims: &Value, url: &str) -> String {
        if self.claims.contains_key("filled") {
            return just_over(|filling| self.filled(keys, claims, url, filling));
        }
        self.filled(keys, claims, url, "")
    }

    fn filled(&self, keys: &Keys, claims: &Value, url: &str, filling: &str) -> String {
        let signed = format!(
            "{}.{}",
            part(&self.header(keys, url)),
            part(&self.payload(claims, filling))
        );
        let signature = match self.sign.as_str() {
            "none" => Vec::new(),
            form @ ("r1-ps256" | "r1-unprefixed" | "r1-sha512") => keys.rs256.misformed(&form[3..], &signed),
            name => match name.strip_prefix("hs256:") {
                Some(secret) => mac(&signed, &keys.secret(secret)),
                None => keys.named(name).signature(&signed),
            },
        };
        let signature = self
            .signature
            .as_deref()
            .map_or(signature.clone(), |form| bent(form, signature));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        self.text
            .as_deref()
            .map_or(token.clone(), |form| respelled(form, &token))
    }

    fn header(&self, keys: &Keys, url: &str) -> String {
        let Some(header) = &self.header else {
            let key = keys.named(&self.sign);
            return json!({"alg": key.algorithm(), "kid": key.kid, "typ": "JWT"}).to_string();
        };
        let jwk = keys.stranger_es256.jwk().to_string();
        header.to_string().replace("\"$JWK\"", &jwk).replace("$URL", url)
    }

    fn payload(&self, good: &Value, filling: &str) -> String {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut claims = good.clone();
        for (name, value) in &self.claims {
            claims[name] = value.clone();
        }
        let deep = format!("{}{}", "[".repeat(2500), "]".repeat(2500));
        claims.to_string().replace("\"$DEEP\"", &deep).replace("$FILL", filling)
    }
}

/// The shortest token over [`LONGEST`], and with the same claims.
fn just_over(make: impl Fn(&str) -> String) -> String {
    let bare = make("").len();
    let mut filling = "x".repeat((LONGEST - bare) * 3 / 4);
    loop {
        let token = make(&filling);
        if token.len() > LONGEST {
            return token;
        }
        filling.push('x');
    }
}

/// A good token of almost [`LONGEST`].
#[must_use]
pub fn just_fits(key: &SigningKey, claims: &Value) -> String {
    let filled = |length: usize| {
        let mut claims = claims.clone();
        claims["filled"] = json!("x".repeat(length));
        key.token(&claims)
    };
    // Four letters for three, and what the name of the claim takes.
    let length = (LONGEST - key.token(claims).len()) * 3 / 4 - 20;
    filled(length)
}

fn mac(signed: &str, secret: &str) -> Vec<u8> {
    let key = EncodingKey::from_secret(secret.as_bytes());
    let mac = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).expect("a MAC");
    URL_SAFE_NO_PAD.decode(mac).expect("base64url")
}

fn bent(form: &str, good: Vec<u8>) -> Vec<u8> {
    let length = good.len();
    let half = length / 2;
    match form {
        "zeros" => vec![0; length],
        "high" => vec![0xff; length],
        "r-zero" => [&vec![0; half], &good[half..]].concat(),
        "s-zero" => [&good[..half], &vec![0; half]].concat(),
        "order" => (0..length)
            .map(|at| u8::from_str_radix(&ORDER[at % 32 * 2..][..2], 16).expect("digits"))
            .collect(),
        "der" => p256::ecdsa::Signature::from_slice(&good)
            .expect("a signature")
            .to_der()
            .as_bytes()
            .to_vec(),
        "short" => good[..length - 1].to_vec(),
        "padded-front" => [&[0], &good[..]].concat(),
        "padded-back" => [&good[..], &[0]].concat(),
        "swapped" => [&good[half..], &good[..half]].concat(),
        "flipped" => good
            .iter()
            .enumerate()
            .map(|(at, byte)| if at == 7 { byte ^ 1 } else { *byte })
            .collect(),
        "empty" => Vec::new(),
        other => panic!("no form {other}"),
    }
}

fn respelled(form: &str, token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    match form {
        "blank-front" => format!(" {token}"),
        "blank-back" => format!("{token} "),
        "line-feed-back" => format!("{token}\n"),
        "blank-inside" => format!("{signed} .{signature}"),
        "tab-inside" => format!("{signed}\t.{signature}"),
        "padding" => format!("{token}=="),
        "unused-bits" => {
            // 64 bytes leave four bits of the last letter unused; they are zero in A, Q, g and w.
            let (rest, last) = token.split_at(token.len() - 1);
            let next = char::from(last.as_bytes()[0] + 1);
            format!("{rest}{next}")
        }
        "dot-back" => format!("{token}."),
        "fourth-part" => format!("{token}.AAAA"),
        "two-parts" => signed.to_owned(),
        "letters-back" => format!("{token}AAAA"),
        "twice" => format!("{token}{token}"),
        "percent" => token.replace('.', "%2E"),
        other => panic!("no form {other}"),
    }
}
