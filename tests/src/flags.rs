//! Flags, as operators set them and as routers obey them.

use crate::reply::Reply;
use crate::stack::Stack;
use crate::wait::until;
use molt_common::flag::OVERRIDE_KEY;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The flag of the admin API.
pub const ADMIN: &str = "USE_NEW_ADMIN_API";
/// The flag of everything of a user's.
pub const GATEWAY: &str = "USE_NEW_CONTAINER_GATEWAY";
/// A change through the API, a kill included, is obeyed by every router within this time.
pub const SEEN: Duration = Duration::from_secs(5);

/// How long at most 99 of 100 requests of users take while the admin worker hangs. The router gives it 300 ms; a busy machine has made 2.7 s
/// of that, and who waits for somebody who never answers would not be answered at all.
pub const UNHELD: Duration = Duration::from_secs(6);

/// A setting that is on for this share.
#[must_use]
pub fn percent(percent: u8) -> Value {
    json!({"enabled": true, "percent": percent})
}

/// A setting by which nobody is in.
#[must_use]
pub fn killed() -> Value {
    json!({"enabled": true, "percent": 100, "killed": true})
}

impl Stack {
    /// Sets a flag through the API and gives the version of all flags that has it.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn set_flag(&self, flag: &str, mut setting: Value) -> u64 {
        setting["reason"] = json!("a test");
        let path = format!("/api/super/flags/{flag}?allowOutage=true");
        self.change(async || self.call("PUT", &path).admin().json(&setting).send().await)
            .await;
        self.flags_version().await
    }

    /// A machine under load may not count a change in time; the platform says then that nothing was done.
    async fn change(&self, mut make: impl AsyncFnMut() -> Reply) {
        until("the change is taken", 6 * SEEN, async || {
            let reply = make().await;
            let again = reply.status == 503 && reply.text().contains("\"limiter_unavailable\"");
            (!again).then(|| {
                reply.expect(200);
            })
        })
        .await;
    }

    /// Version of all flags.
    ///
    /// # Panics
    /// When the control plane does not tell.
    pub async fn flags_version(&self) -> u64 {
        let flags = self.get("/api/super/flags").admin().send().await.json(200);
        flags["version"].as_u64().expect("a version")
    }

    /// Whether a flag is on for a subject, as the control plane decides.
    ///
    /// # Panics
    /// When nobody ever set it.
    pub async fn evaluates(&self, flag: &str, subject: &str) -> bool {
        let path = format!("/api/super/flags/{flag}/evaluate?subject={subject}");
        let ruling = self.get(&path).admin().send().await.json(200);
        ruling["on"].as_bool().unwrap_or_else(|| panic!("{ruling}"))
    }

    /// Both flags left to their variables of deployment, and every router knows.
    ///
    /// # Panics
    /// When a router does not learn of it.
    pub async fn forget_flags(&self) {
        for flag in [ADMIN, GATEWAY] {
            let path = format!("/api/super/flags/{flag}");
            self.change(async || self.call("DELETE", &path).admin().send().await)
                .await;
        }
        self.flags_are_seen(self.flags_version().await).await;
    }

    /// Waits until every router goes by flags of at least this version.
    ///
    /// # Panics
    /// When one does not.
    pub async fn flags_are_seen(&self, version: u64) {
        for url in &self.ready.urls {
            // What is promised is tested where it is; a machine may be slow elsewhere.
            until("the router goes by the newest flags", 6 * SEEN, async || {
                let status = self.call_at(url, "GET", "/api/status").send().await.json(200);
                (status["flags"]["version"].as_u64()? >= version).then_some(())
            })
            .await;
        }
    }

    /// Writes the operator's override to KV while the workers run, as operators' tools do: by a program beside them. Gives its epoch.
    ///
    /// # Panics
    /// When it cannot be written.
    pub async fn write_override(&self, values: &Value) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970");
        let epoch = u64::try_from(since.as_millis()).expect("a time of this era");
        let entry = json!({"epoch": epoch, "values": values, "at": epoch, "author": "a test", "reason": "the admin worker is down"});
        self.put_control(OVERRIDE_KEY, &entry.to_string()).await;
        epoch
    }
}
