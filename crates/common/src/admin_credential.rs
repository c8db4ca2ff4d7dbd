//! Which admin credential a request to `/api/super` presents.
//!
//! `X-Admin-Secret` carries the bootstrap secret or a key, `Authorization: Bearer` a key. When the first is there it alone counts, and a second,
//! different admin credential beside it is refused: nobody should be admitted, or written into the audit trail, as whom he did not mean. Whatever
//! else stands in `Authorization`, such as a user's token, opens nothing here and is not looked at; neither is any cookie.

use crate::admin_key::{AdminKey, NotAKey};
use crate::problem::Problem;

const LABEL: &str = "Super admin access required";
const PREFIX: &str = "molt_";

/// What is presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminCredential<'a> {
    /// A text to be compared with the bootstrap secret; `None` when there is no credential at all.
    Bootstrap(Option<&'a str>),
    /// An admin key of the right form.
    Key(AdminKey),
}

/// Reads the two headers, as they came.
///
/// # Errors
/// 400 `credentials_conflict` for two different ones, 403 `admin_key_wrong` for a bearer text that looks like a key and is none.
pub fn read<'a>(secret: Option<&'a str>, authorization: Option<&str>) -> Result<AdminCredential<'a>, Problem> {
    let secret = secret.filter(|text| !text.is_empty());
    let bearer = authorization
        .and_then(crate::access::bearer)
        .filter(|token| token.starts_with(PREFIX));
    if let (Some(secret), Some(bearer)) = (secret, bearer)
        && secret != bearer
    {
        return Err(Problem::new(
            400,
            "credentials_conflict",
            "X-Admin-Secret and Authorization hold different admin credentials. Send one.",
        ));
    }
    match (secret.map(AdminKey::parse), bearer.map(AdminKey::parse)) {
        (Some(Ok(key)), _) | (None, Some(Ok(key))) => Ok(AdminCredential::Key(key)),
        (None, Some(Err(NotAKey))) => Err(wrong()),
        (Some(Err(NotAKey)), _) | (None, None) => Ok(AdminCredential::Bootstrap(secret)),
    }
}

/// 403 for a key that is not good (any more).
#[must_use]
pub fn wrong() -> Problem {
    Problem::new(
        403,
        "admin_key_wrong",
        "This is not an admin key, or it was revoked or has expired.",
    )
    .labelled(LABEL)
}

/// 503 for a time at which nobody can tell whether a key is good.
#[must_use]
pub fn unavailable() -> Problem {
    Problem::new(
        503,
        "trust_unavailable",
        "Whether this admin key is still good cannot be told just now. Try again in a moment.",
    )
    .retry_after(2)
}

/// 403 for the bootstrap secret once it was switched off. Says nothing about whether it was right.
#[must_use]
pub fn bootstrap_off() -> Problem {
    Problem::new(
        403,
        "bootstrap_off",
        "The bootstrap secret was switched off. Use an admin key.",
    )
    .labelled(LABEL)
}

#[cfg(test)]
mod tests {
    use super::{AdminCredential, read};
    use crate::admin_key::AdminKey;

    fn key(number: u8) -> AdminKey {
        AdminKey::new([number; 8], [number; 32])
    }

    #[test]
    fn a_key_is_taken_from_either_header() {
        let text = key(1).reveal();
        let bearer = format!("Bearer {text}");
        for (secret, authorization) in [
            (Some(text.as_str()), None),
            (None, Some(bearer.as_str())),
            (Some(""), Some(&bearer)),
            (Some(&text), Some(&bearer)),
            (Some(&text), Some("Bearer a.user.token")),
        ] {
            assert_eq!(read(secret, authorization), Ok(AdminCredential::Key(key(1))));
        }
    }

    #[test]
    fn the_secret_stands_in_its_header_only() {
        for (secret, authorization) in [
            (Some("0123456789abcdef0123"), None),
            (Some("0123456789abcdef0123"), Some("Bearer a.user.token")),
            // It may begin like a key.
            (Some("molt_0123456789abcdef"), None),
        ] {
            assert_eq!(read(secret, authorization), Ok(AdminCredential::Bootstrap(secret)));
        }
        for authorization in [None, Some("Bearer 0123456789abcdef0123"), Some("Basic molt_x")] {
            assert_eq!(read(None, authorization), Ok(AdminCredential::Bootstrap(None)));
        }
    }

    #[test]
    fn two_that_differ_are_refused_and_none_is_fallen_back_to() {
        let bearer = format!("Bearer {}", key(1).reveal());
        let other = key(2).reveal();
        for secret in [other.as_str(), "0123456789abcdef0123", "wrong"] {
            let refused = read(Some(secret), Some(&bearer)).unwrap_err();
            assert_eq!((refused.status, refused.code.as_str()), (400, "credentials_conflict"));
        }
        let twice = format!("{}, {}", key(1).reveal(), key(1).reveal());
        assert_eq!(read(Some(&twice), None), Ok(AdminCredential::Bootstrap(Some(&twice))));
    }

    #[test]
    fn what_looks_like_a_key_and_is_none_is_refused() {
        for bad in ["molt_", "molt_x_y", &key(1).reveal()[..80]] {
            let refused = read(None, Some(&format!("Bearer {bad}"))).unwrap_err();
            assert_eq!((refused.status, refused.code.as_str()), (403, "admin_key_wrong"));
        }
    }
}
