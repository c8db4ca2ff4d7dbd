//! Changes of a user's sandbox, through the admin API.

use crate::people::User;
use crate::processes::{self, Process};
use crate::stack::Stack;
use serde_json::{Value, json};

impl Stack {
    /// Asks for a change that must be accepted; the id of the job.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn begin_change(&self, user: &User, method: &str, verb: &str, body: &Value) -> String {
        let accepted = self.ask(user, method, verb, body).await.json(202);
        accepted["jobId"].as_str().expect("an id").to_owned()
    }

    /// Destroys a user's sandbox, confirmed as asked; the id of the job.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn destroy(&self, user: &User) -> String {
        let path = user.path("/destroy");
        let asked = self.post(&path).admin().json(&json!({"discardDisk": true}));
        let problem = asked.send().await.problem(409, "confirmation_required");
        let body = json!({"discardDisk": true, "confirm": problem["confirm"]});
        self.begin_change(user, "POST", "destroy", &body).await
    }

    /// Process id of the agent of a running sandbox, as its supervisor tells it now.
    ///
    /// # Panics
    /// When it tells none.
    pub async fn agent_pid(&self, user: &User) -> u64 {
        let state = self.get(&user.path("/state/v2?probe=1")).admin().send().await.json(200);
        let pid = &state["probe"]["agentPid"];
        pid.as_u64().unwrap_or_else(|| panic!("no agent: {state}"))
    }

    /// The process `sandboxd serve` of a user's one container.
    ///
    /// # Panics
    /// When there is none.
    pub async fn supervisor(&self, user: &User) -> Process {
        let init = self.engine.only(user).await;
        let serve = processes::tree(init)
            .into_iter()
            .find(|process| process.command.contains("sandboxd serve"));
        serve.expect("sandboxd serve")
    }
}

/// Asserts that a job ended so.
///
/// # Panics
/// When it ended otherwise.
#[track_caller]
pub fn ended(job: &Value, state: &str) {
    assert_eq!(job["state"], state, "{job}");
    assert_eq!(job["error"].is_null(), state == "succeeded", "{job}");
}
