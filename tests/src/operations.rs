//! What operators ask of sandboxes, through the admin API.

use crate::jobs::path;
use crate::launch::Launch;
use crate::people::User;
use crate::processes;
use crate::reply::Reply;
use crate::stack::Stack;
use crate::wait::until;
use futures_util::stream::{self, StreamExt};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Sandboxes that are started at once, so that one machine can do it.
const STARTED_AT_ONCE: usize = 8;

/// What came of a bulk restart whose worker was killed.
#[derive(Debug)]
pub struct Survived {
    /// Users.
    pub users: usize,
    /// Parts that had ended when the worker was killed first.
    pub ended_before: u64,
    /// How often it was killed.
    pub kills: u32,
    /// From submission to the end.
    pub took: Duration,
}

impl Stack {
    /// Asks for a change of a user's sandbox.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn ask(&self, user: &User, method: &str, verb: &str, body: &Value) -> Reply {
        let call = self.call(method, &user.path(&format!("/{verb}"))).admin();
        call.json(body).send().await
    }

    /// Asks for a change that must be accepted, and waits for its end.
    ///
    /// # Panics
    /// When it is refused or does not end.
    pub async fn changed(&self, user: &User, method: &str, verb: &str, body: &Value) -> Value {
        let accepted = self.ask(user, method, verb, body).await.json(202);
        let id = accepted["jobId"].as_str().expect("an id").to_owned();
        assert!(id.starts_with(&format!("lifecycle.{}.", user.id)), "{accepted}");
        for (name, value) in [
            ("success", json!(true)),
            ("userId", json!(user.id)),
            ("pollUrl", json!(path(&id))),
            ("checkStatusUrl", json!(user.path("/state/v2"))),
        ] {
            assert_eq!(accepted[name], value, "{name}: {accepted}");
        }
        self.job_ends(&id).await
    }

    /// So many users whose sandboxes run.
    ///
    /// # Panics
    /// When one does not come up.
    pub async fn many_awake(&self, count: usize) -> Vec<User> {
        stream::iter(0..count)
            .map(|_| async {
                let user = self.new_user().await;
                self.awake(&user).await;
                user
            })
            .buffered(STARTED_AT_ONCE)
            .collect()
            .await
    }

    /// Restarts the agents of these users while the runtime of the admin worker is killed twice: when the first part has ended, and when
    /// half of them have. Every agent was started again, once, and of each user it is told.
    ///
    /// # Panics
    /// When something is missing or was done twice.
    pub async fn bulk_restart_survives(&self, users: &[User], concurrency: u32) -> Survived {
        let before: Vec<Agent> = agents(self, users).await;
        let ids: Vec<&str> = users.iter().map(|user| user.id.as_str()).collect();
        let body = json!({"userIds": ids, "concurrency": concurrency});
        let begun = Instant::now();
        let accepted = self.post("/api/super/bulk/restart").admin().json(&body).send().await;
        let accepted = accepted.json(202);
        assert_eq!(accepted["total"], users.len(), "{accepted}");
        let id = accepted["jobId"].as_str().expect("an id").to_owned();
        assert!(id.starts_with("bulk-restart.fleet."), "{id}");
        let mut ended_before = None;
        let half = u64::try_from(users.len() / 2).unwrap_or(0);
        let mut kills = 0;
        for at_least in [1, half.max(2)] {
            let ended = until("enough parts have ended", Duration::from_secs(120), async || {
                let reply = self.get(&path(&id)).admin().attempt().await.ok()?;
                let job = (reply.status == 200).then(|| reply.json(200))?;
                let ended = count(&job, "succeeded") + count(&job, "failed");
                (ended >= at_least).then_some(ended)
            })
            .await;
            ended_before.get_or_insert(ended);
            kills += u32::from(kill_admin(self));
        }
        assert_eq!(kills, 2, "the worker was there to be killed");
        let ended = self.job_ends(&id).await;
        let took = begun.elapsed();
        let children = self.children(&id, 100).await;
        let reported: BTreeSet<&str> = children.iter().filter_map(|child| child["userId"].as_str()).collect();
        assert_eq!(reported, ids.iter().copied().collect(), "each is told of");
        for child in &children {
            assert_eq!(child["state"], "succeeded", "{child}");
            let job = self.job(child["jobId"].as_str().expect("a job")).await;
            assert_eq!(
                (&job["state"], &job["parent"]),
                (&json!("succeeded"), &json!(id)),
                "{job}"
            );
        }
        assert_eq!(
            (&ended["state"], count(&ended, "succeeded")),
            (&json!("succeeded"), children.len() as u64),
            "{ended}"
        );
        for (user, (before, after)) in users.iter().zip(before.iter().zip(agents(self, users).await)) {
            assert_eq!(
                (after.restarts, after.generation),
                (before.restarts + 1, before.generation),
                "the agent of {} was started again once, in its container",
                user.id
            );
        }
        Survived {
            users: users.len(),
            ended_before: ended_before.unwrap_or_default(),
            kills,
            took,
        }
    }
}

fn count(job: &Value, name: &str) -> u64 {
    job["progress"][name].as_u64().expect("a count")
}

/// Kills the runtime of the admin worker, which `scripts/dev --split` runs apart; it is started again by what watches it.
fn kill_admin(stack: &Stack) -> bool {
    let runtime = processes::tree(stack.ready.process("admin"))
        .into_iter()
        .find(|process| process.command.contains("workerd serve"));
    if let Some(process) = &runtime {
        Launch::signal(process.pid, Signal::SIGKILL);
    }
    runtime.is_some()
}

struct Agent {
    generation: u64,
    restarts: u64,
}

async fn agents(stack: &Stack, users: &[User]) -> Vec<Agent> {
    stream::iter(users)
        .map(|user| async {
            until("the agent is ready", Duration::from_secs(60), async || {
                let reply = stack.get(&user.path("/state?probe=1")).admin().attempt().await.ok()?;
                let state = (reply.status == 200).then(|| reply.json(200))?;
                let probe = &state["probe"];
                (probe["phase"] == "ready").then(|| Agent {
                    generation: state["generation"].as_u64().expect("a number"),
                    restarts: probe["agentRestarts"].as_u64().expect("a number"),
                })
            })
            .await
        })
        .buffered(STARTED_AT_ONCE)
        .collect()
        .await
}
