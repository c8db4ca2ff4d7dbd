//! Which command is followed, and where the API has it.

use molt_common::id::{ExecId, UserId};
use molt_common::job_id::JobId;

/// A command in a user's sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whose sandbox.
    pub user: UserId,
    /// Which command.
    pub exec_id: ExecId,
}

impl Target {
    /// Path of the command itself: `DELETE` cancels it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/api/super/users/{}/exec/{}", self.user, self.exec_id)
    }

    /// Path of its output.
    #[must_use]
    pub fn output(&self) -> String {
        self.path() + "/output"
    }

    /// Path of its status.
    #[must_use]
    pub fn status(&self) -> String {
        self.path() + "/status"
    }

    /// Its id among all jobs.
    #[must_use]
    pub fn job(&self) -> JobId {
        JobId::exec(self.user, self.exec_id.clone())
    }
}
