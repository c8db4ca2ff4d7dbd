//! A token as it arrived: taken apart, unambiguous, and not yet trusted.

use super::{LONGEST, TokenError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Longest key id that is looked up.
const LONGEST_KID: usize = 256;

/// The parts of a token. Nothing in it is trusted: the signature has not been looked at.
pub struct Token<'a> {
    /// Algorithm that the header claims. It only ever *rules out* keys; the key decides what is computed.
    pub(super) algorithm: Algorithm,
    /// Id of the key, if the header names one.
    pub(super) kid: Option<String>,
    /// What is signed: the first two parts as they arrived.
    pub(super) signed: &'a str,
    /// Third part as it arrived.
    pub(super) signature_text: &'a str,
    /// Third part, decoded.
    pub(super) signature: Vec<u8>,
    pub(super) claims: Map<String, Value>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] for everything that could be read in two ways, or that asks for a feature we do not have.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > LONGEST {
            return Err(TokenError::Malformed("too long"));
        }
        let mut parts = text.split('.');
        let (Some(first), Some(second), Some(third), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed("not three parts"));
        };
        // Two names for one field: whichever of them another program reads, here the token is refused.
        let raw = object(first).ok_or(TokenError::Malformed("header"))?;
        let header = jsonwebtoken::decode_header(text).map_err(|_| TokenError::Malformed("header"))?;
        // An extension that must be understood is not, and without its signal (RFC 7797) `b64` would change what is signed.
        if raw.contains_key("crit") || raw.contains_key("b64") {
            return Err(TokenError::Malformed("critical extension"));
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KID) {
            return Err(TokenError::Malformed("key id"));
        }
        let claims = object(second).ok_or(TokenError::Malformed("claims"))?;
        let signature = URL_SAFE_NO_PAD
            .decode(third)
            .ok()
            .filter(|bytes| !bytes.is_empty())
            .ok_or(TokenError::Malformed("signature"))?;
        let signed_length = first.len() + 1 + second.len();
        Ok(Self {
            algorithm: header.alg,
            kid: header.kid,
            signed: text.get(..signed_length).unwrap_or_default(),
            signature_text: third,
            signature,
            claims,
        })
    }

    /// `iss`, good for nothing but finding the issuer whose key the signature must fit.
    pub(super) fn claimed_issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

/// A part that is a JSON object without a repeated name. The base64url alphabet without padding, and of several spellings of the
/// same bytes only the canonical one.
fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice::<Unambiguous>(&bytes)
        .ok()
        .map(|object| object.0)
}

struct Unambiguous(Map<String, Value>);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Unambiguous;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut access: M) -> Result<Unambiguous, M::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(M::Error::custom("a name stands there twice"));
                    }
                }
                Ok(Unambiguous(map))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

#[cfg(test)]
mod tests {
    use super::Token;
    use crate::user_token::TokenError;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn parse(header: &str, claims: &str) -> Result<(), TokenError> {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        Token::parse(&format!("{}.{}.AAAA", part(header), part(claims))).map(|_| ())
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        assert_eq!(parse(r#"{"alg":"HS256"}"#, "{}"), Ok(()));
        for header in [
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
            r#"{"alg":"HS256","kid":"a","k\u0069d":"b"}"#,
            r#"{"alg":"HS256","x":1,"x":1}"#,
        ] {
            assert_eq!(parse(header, "{}"), Err(TokenError::Malformed("header")), "{header}");
        }
        let twice = parse(r#"{"alg":"HS256"}"#, r#"{"sub":"a","sub":"a"}"#);
        assert_eq!(twice, Err(TokenError::Malformed("claims")));
    }

    #[test]
    fn extensions_and_unknown_algorithms_are_refused() {
        for header in [
            r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","crit":null}"#,
            r#"{"alg":"HS256","b64":false}"#,
            r#"{"alg":"none"}"#,
            r#"{"alg":"nOnE"}"#,
            r#"{"alg":null}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS256","kid":7}"#,
            r#"{"typ":"JWT"}"#,
            "[]",
            "null",
            "",
        ] {
            assert!(matches!(parse(header, "{}"), Err(TokenError::Malformed(_))), "{header}");
        }
        let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(257));
        assert_eq!(parse(&long, "{}"), Err(TokenError::Malformed("key id")));
    }

    #[test]
    fn only_the_canonical_spelling_is_read() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        for text in [
            "",
            ".",
            "..",
            "a.b",
            "e30.e30.AAAA",
            &format!("{header}.e30."),
            &format!("{header}..AAAA"),
            &format!("{header}.e30=.AAAA"),
            // The unused bits of the last character must be zero.
            &format!("{header}.e31.AAAA"),
            &format!("{header}.e30.AAB"),
            &format!("{header}.e30.AAAA="),
            &format!("{header}.e30.AA+/"),
            &format!("{header}.e30.AAAA\n"),
            &format!("{header}.e30.AAAA.AAAA"),
            &format!(" {header}.e30.AAAA"),
            &format!("{header}.e30.{}", "A".repeat(9000)),
        ] {
            assert!(matches!(Token::parse(text), Err(TokenError::Malformed(_))), "{text}");
        }
        assert!(Token::parse(&format!("{header}.e30.AAA")).is_ok());
    }

    #[test]
    fn deep_json_is_refused_and_not_followed() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(2500), "]".repeat(2500));
        assert_eq!(parse(r#"{"alg":"HS256"}"#, &deep), Err(TokenError::Malformed("claims")));
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in ".{0,200}", header in "[ -~]{0,80}", claims in "[ -~]{0,80}") {
            let _ = Token::parse(&text);
            let _ = parse(&header, &claims);
        }
    }
}
