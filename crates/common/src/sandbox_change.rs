//! What operators and users ask of a sandbox beyond its traffic: that it wakes, restarts, is reset, destroyed, or gets another tier or image.
//! A change is a job of kind `lifecycle` (`crate::job_id`) that the `Sandbox` object keeps and drives.

use crate::api::JobState;
use crate::api::jobs::{ChangeResult, JobView};
use crate::audit::Author;
use crate::control::snapshot::Difference;
use crate::disk_view::StopRefusal;
use crate::id::{ExecId, UserId};
use crate::job_id::JobId;
use crate::job_title::title;
use crate::object_call::Call;
use crate::snapshot::{SnapshotId, Verification};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What a restart starts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RestartScope {
    /// The agent's process; the disk stays.
    #[default]
    Agent,
    /// The whole container: the disk is saved and restored.
    Sandbox,
}

/// Which image a start takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageChoice {
    /// Name in the deployment's `images`: the channels `stable` and `canary`, or another one.
    pub name: String,
    /// The reference that the name had when it was pinned: a deployment that moves the name does not move this sandbox. Whoever asks for a
    /// pin does not know it and sends an empty text; the object fills in what the name stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
}

/// When a sandbox that nobody uses is put to sleep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "policy")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum KeepAlive {
    /// As the deployment says (`IDLE_SLEEP_SECONDS`; off without it).
    #[default]
    Default,
    /// Never; when it stops by itself it is started again.
    Always,
    /// After so long without activity.
    Idle {
        /// Seconds, from 60.
        seconds: u32,
    },
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Wanted {
    /// It runs. A running one is left alone.
    Wake,
    /// It runs again, orderly.
    Restart {
        /// What is started again.
        scope: RestartScope,
    },
    /// Everything in it is killed at once, and it is started with what was saved last.
    EmergencyReset,
    /// It is saved and stopped, and its container is gone. It stays startable.
    Destroy,
    /// Another tier; a running sandbox is started again with it.
    Tier {
        /// 1, 2 or 3.
        tier: u8,
    },
    /// Another image; a running sandbox is started again with it.
    Image {
        /// Which; the one before the newest choice when absent.
        image: Option<ImageChoice>,
    },
    /// A snapshot of a running sandbox, published.
    Save,
    /// The disk as it was in a snapshot: a running sandbox is saved, stopped and started again with it, one at rest takes it at its next start.
    Restore {
        /// Which.
        snapshot: SnapshotId,
    },
    /// Work on the repository, in a running sandbox.
    Upkeep {
        /// What.
        work: WantedUpkeep,
    },
}

/// What work on a repository somebody may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "work")]
pub enum WantedUpkeep {
    /// Read again and compared.
    Verify {
        /// Which snapshot; the newest published one when absent.
        snapshot: Option<SnapshotId>,
        /// All of its data; a sample otherwise.
        full: bool,
    },
    /// What no snapshot in the list needs is removed.
    Prune,
    /// What a restore would change.
    Compare {
        /// Of which snapshot.
        snapshot: SnapshotId,
    },
    /// One file or folder of a snapshot is put back.
    RestorePath {
        /// Of which.
        snapshot: SnapshotId,
        /// Below the home, with `/`.
        path: String,
        /// Where to, below the home; the same place when absent.
        to: Option<String>,
    },
}

impl WantedUpkeep {
    /// As in titles, filters and the audit trail.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Verify { .. } => "verify",
            Self::Prune => "prune",
            Self::Compare { .. } => "compare",
            Self::RestorePath { .. } => "restore-path",
        }
    }
}

/// What came of a change that has to do with snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeOutcome {
    /// The snapshot that was made, restored, verified or compared.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub snapshot: Option<SnapshotId>,
    /// Bytes that it added to the repository.
    pub added_bytes: u64,
    /// What a verification found.
    pub verification: Option<Verification>,
    /// Bytes that pruning removed.
    pub removed_bytes: u64,
    /// What a restore would change; at most 1,000.
    pub differences: Vec<Difference>,
    /// How many there are altogether.
    pub difference_count: u64,
    /// Paths that were restored.
    pub restored_paths: u64,
    /// Why the stop that it takes did not happen; `snapshot` is then the one about which somebody must decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_refused: Option<StopRefusal>,
}

impl Wanted {
    /// As in titles, filters and the audit trail.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Wake => "wake",
            Self::Restart { .. } => "restart",
            Self::EmergencyReset => "emergency-reset",
            Self::Destroy => "destroy",
            Self::Tier { .. } => "tier",
            Self::Image { .. } => "image",
            Self::Save => "save",
            Self::Restore { .. } => "restore",
            Self::Upkeep { work } => work.word(),
        }
    }

    /// In one line, for people.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Wake | Self::EmergencyReset | Self::Destroy | Self::Save | Self::Upkeep { .. } => self.word().into(),
            Self::Restore { snapshot } => format!("restore {snapshot}"),
            Self::Restart {
                scope: RestartScope::Agent,
            } => "restart agent".into(),
            Self::Restart {
                scope: RestartScope::Sandbox,
            } => "restart sandbox".into(),
            Self::Tier { tier } => format!("tier {tier}"),
            Self::Image { image: None } => "image rollback".into(),
            Self::Image { image: Some(image) } if image.pinned.is_some() => format!("image {} pinned", image.name),
            Self::Image { image: Some(image) } => format!("image {}", image.name),
        }
    }

    /// Whether it takes the disk of a sandbox that has one.
    #[must_use]
    pub const fn discards_disk(&self) -> bool {
        !matches!(
            self,
            Self::Wake
                | Self::Restart {
                    scope: RestartScope::Agent
                }
                | Self::Save
                | Self::Upkeep { .. }
        )
    }
}

/// Begin a change. Answers at once; the object's alarm drives it. The same id again answers with the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeSandbox {
    /// Last part of the job's id.
    pub id: ExecId,
    /// Owner of the sandbox.
    pub owner: UserId,
    /// Tier of his row, for a sandbox whose tier was never changed.
    pub tier: u8,
    /// What is asked for.
    pub wanted: Wanted,
    /// It may be stopped although nothing can be saved.
    pub discard_disk: bool,
    /// The job that it is a part of.
    #[serde(default)]
    pub parent: Option<JobId>,
    /// Who asks.
    pub by: Author,
    /// Request that led to it.
    pub request_id: String,
    /// Milliseconds until it has failed.
    pub timeout_ms: u64,
}

impl Call for ChangeSandbox {
    const PATH: &'static str = "/change";
    type Answer = ChangeAnswer;
}

/// Answer to [`ChangeSandbox`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum ChangeAnswer {
    /// It is kept, and begins or has begun. A change that had nothing to do has succeeded already.
    Accepted {
        /// How it stands.
        change: Box<ChangeView>,
    },
    /// The sandbox has a disk that would go; nothing was done.
    WouldDiscardDisk {
        /// Since when the disk has been written to.
        since: Millis,
    },
    /// Another change is under way; nothing was done. `emergency-reset` and `destroy` are never answered so: they end the other.
    Busy {
        /// Which.
        job: JobId,
    },
    /// The id was used for another change.
    Conflict,
    /// It cannot be done here.
    Refused {
        /// Field of the request.
        field: String,
        /// Why.
        text: String,
    },
}

/// A change, as its object keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeView {
    /// Its id as a job.
    pub job: JobId,
    /// The job that it is a part of.
    pub parent: Option<JobId>,
    /// What was asked for.
    pub wanted: Wanted,
    /// Where it stands: queued, running, succeeded, failed, timed out or cancelled.
    pub state: JobState,
    /// Why it ended other than well.
    pub error: Option<String>,
    /// Generation before it.
    pub generation_before: u64,
    /// Generation now, or when it ended.
    pub generation: u64,
    /// What the sandbox was when it was asked for, as a word of `Lifecycle`.
    pub found: crate::sandbox_call::Lifecycle,
    /// Submission.
    pub created_at: Millis,
    /// When something was done first.
    pub started_at: Option<Millis>,
    /// Its end.
    pub completed_at: Option<Millis>,
    /// What came of it, where it has to do with snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Box<ChangeOutcome>>,
}

impl ChangeView {
    /// As the API shows it among jobs.
    #[must_use]
    pub fn job_view(&self) -> JobView {
        JobView {
            job_id: self.job.clone(),
            kind: self.job.kind(),
            user_id: self.job.owner(),
            parent: self.parent.clone(),
            title: title(&self.wanted.title()),
            state: self.state,
            status: self.state.status().into(),
            error: self.error.as_deref().map(title),
            progress: None,
            change: Some(ChangeResult {
                change: self.wanted.word().into(),
                found: self.found,
                generation_before: self.generation_before,
                generation: self.generation,
                outcome: self.outcome.as_deref().cloned(),
            }),
            created_at: self.created_at.iso(),
            started_at: self.started_at.map(Millis::iso),
            completed_at: self.completed_at.map(Millis::iso),
            result_url: None,
        }
    }
}

/// How does a change stand? `None` when the object does not know it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetChange {
    /// Last part of the job's id.
    pub id: ExecId,
}

impl Call for GetChange {
    const PATH: &'static str = "/change/get";
    type Answer = Option<ChangeView>;
}

/// End a change where it stands: what was begun (a stop, a start) goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CancelChange {
    /// Last part of the job's id.
    pub id: ExecId,
    /// Who asks, for the audit trail.
    #[serde(default)]
    pub by: Option<Author>,
}

impl Call for CancelChange {
    const PATH: &'static str = "/change/cancel";
    type Answer = Option<ChangeView>;
}

/// Keep or let sleep. Takes effect at once and starts nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetKeepAlive {
    /// Owner of the sandbox.
    pub owner: UserId,
    /// From now on.
    pub keep_alive: KeepAlive,
    /// Who asks.
    pub by: Author,
    /// Request that led to it.
    pub request_id: String,
}

impl Call for SetKeepAlive {
    const PATH: &'static str = "/keep-alive";
    type Answer = crate::sandbox_call::SandboxView;
}
