//! The two people who exist in every local stack, and the tokens that sign them in.

use std::time::SystemTime;

use molt_common::id::UserId;
use molt_common::time::Millis;
use molt_common::user_token;
use serde_json::{Value, json};
use uuid::Uuid;

/// How long a token of the ready file is good for, in seconds.
const TOKEN_LIFETIME_S: u64 = 24 * 60 * 60;

/// Tier of the demo users: two CPUs, on which the real agent is ready in 8 s; on the half one of tier 1 it takes 22 s.
const DEMO_TIER: u8 = 3;

/// A person of the local stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoUser {
    /// Fixed, so that state survives a restart and tests can name it.
    pub id: &'static str,
    /// Under a name that can belong to nobody.
    pub email: &'static str,
    /// First name.
    pub name: &'static str,
}

/// Ada and Ben.
pub const DEMO_USERS: [DemoUser; 2] = [
    DemoUser {
        id: "ada00000-0000-4000-8000-000000000001",
        email: "ada@example.test",
        name: "Ada",
    },
    DemoUser {
        id: "be000000-0000-4000-8000-000000000002",
        email: "ben@example.test",
        name: "Ben",
    },
];

/// Why a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The id is none.
    #[error("{0} is no user id")]
    Id(&'static str),
    /// Signing failed.
    #[error("a token cannot be signed: {0}")]
    Sign(#[from] user_token::TokenError),
}

/// Value of the variable `DEV_IDENTITY_USERS`: JSON text, a list of `{id, email, name}`.
pub fn identity_users() -> String {
    let list: Value = DEMO_USERS
        .iter()
        .map(|user| json!({"id": user.id, "email": user.email, "name": user.name}))
        .collect();
    list.to_string()
}

/// A token for `user`, good for 24 h from `now`, in a session of its own.
///
/// # Errors
/// See [`TokenError`].
pub fn token(user: &DemoUser, secret: &str, issuer: &str, now: SystemTime) -> Result<String, TokenError> {
    let id = UserId::parse(user.id).map_err(|_| TokenError::Id(user.id))?;
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Millis(u64::try_from(since_epoch.as_millis()).unwrap_or_default());
    let session = Uuid::new_v4().to_string();
    Ok(user_token::issue(
        secret,
        issuer,
        id,
        user.email,
        &session,
        now,
        TOKEN_LIFETIME_S,
    )?)
}

/// SQL that adds the people where they are not there yet and changes nothing that was changed since.
pub fn seed_sql() -> String {
    let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
    DEMO_USERS
        .iter()
        .map(|user| {
            format!(
                "INSERT INTO users (id, name, email, tier, created_at, updated_at) VALUES ('{}', '{}', '{}', {DEMO_TIER}, {now}, {now}) \
                 ON CONFLICT DO NOTHING;\n",
                user.id, user.name, user.email
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use molt_common::user_token::native::PublishedKeys;
    use molt_common::user_token::{Issuers, Settings, Source};
    use std::time::Duration;

    const SECRET: &str = "a-test-secret-of-at-least-32-bytes!";

    #[test]
    fn the_edge_accepts_a_token_for_a_day() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let settings = Settings {
            secret: Some(SECRET.into()),
            issuer: Some("dev".into()),
            ..Settings::default()
        };
        let issuers = Issuers::read(&settings).unwrap();
        let verify = |token: &str, hours: u64| {
            let at = Millis(1_800_000_000_000 + hours * 3_600_000);
            issuers.authenticate_natively(token, Source::Bearer, &PublishedKeys::default(), at)
        };
        for user in &DEMO_USERS {
            let token = token(user, SECRET, "dev", now).unwrap();
            let verified = verify(&token, 23).unwrap();
            assert_eq!(verified.id.to_string(), user.id);
            assert_eq!(verified.email.as_deref(), Some(user.email));
            assert!(verified.session.is_some());
            assert!(verify(&token, 25).is_err());
        }
    }

    #[test]
    fn everybody_is_listed_for_the_sign_in_page() {
        let listed: Value = serde_json::from_str(&identity_users()).unwrap();
        assert_eq!(listed.as_array().map(Vec::len), Some(2));
        assert_eq!(listed.pointer("/0/name"), Some(&json!("Ada")));
    }
}
