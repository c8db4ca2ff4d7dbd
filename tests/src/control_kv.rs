//! The routers' KV, written as an operator's tool writes it while the admin worker is down.

use crate::stack::Stack;

/// Its binding.
const BINDING: &str = "CONTROL_KV";

impl Stack {
    /// Stores a value in the local KV of a stack, running or not.
    ///
    /// # Panics
    /// When it fails.
    pub async fn put_control(&self, key: &str, value: &str) {
        let arguments = ["kv", "key", "put", key, value, "--binding", BINDING, "--local"];
        self.wrangler("admin", &arguments).await;
    }

    /// Removes a key from it.
    ///
    /// # Panics
    /// When it fails.
    pub async fn delete_control(&self, key: &str) {
        let arguments = ["kv", "key", "delete", key, "--binding", BINDING, "--local"];
        self.wrangler("admin", &arguments).await;
    }
}
