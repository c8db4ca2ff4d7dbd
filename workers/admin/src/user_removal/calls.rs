//! Calls to the object of a user's removals, both ends in this worker.

use molt_common::api::jobs::JobView;
use molt_common::api::removal::RemovalReport;
use molt_common::audit::Author;
use molt_common::id::UserId;
use molt_common::job_id::JobId;
use molt_common::object_call::Call;
use serde::{Deserialize, Serialize};

/// Remove the user. The same job again answers with how it stands.
#[derive(Debug, Serialize, Deserialize)]
pub struct Submit {
    /// Its id.
    pub job_id: JobId,
    /// Whom.
    pub user: UserId,
    /// His address, by which he may be invited.
    pub email: Option<String>,
    /// Tier of his row.
    pub tier: u8,
    /// Who asks.
    pub author: Author,
}

impl Call for Submit {
    const PATH: &'static str = "/submit";
    type Answer = Submitted;
}

/// Answer to [`Submit`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Submitted {
    /// It is under way, or was before.
    Accepted {
        /// How it stands.
        view: Box<JobView>,
    },
    /// Another one is under way.
    Busy {
        /// Which.
        job: JobId,
    },
}

/// How does the newest removal stand?
#[derive(Debug, Serialize, Deserialize)]
pub struct Read {}

impl Call for Read {
    const PATH: &'static str = "/read";
    /// `None`: there was none, or none any more.
    type Answer = Option<Standing>;
}

/// Answer to [`Read`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Standing {
    /// As jobs are shown.
    pub view: JobView,
    /// Place by place.
    pub report: RemovalReport,
}
