//! Jobs, through the admin API.

use crate::people::User;
use crate::stack::Stack;
use crate::wait::until;
use molt_common::api::JobState;
use serde_json::{Value, json};
use std::time::Duration;

/// From submission to the end, starts of sandboxes included.
const LIMIT: Duration = Duration::from_secs(150);
/// Lists show what happened within this.
const INDEXED: Duration = Duration::from_secs(10);

/// Path of a job.
#[must_use]
pub fn path(id: &str) -> String {
    format!("/api/super/jobs/{id}")
}

/// Id of the job that a command is.
///
/// # Panics
/// When the answer is none of a submission.
#[must_use]
pub fn of_exec(accepted: &Value) -> String {
    let text = |name: &str| accepted[name].as_str().expect("text").to_owned();
    format!("exec.{}.{}", text("userId"), text("execId"))
}

impl Stack {
    /// Submits a command for these users; the id of the job.
    ///
    /// # Panics
    /// When it is not accepted.
    pub async fn bulk(&self, users: &[User], mut body: Value) -> String {
        body["userIds"] = users.iter().map(|user| json!(user.id)).collect();
        let reply = self.post("/api/super/bulk/exec").admin().json(&body).send().await;
        let accepted = reply.json(202);
        assert_eq!(accepted["total"], users.len(), "{accepted}");
        let id = accepted["jobId"].as_str().expect("an id").to_owned();
        assert_eq!(accepted["pollUrl"], path(&id));
        id
    }

    /// One job, from its object.
    ///
    /// # Panics
    /// When there is none.
    pub async fn job(&self, id: &str) -> Value {
        self.get(&path(id)).admin().send().await.json(200)
    }

    /// Waits for the end of a job, however it ends.
    ///
    /// # Panics
    /// When it does not.
    pub async fn job_ends(&self, id: &str) -> Value {
        self.job_ends_within(id, LIMIT).await
    }

    /// The same for work that takes long.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn job_ends_within(&self, id: &str, limit: Duration) -> Value {
        until("the job has ended", limit, async || {
            // The stack may be on its way up.
            let reply = self.get(&path(id)).admin().attempt_ours().await?;
            let job = (reply.status == 200).then(|| reply.json(200))?;
            let state = JobState::parse(job["state"].as_str()?)?;
            assert_eq!(state.is_terminal(), job["completedAt"].is_string(), "{job}");
            state.is_terminal().then_some(job)
        })
        .await
    }

    /// All parts of a job, by pages of this length.
    ///
    /// # Panics
    /// When there is no such job.
    pub async fn children(&self, id: &str, limit: u32) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{}/children?limit={limit}{cursor}", path(id)));
            let page = page.admin().send().await.json(200);
            let children = page["children"].as_array().expect("a list");
            assert!(!children.is_empty(), "no page is empty");
            all.extend(children.iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// Jobs in the index.
    ///
    /// # Panics
    /// When the question is wrong.
    pub async fn jobs(&self, query: &str) -> Value {
        self.get(&format!("/api/super/jobs?{query}"))
            .admin()
            .send()
            .await
            .json(200)
    }

    /// Waits until the index says of a job what the job says of itself.
    ///
    /// # Panics
    /// When it does not within seconds.
    pub async fn indexed(&self, id: &str, query: &str) -> Value {
        until("the index follows", INDEXED, async || {
            let (truth, listed) = (self.job(id).await, self.jobs(query).await);
            let jobs = listed["jobs"].as_array().expect("a list").clone();
            jobs.into_iter().find(|job| *job == truth)
        })
        .await
    }
}
