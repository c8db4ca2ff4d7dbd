//! Whether verified claims are those of a person who is signed in. Pure.

use super::{AUTHENTICATED, LEEWAY_S, TokenError, User};
use crate::id::UserId;
use crate::time::Millis;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Version;

/// Longest `email`, by the limit of the mail protocol (RFC 5321, 4.5.3.1); a longer one is dropped.
const LONGEST_EMAIL: usize = 320;
/// Longest `session_id`.
const LONGEST_SESSION: usize = 128;

/// What the claims of a session token must say.
pub struct SessionRules<'a> {
    /// Exact `iss`.
    pub issuer: &'a str,
    /// One of `aud`.
    pub audience: &'a str,
    /// Whether ids of version 8 are another issuer's (see [`access_user_id`]).
    pub derived_ids_reserved: bool,
}

/// What the claims of an Access assertion must say.
pub struct AccessRules<'a> {
    /// Exact `iss`: the address of the team.
    pub team: &'a str,
    /// One of `aud`: the tag of the application.
    pub audience: &'a str,
}

impl SessionRules<'_> {
    /// The person of a session token.
    ///
    /// # Errors
    /// [`TokenError`] for everybody else.
    pub fn person(&self, claims: &Map<String, Value>, now: Millis) -> Result<User, TokenError> {
        let until = check(claims, self.issuer, self.audience, now)?;
        if text(claims, "role") != Some(AUTHENTICATED) || is_anonymous(claims) {
            return Err(TokenError::Role);
        }
        let id = text(claims, "sub")
            .and_then(|sub| UserId::parse(sub).ok())
            .filter(|id| !self.derived_ids_reserved || id.version() != Some(Version::Custom))
            .ok_or(TokenError::Subject)?;
        Ok(User {
            id,
            email_verified: email_verified(claims),
            email: email(claims),
            nonce: text(claims, "nonce").map(str::to_owned),
            session: session(claims, "session_id")?,
            until,
        })
    }
}

impl AccessRules<'_> {
    /// The person of an Access assertion. A service token, which has a `common_name` and an empty `sub`, is no person.
    ///
    /// # Errors
    /// [`TokenError`] for everybody else.
    pub fn person(&self, claims: &Map<String, Value>, now: Millis) -> Result<User, TokenError> {
        let until = check(claims, self.team, self.audience, now)?;
        // An `org` assertion is for the team's own pages, not for an application.
        let for_application = claims.get("type").is_none_or(|kind| kind == "app");
        if !for_application || claims.contains_key("common_name") {
            return Err(TokenError::Role);
        }
        let sub = text(claims, "sub")
            .filter(|sub| UserId::parse(sub).is_ok())
            .ok_or(TokenError::Subject)?;
        Ok(User {
            id: access_user_id(self.team, sub).ok_or(TokenError::Subject)?,
            email_verified: email_verified(claims),
            email: email(claims),
            // Access has no sign-in of ours before it.
            nonce: None,
            session: session(claims, "identity_nonce")?,
            until,
        })
    }
}

/// Id of a person whom Access knows as `sub`: a UUID of version 8 over a SHA-256 of team and `sub`.
///
/// Not `sub` itself: two issuers number their users independently, so the same UUID from another issuer is another person, and whoever
/// runs one issuer must not be able to name the users of the other. Where Access is configured, session tokens may not carry ids of
/// version 8, so the two sets of users have no id in common by construction.
fn access_user_id(team: &str, sub: &str) -> Option<UserId> {
    // Neither part contains a line feed, so no other pair gives the same text.
    let text = format!("molt/access\n{team}\n{}", sub.to_ascii_lowercase());
    let digest = Sha256::digest(text.as_bytes());
    let bytes = digest.first_chunk::<16>()?;
    UserId::parse(
        &uuid::Builder::from_custom_bytes(*bytes)
            .into_uuid()
            .hyphenated()
            .to_string(),
    )
    .ok()
}

/// Supabase gives anonymous visitors a token with role and audience of a signed-in person and this mark. They are nobody here: each
/// would get a container of his own for nothing, and could not come back to it after his cookie is gone. The mark counts as set when
/// it is anything but `false`.
fn is_anonymous(claims: &Map<String, Value>) -> bool {
    !matches!(
        claims.get("is_anonymous"),
        None | Some(Value::Null | Value::Bool(false))
    )
}

/// Times, issuer and audience, which mean the same in every token; the end of the token.
fn check(claims: &Map<String, Value>, issuer: &str, audience: &str, now: Millis) -> Result<Millis, TokenError> {
    let until = times(claims, now)?;
    if text(claims, "iss") != Some(issuer) {
        return Err(TokenError::Issuer);
    }
    let intended = match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        // One that is not even a text spoils the list.
        Some(Value::Array(many)) => many.iter().all(Value::is_string) && many.iter().any(|one| one == audience),
        _ => false,
    };
    if intended { Ok(until) } else { Err(TokenError::Role) }
}

fn times(claims: &Map<String, Value>, now: Millis) -> Result<Millis, TokenError> {
    #[allow(clippy::cast_precision_loss)] // Seconds of this era are exact in an f64.
    let seconds = now.seconds() as f64;
    #[allow(clippy::cast_precision_loss)]
    let leeway = LEEWAY_S as f64;
    let at = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(TokenError::Time),
    };
    let exp = at("exp")?
        .filter(|exp| exp.is_finite() && *exp >= 0.0 && *exp < 9e12)
        .ok_or(TokenError::Time)?;
    let from_future = |claim: Option<f64>| claim.is_some_and(|at| !at.is_finite() || at > seconds + leeway);
    if exp + leeway <= seconds || from_future(at("nbf")?) || from_future(at("iat")?) {
        return Err(TokenError::Time);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Checked to be finite, positive and small.
    Ok(Millis((exp * 1000.0) as u64))
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

fn email(claims: &Map<String, Value>) -> Option<String> {
    text(claims, "email")
        .filter(|email| !email.is_empty() && email.len() <= LONGEST_EMAIL)
        .map(str::to_owned)
}

/// The token's own claim; a denial in `user_metadata` counts too. A confirmation there does not: users may write it themselves. A
/// claim of another type is no reason to refuse a person, but it confirms nothing either.
fn email_verified(claims: &Map<String, Value>) -> Option<bool> {
    let stated = |value: Option<&Value>| {
        value
            .filter(|value| !value.is_null())
            .map(|value| value == &Value::Bool(true))
    };
    let of_user = claims
        .get("user_metadata")
        .and_then(|metadata| metadata.get("email_verified"));
    // Of the user's own, even a `null` is a change that he made.
    if of_user.is_some_and(|value| value != &Value::Bool(true)) {
        return Some(false);
    }
    stated(claims.get("email_verified"))
}

/// A session that could not be named could not be ended either, so an odd one is refused and not ignored.
fn session(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if !id.is_empty() && id.len() <= LONGEST_SESSION => Ok(Some(id.clone())),
        Some(_) => Err(TokenError::Malformed("session id")),
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessRules, SessionRules, access_user_id};
    use crate::time::Millis;
    use crate::user_token::{TokenError, User};
    use serde_json::{Value, json};

    const NOW: Millis = Millis(1_800_000_000_000);
    const ADA: &str = "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11";
    const TEAM: &str = "https://team.example";

    fn session(claims: &Value) -> Result<User, TokenError> {
        let rules = SessionRules {
            issuer: "iss",
            audience: "authenticated",
            derived_ids_reserved: false,
        };
        rules.person(claims.as_object().unwrap(), NOW)
    }

    fn access(claims: &Value) -> Result<User, TokenError> {
        let rules = AccessRules {
            team: TEAM,
            audience: "tag",
        };
        rules.person(claims.as_object().unwrap(), NOW)
    }

    fn claims() -> Value {
        json!({"sub": ADA, "aud": "authenticated", "role": "authenticated", "iss": "iss", "exp": NOW.seconds() + 60})
    }

    fn assertion() -> Value {
        json!({"sub": ADA, "aud": ["tag"], "iss": TEAM, "type": "app", "email": "ada@example.test",
               "identity_nonce": "n1", "iat": NOW.seconds(), "nbf": NOW.seconds(), "exp": NOW.seconds() + 60})
    }

    fn with(mut claims: Value, key: &str, value: Value) -> Value {
        claims[key] = value;
        claims
    }

    #[test]
    fn a_signed_in_person_is_accepted() {
        let user = session(&claims()).unwrap();
        assert_eq!((user.id.to_string().as_str(), user.until.0), (ADA, NOW.0 + 60_000));
        let s = NOW.seconds();
        for good in [
            with(claims(), "aud", json!(["x", "authenticated"])),
            with(claims(), "is_anonymous", json!(false)),
            with(claims(), "exp", json!(s - 59)),
            with(claims(), "nbf", json!(s + 60)),
            with(claims(), "iat", json!(s + 60)),
            with(claims(), "email", json!("")),
        ] {
            assert!(session(&good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_users_own_word_confirms_no_address() {
        let stated = |own: Value, of_user: Value| {
            let claims = with(claims(), "email_verified", own);
            let claims = with(claims, "user_metadata", json!({"email_verified": of_user}));
            session(&claims).unwrap().email_verified
        };
        let (yes, no, absent) = (json!(true), json!(false), Value::Null);
        assert_eq!(stated(yes.clone(), yes.clone()), Some(true));
        assert_eq!(stated(absent.clone(), yes.clone()), None);
        assert_eq!(stated(yes.clone(), no.clone()), Some(false));
        assert_eq!(stated(absent, no.clone()), Some(false));
        assert_eq!(stated(no, yes.clone()), Some(false));
        assert_eq!(stated(json!("true"), yes), Some(false));
        let plain = session(&claims()).unwrap();
        assert_eq!((plain.email_verified, plain.nonce), (None, None));
        let nonce = session(&with(claims(), "nonce", json!("n"))).unwrap().nonce;
        assert_eq!(nonce.as_deref(), Some("n"));
    }

    #[test]
    fn everybody_else_is_refused() {
        let s = NOW.seconds();
        let cases = [
            ("role", json!("anon"), TokenError::Role),
            ("role", json!("service_role"), TokenError::Role),
            ("role", json!(["authenticated"]), TokenError::Role),
            ("role", Value::Null, TokenError::Role),
            ("is_anonymous", json!(true), TokenError::Role),
            ("is_anonymous", json!("false"), TokenError::Role),
            ("is_anonymous", json!(0), TokenError::Role),
            ("aud", json!("anon"), TokenError::Role),
            ("aud", json!(["authenticated", 7]), TokenError::Role),
            ("aud", json!([]), TokenError::Role),
            ("aud", json!({"authenticated": true}), TokenError::Role),
            ("aud", Value::Null, TokenError::Role),
            ("iss", json!("other"), TokenError::Issuer),
            ("iss", json!("iss/"), TokenError::Issuer),
            ("iss", json!(["iss"]), TokenError::Issuer),
            ("iss", Value::Null, TokenError::Issuer),
            ("sub", json!("undefined"), TokenError::Subject),
            ("sub", json!(ADA.replace('-', "")), TokenError::Subject),
            ("sub", json!(format!("{ADA} ")), TokenError::Subject),
            (
                "sub",
                json!("０b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11"),
                TokenError::Subject,
            ),
            ("sub", json!(7), TokenError::Subject),
            ("sub", Value::Null, TokenError::Subject),
            ("exp", Value::Null, TokenError::Time),
            ("exp", json!(s - 60), TokenError::Time),
            ("exp", json!((s + 60).to_string()), TokenError::Time),
            ("exp", json!([s + 60]), TokenError::Time),
            ("exp", json!(1e300), TokenError::Time),
            ("exp", json!(u64::MAX), TokenError::Time),
            ("exp", json!(-1), TokenError::Time),
            ("nbf", json!(s + 61), TokenError::Time),
            ("nbf", json!("0"), TokenError::Time),
            ("iat", json!(s + 61), TokenError::Time),
            ("session_id", json!(7), TokenError::Malformed("session id")),
            (
                "session_id",
                json!("x".repeat(129)),
                TokenError::Malformed("session id"),
            ),
        ];
        for (key, value, error) in cases {
            let bad = with(claims(), key, value);
            assert_eq!(session(&bad).unwrap_err(), error, "{bad}");
        }
    }

    #[test]
    fn people_of_access_have_ids_that_no_other_issuer_can_give() {
        let person = access(&assertion()).unwrap();
        assert_ne!(person.id.to_string(), ADA);
        assert_eq!(person.id, access(&assertion()).unwrap().id);
        assert_eq!(person.session.as_deref(), Some("n1"));
        assert_ne!(Some(person.id), access_user_id("https://other.example", ADA));
        // The id is stored data: this one, computed by another SHA-256 from the text in `access_user_id`, must never change.
        assert_eq!(person.id.to_string(), "bbbf1e73-91eb-828b-bde3-9d27745115f3");
        let forged = with(claims(), "sub", json!(person.id.to_string()));
        assert_eq!(session(&forged).unwrap().id, person.id);
        let beside_access = SessionRules {
            issuer: "iss",
            audience: "authenticated",
            derived_ids_reserved: true,
        };
        let outcome = beside_access.person(forged.as_object().unwrap(), NOW);
        assert_eq!(outcome.unwrap_err(), TokenError::Subject);
        assert!(beside_access.person(claims().as_object().unwrap(), NOW).is_ok());
    }

    #[test]
    fn an_assertion_is_for_a_person_and_this_application() {
        let service = json!({"sub": "", "common_name": "x.access", "aud": ["tag"], "iss": TEAM, "type": "app",
                             "exp": NOW.seconds() + 60});
        assert_eq!(access(&service).unwrap_err(), TokenError::Role);
        for (key, value, error) in [
            ("common_name", json!("x.access"), TokenError::Role),
            ("type", json!("org"), TokenError::Role),
            ("aud", json!(["other"]), TokenError::Role),
            ("aud", json!("authenticated"), TokenError::Role),
            ("iss", json!("https://team.example/"), TokenError::Issuer),
            ("sub", json!(""), TokenError::Subject),
            ("exp", json!(NOW.seconds() - 60), TokenError::Time),
        ] {
            let bad = with(assertion(), key, value);
            assert_eq!(access(&bad).unwrap_err(), error, "{bad}");
        }
    }
}
