//! Users of the stack: the seeded ones, new ones, and tokens that should not open anything.

use crate::secrets;
use crate::stack::Stack;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use molt_common::id::{SandboxId, UserId};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Somebody with a token.
#[derive(Clone)]
pub struct User {
    /// User id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Token.
    pub token: String,
}

impl User {
    /// Id of the personal sandbox.
    ///
    /// # Panics
    /// When the user id is none.
    #[must_use]
    pub fn sandbox(&self) -> String {
        SandboxId::personal(UserId::parse(&self.id).expect("a user id"))
            .as_str()
            .to_owned()
    }

    /// A path of the admin API about this user.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/api/super/users/{}{rest}", self.id)
    }
}

/// Seconds since 1970.
///
/// # Panics
/// When the clock stands before that.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_secs()
}

impl Stack {
    /// The seeded user of this name, `Ada` or `Ben`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn seeded(&self, name: &str) -> User {
        let user = self.ready.users.iter().find(|user| user.name == name);
        let user = user.unwrap_or_else(|| panic!("{name} is not in the ready file"));
        User {
            id: user.id.clone(),
            name: user.name.clone(),
            token: user.token.clone(),
        }
    }

    /// Somebody nobody has seen before, whose sandbox was never started.
    ///
    /// # Panics
    /// When the platform does not take new users.
    pub async fn new_user(&self) -> User {
        let id = Uuid::new_v4().to_string();
        let name = format!("new-{}", &id[..8]);
        let mut claims = self.claims(&id);
        claims["email"] = json!(format!("{name}@example.test"));
        let user = User {
            id,
            name,
            token: self.sign(&claims),
        };
        // Sign-up happens with the first request; this one wakes nothing.
        let boot = self.get("/_molt/boot").user(&user).send().await.json(200);
        assert_eq!(
            (&boot["lifecycle"], &boot["generation"]),
            (&json!("stopped"), &json!(0)),
            "{boot}"
        );
        user
    }

    /// Somebody of whom the platform has never heard, as are those who are still with what ran before.
    ///
    /// # Panics
    /// When the tokens of the ready file are none.
    #[must_use]
    pub fn new_legacy_user(&self) -> User {
        let id = Uuid::new_v4().to_string();
        let name = format!("legacy-{}", &id[..8]);
        let mut claims = self.claims(&id);
        claims["email"] = json!(format!("{name}@example.test"));
        User {
            token: self.sign(&claims),
            id,
            name,
        }
    }

    /// The same person in another session, signed in for an hour.
    #[must_use]
    pub fn another_session(&self, user: &User) -> User {
        User {
            token: self.sign(&self.claims(&user.id)),
            ..user.clone()
        }
    }

    /// Claims of a token that the platform accepts, for a user of this id.
    ///
    /// # Panics
    /// When the tokens of the ready file are none.
    #[must_use]
    pub fn claims(&self, id: &str) -> Value {
        let seeded = self.ready.users.first().expect("a seeded user");
        let mut claims = claims_of(&seeded.token);
        claims["sub"] = json!(id);
        claims["exp"] = json!(now() + 3600);
        claims["session_id"] = json!(Uuid::new_v4());
        claims
    }

    /// Signs claims as the identity provider does.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        sign_with(claims, Algorithm::HS256, &self.secrets.user_tokens)
    }
}

/// Signs claims with any algorithm of the HMAC family and any secret.
///
/// # Panics
/// When the algorithm is of another family.
#[must_use]
pub fn sign_with(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("a token");
    secrets::used("a token", &token);
    token
}

/// Claims of a token, whoever signed it.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn claims_of(token: &str) -> Value {
    let body = token.split('.').nth(1).expect("a token of three parts");
    let body = URL_SAFE_NO_PAD.decode(body).expect("base64url");
    serde_json::from_slice(&body).expect("JSON")
}

/// A token with these two parts in plain text and no signature.
#[must_use]
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.", part(header), part(claims))
}
