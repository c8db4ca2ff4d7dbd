//! Changes of a user's sandbox, through the admin API.

use crate::people::User;
use crate::processes::{self, Process};
use crate::stack::Stack;
use serde_json::{Value, json};

impl Stack {
    /// Asks for a change by its route, such as `POST /restart`; the id of the job.
    ///
    /// # Panics
    /// When it is not accepted.
    pub async fn begin_change(&self, user: &User, method: &str, route: &str, body: &Value) -> String {
        let call = self.call(method, &user.path(route)).admin().json(body);
        let accepted = call.send().await.json(202);
        assert_eq!(accepted["userId"], user.id, "{accepted}");
        accepted["jobId"].as_str().expect("an id").to_owned()
    }

    /// Asks for a change and waits for its end.
    ///
    /// # Panics
    /// When it is not accepted or does not end.
    pub async fn changed(&self, user: &User, method: &str, route: &str, body: &Value) -> Value {
        let id = self.begin_change(user, method, route, body).await;
        self.job_ends(&id).await
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
        self.begin_change(user, "POST", "/destroy", &body).await
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
