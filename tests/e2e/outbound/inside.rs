//! What programs in a sandbox get.

use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use serde_json::{Value, json};

/// An answer, as `curl` in the sandbox got it.
#[derive(Debug)]
pub struct Got {
    /// Status; 0 when there was none.
    pub status: u16,
    /// Body.
    pub body: String,
}

impl Got {
    /// The `code` of a problem.
    pub fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    /// # Panics
    /// When the host did not answer itself.
    pub fn is_from(&self, line: &str) {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(self.body.starts_with(line), "{line}: {self:?}");
    }

    /// # Panics
    /// When it was not the edge that refused, by name.
    pub fn is_denied(&self, host: &str) {
        assert_eq!(
            (self.status, self.code().as_str()),
            (403, "outbound_denied"),
            "{self:?}"
        );
        assert!(self.body.contains(host), "{host}: {self:?}");
    }
}

/// `curl` with these arguments.
pub async fn curl(stack: &Stack, user: &User, arguments: &str) -> Got {
    let command = format!("curl -sS --http1.1 -m 20 -w '\\n%{{http_code}}' {arguments}");
    let done = stack.exec(user, &json!({"command": command})).await;
    let out = done["stdout"].as_str().unwrap_or_default();
    let (body, status) = out.rsplit_once('\n').unwrap_or_default();
    let error = done["stderr"].as_str().unwrap_or_default();
    let status = status.parse().unwrap_or(0);
    Got {
        status,
        body: if status == 0 { error.to_owned() } else { body.to_owned() },
    }
}

/// Sets the lists of a user.
pub async fn set(stack: &Stack, user: &User, lists: &Value) -> Value {
    let put = stack.call("PUT", &user.path("/outbound")).admin().json(lists);
    put.send().await.json(200)
}

/// A new user with these lists, whose sandbox runs.
pub async fn limited(stack: &Stack, lists: &Value) -> User {
    let user = stack.new_user().await;
    assert_eq!(set(stack, &user, lists).await["standing"], "not_running");
    stack.awake(&user).await;
    user
}
