//! Whom a token claims to be of, verified or not. Good for one thing: to hold against whoever shows it what is known of that person. Somebody who
//! names another is refused and gains nothing, so it may be read more generously than a token that opens something.

use crate::id::UserId;
use crate::trust::SessionRef;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Users and sessions that an `Authorization` header names in words that look like tokens, whatever stands around them and whatever their
/// signatures look like: programs differ in what they overlook there (padding, further parts), but none in what was signed.
pub fn claimed(authorization: &str) -> impl Iterator<Item = (UserId, SessionRef)> {
    let between = |letter: char| letter.is_whitespace() || letter == ',' || letter == '"';
    authorization.split(between).filter_map(session)
}

fn session(token: &str) -> Option<(UserId, SessionRef)> {
    let mut parts = token.split('.');
    let (header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let claims: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let text = |name| claims.get(name).and_then(Value::as_str);
    let user = UserId::parse(text("sub")?).ok()?;
    let as_signed = format!("{header}.{payload}.");
    Some((user, SessionRef::of(user, text("session_id"), &as_signed)))
}

#[cfg(test)]
mod tests {
    use super::claimed;
    use crate::id::UserId;
    use crate::trust::SessionRef;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    const USER: &str = "6f1f0c5e-2f53-4c44-9a0e-0f5a1f3f9a11";

    fn token(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.AAAA", part(r#"{"alg":"HS256"}"#), part(claims))
    }

    #[test]
    fn a_spoilt_signature_hides_nobody() {
        let user = UserId::parse(USER).unwrap();
        for (id, claims) in [
            (None, format!(r#"{{"sub":"{USER}"}}"#)),
            (Some("s1"), format!(r#"{{"sub":"{USER}","session_id":"s1"}}"#)),
        ] {
            let token = token(&claims);
            let expected = (user, SessionRef::of(user, id, &token));
            for shown in [
                format!("Bearer {token}"),
                format!("Bearer {token}="),
                format!("bearer  {token}.x"),
                format!("Token\t\"{token}\", Bearer x"),
                format!("Bearer {token}%3D"),
            ] {
                assert_eq!(claimed(&shown).collect::<Vec<_>>(), vec![expected.clone()], "{shown}");
            }
        }
    }

    #[test]
    fn what_names_nobody_is_overlooked() {
        for shown in ["", "Bearer", "Bearer a.b", "Bearer a.b.c", "Basic eDp5", "...."] {
            assert_eq!(claimed(shown).count(), 0, "{shown}");
        }
        assert_eq!(claimed(&token(r#"{"sub":"somebody"}"#)).count(), 0);
        assert_eq!(claimed(&token(r#"{"sub":7}"#)).count(), 0);
    }
}
