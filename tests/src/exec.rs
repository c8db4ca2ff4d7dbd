//! Commands in a user's sandbox, through the admin API.

use crate::people::User;
use crate::stack::Stack;
use crate::wait::until;
use serde_json::{Value, json};
use std::time::Duration;

/// From submission to the end, a start of the sandbox included.
const LIMIT: Duration = Duration::from_secs(100);

impl Stack {
    /// Submits a command; the answer (202).
    ///
    /// # Panics
    /// When it is not accepted.
    pub async fn submit(&self, user: &User, body: &Value) -> Value {
        self.post(&user.path("/exec")).admin().json(body).send().await.json(202)
    }

    /// How an accepted command stands now.
    ///
    /// # Panics
    /// When it is not known.
    pub async fn exec_status(&self, accepted: &Value) -> Value {
        let url = accepted["pollUrl"].as_str().expect("pollUrl");
        self.get(url).admin().send().await.json(200)
    }

    /// Waits until an accepted command has reached this state.
    ///
    /// # Panics
    /// When it ends in another, or does not come to it.
    pub async fn exec_reaches(&self, accepted: &Value, state: &str) -> Value {
        until(&format!("the command is {state}"), LIMIT, async || {
            let status = self.exec_status(accepted).await;
            assert!(
                status["state"] == state || status["completedAt"].is_null(),
                "it ended otherwise: {status}"
            );
            (status["state"] == state).then_some(status)
        })
        .await
    }

    /// Waits for the end of an accepted command, however it ends.
    ///
    /// # Panics
    /// When it does not.
    pub async fn outcome(&self, accepted: &Value) -> Value {
        until("the command has ended", LIMIT, async || {
            let status = self.exec_status(accepted).await;
            (!status["completedAt"].is_null()).then_some(status)
        })
        .await
    }

    /// Asks for an accepted command to be stopped.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn cancel(&self, accepted: &Value) {
        let url = accepted["pollUrl"]
            .as_str()
            .and_then(|url| url.strip_suffix("/status"))
            .expect("pollUrl");
        self.call("DELETE", url).admin().send().await.expect(202);
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it is refused or does not end.
    pub async fn exec(&self, user: &User, body: &Value) -> Value {
        let accepted = self.submit(user, body).await;
        self.outcome(&accepted).await
    }

    /// Standard output of a shell command that succeeds.
    ///
    /// # Panics
    /// When it does not.
    pub async fn sh(&self, user: &User, command: &str) -> String {
        let status = self.exec(user, &json!({"command": command})).await;
        assert_eq!(
            (&status["state"], &status["exitCode"]),
            (&json!("succeeded"), &json!(0)),
            "{command}: {status}"
        );
        status["stdout"].as_str().expect("text").to_owned()
    }
}
