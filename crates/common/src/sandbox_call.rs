//! Calls to a `Sandbox` Durable Object from other workers. User traffic arrives under another host name that the gateway sets itself.

use crate::control::{ExecReport, ExecStart, SessionEnd, SupervisorStatus, WaitFor};
use crate::disk_view::DiskView;
use crate::id::UserId;
use crate::job_id::JobId;
use crate::object_call::Call;
use crate::output::{OutputCursor, OutputPiece};
use crate::ownership::{Placement, Release};
use crate::sandbox_change::{ImageChoice, KeepAlive};
use crate::time::Millis;
use crate::trust::SessionRef;
use serde::{Deserialize, Serialize};

/// Host name under which the gateway passes user traffic.
pub const TRAFFIC_HOST: &str = "traffic.sandbox";

/// Where a sandbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Lifecycle {
    /// No container.
    Stopped,
    /// A container is being started; `phase` says how far it is.
    Starting,
    /// The agent admits traffic.
    Running,
    /// The container is being stopped.
    Stopping,
    /// The last start failed; `cause` says why.
    Failed,
    /// Stopped by idleness; wakes by itself.
    Sleeping,
}

impl Lifecycle {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Stopped,
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Failed,
        Self::Sleeping,
    ];

    /// As in JSON and filters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::Sleeping => "sleeping",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lifecycle| lifecycle.word() == text)
    }
}

/// How far a start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Phase {
    /// What ran before lets go of the user.
    Fence,
    /// The container is not answering yet.
    Container,
    /// State is being restored.
    Restore,
    /// The agent's configuration is being written.
    Configure,
    /// The agent's process is coming up.
    Agent,
    /// The agent admits traffic.
    Ready,
}

impl Phase {
    /// As in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Container => "container",
            Self::Restore => "restore",
            Self::Configure => "configure",
            Self::Agent => "agent",
            Self::Ready => "ready",
        }
    }
}

/// What the object knows of its sandbox. Reading it starts, wakes and extends nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxView {
    /// Owner; `None` before anybody ever needed the sandbox.
    pub owner: Option<UserId>,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// How far a start is; `None` without a container.
    pub phase: Option<Phase>,
    /// Number of starts so far.
    pub generation: u64,
    /// Since when it stands there.
    pub since: Millis,
    /// When the container was last asked, successfully or not; `None` if never.
    pub observed_at: Option<Millis>,
    /// Why the last start or run ended, if it did by itself.
    pub cause: Option<String>,
    /// When a failed start may be tried again.
    pub retry_at: Option<Millis>,
    /// Name of the image of this generation.
    pub image: Option<String>,
    /// 1, 2 or 3.
    pub tier: u8,
    /// Last lines of the agent's output, while it starts or after it failed.
    #[serde(default)]
    pub log_tail: Vec<String>,
    /// Where its user is, while what ran before is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// When somebody or something last used it, as sandboxd tells; `None` if never.
    #[serde(default)]
    pub last_active_at: Option<Millis>,
    /// When it is put to sleep if nothing happens; `None` while it does not run or may not sleep.
    #[serde(default)]
    pub sleeps_at: Option<Millis>,
    /// When a stopped or sleeping one starts by itself; `None` if never.
    #[serde(default)]
    pub wakes_at: Option<Millis>,
    /// When it may sleep.
    #[serde(default)]
    pub keep_alive: KeepAlive,
    /// Tier of the next start; differs from `tier` until a running one was started again.
    #[serde(default)]
    pub next_tier: Option<u8>,
    /// Image of the next start; `None` for the deployment's own.
    #[serde(default)]
    pub next_image: Option<ImageChoice>,
    /// The change that is under way (`crate::sandbox_change`).
    #[serde(default)]
    pub change: Option<JobId>,
    /// The platform has no room for it now; it is started as soon as there is some.
    #[serde(default)]
    pub waits_for_capacity: bool,
    /// It is not started because its owner is suspended; told to who wakes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shut_out: bool,
    /// Sockets that were open at the last observation.
    #[serde(default)]
    pub open_sockets: Option<u32>,
    /// How its disk is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Box<DiskView>>,
}

impl SandboxView {
    /// Of a sandbox that nobody ever needed.
    #[must_use]
    pub const fn never_started(tier: u8) -> Self {
        Self {
            owner: None,
            lifecycle: Lifecycle::Stopped,
            phase: None,
            generation: 0,
            since: Millis(0),
            observed_at: None,
            cause: None,
            retry_at: None,
            image: None,
            tier,
            log_tail: Vec::new(),
            placement: None,
            last_active_at: None,
            sleeps_at: None,
            wakes_at: None,
            keep_alive: KeepAlive::Default,
            next_tier: None,
            next_image: None,
            change: None,
            waits_for_capacity: false,
            shut_out: false,
            open_sockets: None,
            disk: None,
        }
    }
}

/// Where does the sandbox stand?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetState {}

impl Call for GetState {
    const PATH: &'static str = "/state";
    type Answer = SandboxView;
}

/// Ask a running sandbox how it is, now. Starts, wakes, extends and stores nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProbeSandbox {}

impl Call for ProbeSandbox {
    const PATH: &'static str = "/probe";
    type Answer = Probed;
}

/// Answer to [`ProbeSandbox`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probed {
    /// What is stored.
    pub view: SandboxView,
    /// Whether the runtime says that there is a container.
    pub container: bool,
    /// The supervisor's own words; `None` without a container, or when it did not answer.
    pub status: Option<Box<SupervisorStatus>>,
    /// Milliseconds that the question took.
    pub latency_ms: u64,
}

/// Somebody needs the sandbox: begin a start unless there is one. Answers at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wake {
    /// Owner of the sandbox.
    pub owner: UserId,
    /// Tier for a new start.
    pub tier: u8,
}

impl Call for Wake {
    const PATH: &'static str = "/wake";
    type Answer = SandboxView;
}

/// A router's flags no longer cover the user: he is to go back. Answers when that is settled, or after a while.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseUser {
    /// Whom, and why.
    pub release: Release,
    /// Request that led to it.
    pub request_id: String,
}

impl Call for ReleaseUser {
    const PATH: &'static str = "/ownership/release";
    type Answer = Placement;
}

/// Where is the user? Moves nobody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetPlacement {}

impl Call for GetPlacement {
    const PATH: &'static str = "/ownership";
    type Answer = Placement;
}

/// Sessions of the owner have ended: their sockets are to be closed. A sandbox without a container has none, and is not started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EndSessions {
    /// Which; all when absent.
    pub session: Option<SessionRef>,
    /// Why.
    pub reason: SessionEnd,
}

impl Call for EndSessions {
    const PATH: &'static str = "/sessions/end";
    type Answer = SessionsEnded;
}

/// Answer to [`EndSessions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsEnded {
    /// Sockets that are being closed; `None` when the sandbox runs and did not answer, so that the caller must ask again.
    pub sockets: Option<u32>,
}

/// Start a command in exactly this generation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartExec {
    /// The generation that the job is bound to.
    pub generation: u64,
    /// The command.
    pub start: ExecStart,
}

impl Call for StartExec {
    const PATH: &'static str = "/exec/start";
    type Answer = ExecAnswer;
}

/// How does a command of this generation stand, and what has it written after a cursor?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FollowExec {
    /// The generation that the job is bound to.
    pub generation: u64,
    /// Id of the command.
    pub exec_id: String,
    /// What is already known of its output.
    pub after: OutputCursor,
    /// Milliseconds to wait, at most 8,000.
    pub wait_ms: u64,
    /// For what.
    pub wait_for: WaitFor,
    /// Most bytes of output in the answer.
    pub limit_bytes: u64,
}

impl Call for FollowExec {
    const PATH: &'static str = "/exec/follow";
    type Answer = Followed;
}

/// Answer to [`FollowExec`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Followed {
    /// How it stands.
    pub answer: ExecAnswer,
    /// What it has written after the cursor; with [`ExecAnswer::Report`] only.
    pub output: Option<FollowedOutput>,
}

/// The output of [`ExecPage`](crate::control::ExecPage).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedOutput {
    /// See there.
    pub pieces: Vec<OutputPiece>,
    /// See there.
    pub cursor: OutputCursor,
    /// See there.
    pub more: bool,
}

/// Stop a command of this generation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CancelExec {
    /// The generation that the job is bound to.
    pub generation: u64,
    /// Id of the command.
    pub exec_id: String,
}

impl Call for CancelExec {
    const PATH: &'static str = "/exec/cancel";
    type Answer = ExecAnswer;
}

/// Answer to the three calls about a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum ExecAnswer {
    /// The supervisor's report.
    Report {
        /// See there.
        report: Box<ExecReport>,
    },
    /// The generation has ended: whatever ran in it is gone.
    Ended {
        /// The number of the newest start.
        generation: u64,
    },
    /// The generation lives, and its supervisor knows no such command.
    Unknown,
    /// The supervisor refused the command for good.
    Refused {
        /// Why.
        error: String,
    },
    /// The supervisor did not know the command and did certainly not start it just now (too many run, or it stops): ask again.
    NotNow {
        /// Why.
        error: String,
    },
    /// The supervisor did not answer this time.
    Unreachable {
        /// Why.
        error: String,
    },
}
