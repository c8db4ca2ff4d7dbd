//! Snapshots of a user's sandbox, through the admin API.

use crate::people::User;
use crate::stack::Stack;
use serde_json::{Value, json};

impl Stack {
    /// The newest page of a user's snapshots, with their summary.
    ///
    /// # Panics
    /// When they are not told.
    pub async fn backups(&self, user: &User) -> Value {
        self.get(&user.path("/backups?limit=200"))
            .admin()
            .send()
            .await
            .json(200)
    }

    /// Asks for a snapshot; the id of the job.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn begin_backup(&self, user: &User) -> String {
        self.begin_change(user, "POST", "backups", &json!({})).await
    }

    /// Takes a snapshot of a running sandbox; its id.
    ///
    /// # Panics
    /// When it does not come to be.
    pub async fn backup(&self, user: &User) -> String {
        let job = self.job_ends(&self.begin_backup(user).await).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        job["change"]["outcome"]["snapshot"]
            .as_str()
            .unwrap_or_else(|| panic!("no snapshot: {job}"))
            .to_owned()
    }
}
