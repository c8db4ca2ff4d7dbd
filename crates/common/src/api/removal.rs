//! Request and answer types of the removal of a user: everything that the deployment has of him, place by place, with what was found there afterwards.

use super::jobs::JobState;
use crate::id::UserId;
use crate::job_id::JobId;
use serde::{Deserialize, Serialize};

/// Body of `DELETE /api/super/users/{id}`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RemovalRequest {
    /// What a call without it answers (409 `confirmation_required`, field `confirm`): valid for two minutes, for this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

/// A place where something of a user lies, in the order in which they are emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Place {
    /// His sessions and sockets: routers refuse him from here on.
    Sessions,
    /// The container and its disk.
    Sandbox,
    /// What the sandbox's object keeps: the repository's key, without which no snapshot is ever read again, the list of snapshots, configuration, changes, audit
    /// entries.
    Records,
    /// Objects of the repository in the bucket.
    Snapshots,
    /// Objects in the bucket that another system left.
    OlderBackups,
    /// Commands and their output.
    Commands,
    /// Rows of the database: state, usage, jobs, copies of his sandbox's audit entries, invitations, himself.
    Database,
}

impl Place {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Sessions,
        Self::Sandbox,
        Self::Records,
        Self::Snapshots,
        Self::OlderBackups,
        Self::Commands,
        Self::Database,
    ];

    /// As in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Sandbox => "sandbox",
            Self::Records => "records",
            Self::Snapshots => "snapshots",
            Self::OlderBackups => "older_backups",
            Self::Commands => "commands",
            Self::Database => "database",
        }
    }
}

/// What became of one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Emptied {
    /// Which.
    pub place: Place,
    /// Things that were removed: objects, rows, one for a container or a user who was not suspended.
    pub removed: u64,
    /// Their bytes, where they are known.
    pub bytes: u64,
    /// Things that were counted there afterwards; null before that.
    pub left: Option<u64>,
}

/// Answer to `GET /api/super/users/{id}/removal`: the newest removal of a user, and with `succeeded` the proof of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RemovalReport {
    /// Whom.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// The job.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub job_id: JobId,
    /// `succeeded` when everything was removed, and counted as nothing afterwards.
    pub state: JobState,
    /// What stands in the way now, or why it failed.
    pub error: Option<String>,
    /// In the order in which they are emptied.
    pub places: Vec<Emptied>,
    /// ISO-8601 time of submission.
    pub created_at: String,
    /// ISO-8601 time of its end.
    pub completed_at: Option<String>,
}
