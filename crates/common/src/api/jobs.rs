//! Request and answer types of jobs (`/api/super/jobs`): whatever goes on after the answer that accepted it.

use crate::id::UserId;
use crate::job_id::{JobId, JobKind};
use crate::sandbox_call::Lifecycle;
use serde::{Deserialize, Serialize};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum JobState {
    /// Accepted.
    Queued,
    /// Waits for the sandbox to come up.
    Waking,
    /// Handed to the sandbox.
    Starting,
    /// Its process runs.
    Running,
    /// Exit code 0 was observed.
    Succeeded,
    /// Another end was observed.
    Failed,
    /// Stopped at its time limit.
    TimedOut,
    /// Stopped on request.
    Cancelled,
    /// Its sandbox went away: the outcome is not known.
    Lost,
    /// Never started.
    Rejected,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Waking,
        Self::Starting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::Lost,
        Self::Rejected,
    ];

    /// As in JSON and filters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Waking => "waking",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Rejected => "rejected",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == text)
    }

    /// Whether nothing will change any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Waking | Self::Starting | Self::Running)
    }

    /// The word that older clients know.
    #[must_use]
    pub const fn status(self) -> &'static str {
        match self {
            Self::Queued | Self::Waking | Self::Starting | Self::Running => "running",
            Self::Succeeded | Self::Failed => "completed",
            Self::TimedOut | Self::Cancelled | Self::Lost | Self::Rejected => "error",
        }
    }
}

/// How far the children of a job are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Children.
    pub total: u32,
    /// Not begun.
    pub queued: u32,
    /// Begun and not ended.
    pub under_way: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Ended otherwise.
    pub failed: u32,
}

/// What a change of a sandbox came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeResult {
    /// `wake`, `restart`, `emergency-reset`, `destroy`, `tier`, `image`, `save`, `restore`, `verify`, `prune`, `compare` or `restore-path`.
    pub change: String,
    /// What the sandbox was when it was asked for.
    pub found: Lifecycle,
    /// Number of its start then.
    pub generation_before: u64,
    /// Number of its start now, or at the end of the change.
    pub generation: u64,
    /// What came of it, where it has to do with snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<crate::sandbox_change::ChangeOutcome>,
}

/// A job as lists and `GET /api/super/jobs/{id}` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobView {
    /// Its id, which names kind and owner.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub job_id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Whose sandbox it works on; null for a job about many.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = "uuid"))]
    pub user_id: Option<UserId>,
    /// The job that it is a part of.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub parent: Option<JobId>,
    /// For people, in one line and without secrets.
    pub title: String,
    /// Where it stands.
    pub state: JobState,
    /// The old word for it.
    pub status: String,
    /// Why it ended other than well.
    pub error: Option<String>,
    /// Null unless it has children.
    pub progress: Option<Progress>,
    /// Of a job of kind `lifecycle` alone: what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeResult>,
    /// ISO-8601 time of submission.
    pub created_at: String,
    /// ISO-8601; null before.
    pub started_at: Option<String>,
    /// ISO-8601; null before the end.
    pub completed_at: Option<String>,
    /// Where its own result is; null for a job without one.
    pub result_url: Option<String>,
}

/// Answer to `GET /api/super/jobs`: newest first, as the jobs' objects last announced them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobList {
    /// A page of them.
    pub jobs: Vec<JobView>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::JobState;

    #[test]
    fn states_have_the_words_of_their_json() {
        for state in JobState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
            assert_eq!(JobState::parse(state.word()), Some(state));
        }
        assert_eq!(JobState::parse("Running"), None);
    }
}
