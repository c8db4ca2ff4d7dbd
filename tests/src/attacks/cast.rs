//! Who takes part in the attacks: two honest users, and admin keys in every condition.

use crate::people::User;
use crate::stack::Stack;
use serde_json::{Value, json};

/// They.
pub struct Cast {
    /// An honest user, whose sandbox runs.
    pub ada: User,
    /// Another one.
    pub ben: User,
    /// A key that may only read the fleet.
    pub reader: String,
    /// A key that may make keys, and nothing else.
    pub maker: String,
    /// A key that was revoked.
    pub revoked: String,
}

impl Cast {
    /// # Panics
    /// When keys cannot be made or revoked.
    pub async fn gather(stack: &Stack) -> Self {
        let (ada, ben) = (stack.seeded("Ada"), stack.seeded("Ben"));
        stack.awake(&ada).await;
        let (_, reader) = stack.admin_key("attack: reads", &["fleet:read"]).await;
        let (_, maker) = stack.admin_key("attack: makes keys", &["keys:write"]).await;
        let (id, revoked) = stack.admin_key("attack: revoked", &["*"]).await;
        // Seen by the router once, so that its refusal afterwards is for the revocation.
        let users = || stack.get("/api/super/users").header("x-admin-secret", &revoked);
        users().send().await.expect(200);
        let path = format!("/api/super/keys/{id}");
        let status = stack.call("DELETE", &path).admin().send().await.status;
        assert!((200..300).contains(&status), "revoking answered {status}");
        crate::wait::until(
            "the revocation is seen",
            std::time::Duration::from_secs(30),
            async || (users().send().await.status == 403).then_some(()),
        )
        .await;
        Self {
            ada,
            ben,
            reader,
            maker,
            revoked,
        }
    }
}

impl Stack {
    /// Makes an admin key that is good for an hour: its id and the whole key.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn admin_key(&self, name: &str, scopes: &[&str]) -> (String, String) {
        let body = json!({"name": name, "scopes": scopes, "expiresInMs": 3_600_000});
        let made: Value = self.post("/api/super/keys").admin().json(&body).send().await.json(201);
        let text = |field: &str| made[field].as_str().unwrap_or_else(|| panic!("no {field}")).to_owned();
        (text("id"), text("key"))
    }
}
