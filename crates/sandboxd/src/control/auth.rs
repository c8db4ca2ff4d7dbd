//! Whether a caller holds the token of this start.

use hyper::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The token, hashed: hashes have one length, so comparing them tells nothing about the token, not even how long it is.
pub struct TokenCheck([u8; 32]);

impl TokenCheck {
    /// For `token`.
    pub fn new(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether the request carries it, exactly once, as bearer.
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let Ok(text) = value.to_str() else {
            return false;
        };
        match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                let given: [u8; 32] = Sha256::digest(token.trim()).into();
                given.ct_eq(&self.0).into()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_the_token_as_bearer_opens() {
        let check = TokenCheck::new("token-1");
        for good in ["Bearer token-1", "bearer token-1", "Bearer  token-1"] {
            assert!(check.admits(&headers(&[good])), "{good}");
        }
        for bad in [
            "token-1",
            "Basic token-1",
            "Bearer token-2",
            "Bearer token-1x",
            "Bearer",
            "Bearer ",
            "",
        ] {
            assert!(!check.admits(&headers(&[bad])), "{bad}");
        }
        assert!(!check.admits(&headers(&[])));
        assert!(!check.admits(&headers(&["Bearer token-1", "Bearer token-1"])));
    }
}
