//! What operators do to trust: keys that are made and revoked, users who are suspended.

use crate::call::Call;
use crate::people::User;
use crate::stack::Stack;
use serde_json::json;

/// An admin key that a test has made.
pub struct Key {
    /// Its id.
    pub id: String,
    /// The whole key.
    pub text: String,
}

impl Call<'_> {
    /// Sends an admin key.
    pub fn key(self, key: &Key) -> Self {
        self.header("x-admin-secret", &key.text)
    }
}

impl Stack {
    /// Makes an admin key with these scopes.
    ///
    /// # Panics
    /// When it is not made.
    pub async fn new_key(&self, scopes: &[&str]) -> Key {
        let wanted = json!({"name": "made by a test", "scopes": scopes});
        let made = self
            .post("/api/super/keys")
            .admin()
            .json(&wanted)
            .send()
            .await
            .json(201);
        let text = |field: &str| {
            made[field]
                .as_str()
                .unwrap_or_else(|| panic!("no {field}: {made}"))
                .to_owned()
        };
        Key {
            id: text("id"),
            text: text("key"),
        }
    }

    /// Revokes a key.
    ///
    /// # Panics
    /// When it is not revoked.
    pub async fn revoke(&self, key: &Key) {
        let reply = self
            .call("DELETE", &format!("/api/super/keys/{}", key.id))
            .admin()
            .send()
            .await;
        assert!((200..300).contains(&reply.status), "{} {}", reply.status, reply.text());
    }

    /// Suspends a user.
    ///
    /// # Panics
    /// When he is not suspended.
    pub async fn suspend(&self, user: &User) {
        let reply = self.post(&user.path("/suspend")).admin().json(&json!({})).send().await;
        assert!((200..300).contains(&reply.status), "{} {}", reply.status, reply.text());
    }

    /// Lets a suspended user in again.
    ///
    /// # Panics
    /// When he is not reinstated.
    pub async fn reinstate(&self, user: &User) {
        let reply = self
            .post(&user.path("/reinstate"))
            .admin()
            .json(&json!({}))
            .send()
            .await;
        assert!((200..300).contains(&reply.status), "{} {}", reply.status, reply.text());
    }
}
