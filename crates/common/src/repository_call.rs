//! Calls to a `Sandbox` Durable Object about its repository as a whole: access for an operator, and its end.

use crate::audit::Author;
use crate::id::UserId;
use crate::object_call::Call;
use crate::repository_token::Access;
use crate::sandbox_call::Lifecycle;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An operator wants to use the repository with a program of his own. Noted in the sandbox's audit trail.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantRepository {
    /// Owner of the sandbox.
    pub owner: UserId,
    /// What he may do.
    pub access: Access,
    /// For how long, in milliseconds.
    pub lifetime_ms: u64,
    /// Who asks.
    pub by: Author,
}

impl Call for GrantRepository {
    const PATH: &'static str = "/repository/grant";
    /// `None` for a sandbox that has no repository: nothing was ever saved, or everything was erased.
    type Answer = Option<RepositoryGrant>;
}

/// Answer to [`GrantRepository`]. Opens everything that the user ever saved: printed nowhere.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryGrant {
    /// Opens the repository's REST interface.
    pub token: String,
    /// The repository's own key: restic's master key as JSON.
    pub key: String,
    /// Which of the sandbox's repositories it is.
    #[serde(default)]
    pub incarnation: u32,
    /// When the token ends.
    pub until: Millis,
}

impl fmt::Debug for RepositoryGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryGrant")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// All that the object keeps of its user goes: the list of snapshots, the repository's key, configuration, changes, audit entries. What remains is the number of
/// starts, so that no token of before counts for a sandbox that is begun anew under the same id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EraseSandbox {
    /// Owner of the sandbox.
    pub owner: UserId,
}

impl Call for EraseSandbox {
    const PATH: &'static str = "/erase";
    type Answer = Erased;
}

/// Answer to [`EraseSandbox`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Erased {
    /// Nothing is left. Repeated, there is nothing to remove.
    Done {
        /// Rows of its tables that went.
        rows: u64,
    },
    /// A container runs, or is being stopped: nothing went.
    NotStopped {
        /// Where it stands.
        lifecycle: Lifecycle,
    },
}
