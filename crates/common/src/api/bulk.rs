//! Request and answer types of `POST /api/super/bulk/exec`: one command in the sandboxes of many users.

use super::exec::ExecRequest;
use super::jobs::JobState;
use crate::id::{ExecId, UserId, hex};
use crate::job_id::JobId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Commands under way at once when nothing is asked.
pub const CONCURRENCY_DEFAULT: u32 = 5;

/// What `POST /api/super/bulk/exec` takes besides the fields of [`ExecRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkOptions {
    /// In whose sandboxes, each once, at most 1,000; those of all active users when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub user_ids: Option<Vec<UserId>>,
    /// Commands under way at once, 1 to 50; default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// After that many commands that did not succeed no further one is begun; from 1. When absent none stops the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_after_failures: Option<u32>,
}

impl BulkOptions {
    /// Its fields as in JSON; all others are those of the command.
    pub const FIELDS: [&'static str; 3] = ["userIds", "concurrency", "stopAfterFailures"];
}

/// Body of `POST /api/super/bulk/exec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkExecRequest {
    /// Whose, and how many at once.
    #[serde(flatten)]
    pub options: BulkOptions,
    /// What.
    #[serde(flatten)]
    pub exec: ExecRequest,
}

impl BulkExecRequest {
    /// Equal for equal requests: what an idempotency key is compared with.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        hex(&Sha256::digest(&canonical))
    }
}

/// Answer to `POST /api/super/bulk/exec` (202).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulkAccepted {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub job_id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// Users whose sandboxes it works on.
    pub total: u32,
    /// Path of the job.
    pub poll_url: String,
}

/// One user's part of a bulk job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobChild {
    /// Whose sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Where it stands.
    pub state: JobState,
    /// The old word for it.
    pub status: String,
    /// Id of the command in his sandbox; null until one is known to have been accepted, and for what is no command.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub exec_id: Option<ExecId>,
    /// The job that does it; null until one is known to have been accepted.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub job_id: Option<JobId>,
    /// Null unless observed.
    pub exit_code: Option<i32>,
    /// Why it ended other than by itself.
    pub error: Option<String>,
    /// Where its own result is, while it is kept; null until a command was accepted.
    pub result_url: Option<String>,
}

/// Answer to `GET /api/super/jobs/{id}/children`: in the order in which they are begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobChildren {
    /// A page of them.
    pub children: Vec<JobChild>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
}
