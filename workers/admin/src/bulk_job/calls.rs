//! Calls to the object of a bulk job, both ends in this worker.

use molt_common::api::ExecRequest;
use molt_common::api::bulk::JobChild;
use molt_common::api::jobs::JobView;
use molt_common::audit::Author;
use molt_common::id::UserId;
use molt_common::job_id::JobId;
use molt_common::object_call::Call;
use molt_common::sandbox_change::RestartScope;
use molt_lifecycle::bulk::BulkLimits;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// In whose sandbox, and with which tier where that is started.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Target {
    /// Whose.
    pub user_id: UserId,
    /// 1, 2 or 3.
    pub tier: u8,
}

/// What is done for each user. An older release reads the form of a command, which is as it was before there was anything else.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Work {
    /// A command is run.
    Exec {
        /// Which.
        request: Box<ExecRequest>,
    },
    /// The sandbox is restarted.
    Restart {
        /// How.
        restart: RestartWork,
    },
    /// The agent's configuration is patched.
    Config {
        /// How.
        config: ConfigWork,
    },
}

/// How configurations are patched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfigWork {
    /// RFC 7396.
    pub patch: Value,
    /// Why.
    pub reason: Option<String>,
}

/// How sandboxes are restarted.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestartWork {
    /// What is started again.
    pub scope: RestartScope,
    /// The caller knows that disks go.
    pub discard_disk: bool,
    /// Milliseconds until one has failed.
    pub timeout_ms: u64,
}

/// Accept a job. Its object is new, or was given the same key before.
#[derive(Debug, Serialize, Deserialize)]
pub struct Submit {
    /// Its id.
    pub job_id: JobId,
    /// What is to be done for each; it was checked.
    #[serde(flatten)]
    pub work: Work,
    /// In whose sandboxes, in this order.
    pub targets: Vec<Target>,
    /// How they are run.
    pub limits: BulkLimits,
    /// What the whole request is recognised by when its key comes again.
    pub fingerprint: String,
    /// Who submits it.
    pub author: Author,
}

/// Answer to [`Submit`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Submitted {
    /// Accepted now, or before under the same key.
    Accepted {
        /// How it stands.
        view: Box<JobView>,
    },
    /// The key was used with another body.
    OtherBody,
    /// It has not the form that a job must have.
    Refused {
        /// Why.
        error: String,
    },
}

impl Call for Submit {
    const PATH: &'static str = "/submit";
    type Answer = Submitted;
}

/// How does it stand?
#[derive(Debug, Serialize, Deserialize)]
pub struct Read {}

impl Call for Read {
    const PATH: &'static str = "/read";
    /// `None`: there is no such job, or none any more.
    type Answer = Option<JobView>;
}

/// A page of its parts.
#[derive(Debug, Serialize, Deserialize)]
pub struct Children {
    /// Those behind this place, which count from 1; 0 for the first page.
    pub after: u32,
    /// Most of them.
    pub limit: u32,
}

impl Call for Children {
    const PATH: &'static str = "/children";
    /// `None`: there is no such job, or none any more.
    type Answer = Option<ChildPage>;
}

/// Answer to [`Children`].
#[derive(Debug, Serialize, Deserialize)]
pub struct ChildPage {
    /// Parts in order.
    pub children: Vec<JobChild>,
    /// Place of the last of them, if more follow.
    pub next: Option<u32>,
}

/// Cancel it, with its parts.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cancel {
    /// Who cancels it.
    pub author: Author,
}

impl Call for Cancel {
    const PATH: &'static str = "/cancel";
    /// Whether there is such a job.
    type Answer = bool;
}
