//! Command lines of what is asked of one sandbox.

use crate::exec::{Submission, millis};
use clap::{Args, ValueEnum};
use molt_common::api::lifecycle::KeepAlivePolicy;
use molt_common::sandbox_change::RestartScope;

/// How a change is submitted and waited for.
#[derive(Debug, Args)]
pub struct How {
    /// Time until it has failed, such as 90s or 10m; 5m when not given, 1s to 1h
    #[arg(long, value_name = "DURATION", value_parser = millis)]
    pub timeout: Option<u64>,
    /// Submission.
    #[command(flatten)]
    pub submission: Submission,
}

/// Waking.
#[derive(Debug, Args)]
pub struct Wake {
    /// User id or name
    pub user: String,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// What a restart starts again.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Scope {
    /// The agent's process; the disk stays
    Agent,
    /// The whole container; the disk is saved and restored
    Sandbox,
}

impl From<Scope> for RestartScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Agent => Self::Agent,
            Scope::Sandbox => Self::Sandbox,
        }
    }
}

/// Restarting.
#[derive(Debug, Args)]
pub struct Restart {
    /// User id or name
    pub user: String,
    /// What is started again
    #[arg(long, value_enum, default_value_t = Scope::Agent)]
    pub scope: Scope,
    /// The disk may go
    #[arg(long)]
    pub discard_disk: bool,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// Resetting.
#[derive(Debug, Args)]
pub struct Reset {
    /// User id or name
    pub user: String,
    /// The disk may go
    #[arg(long)]
    pub discard_disk: bool,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// Destroying.
#[derive(Debug, Args)]
pub struct Destroy {
    /// User id or name
    pub user: String,
    /// Does not ask, for scripts
    #[arg(long)]
    pub yes: bool,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// Another tier.
#[derive(Debug, Args)]
pub struct Tier {
    /// User id or name
    pub user: String,
    /// 1, 2 or 3
    #[arg(value_parser = clap::value_parser!(u8).range(1..=3))]
    pub tier: u8,
    /// The disk may go
    #[arg(long)]
    pub discard_disk: bool,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// A channel of images.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Channel {
    /// What most run
    Stable,
    /// What is tried first
    Canary,
}

impl Channel {
    /// As in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
        }
    }
}

/// An image.
#[derive(Debug, Args)]
pub struct Image {
    /// User id or name
    pub user: String,
    /// Follows a channel
    #[arg(long, value_enum, conflicts_with_all = ["name", "rollback"])]
    pub channel: Option<Channel>,
    /// Takes an image by its name in the deployment's images
    #[arg(long, conflicts_with = "rollback")]
    pub name: Option<String>,
    /// Keeps what the name stands for now; alone, that of the present choice
    #[arg(long, conflicts_with = "rollback")]
    pub pin: bool,
    /// Goes back to the choice before
    #[arg(long)]
    pub rollback: bool,
    /// The disk may go
    #[arg(long)]
    pub discard_disk: bool,
    /// How.
    #[command(flatten)]
    pub how: How,
}

impl Image {
    /// Whether anything is chosen; else it is shown.
    pub const fn chooses(&self) -> bool {
        self.channel.is_some() || self.name.is_some() || self.pin || self.rollback
    }
}

/// When a sandbox may sleep.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Policy {
    /// As the deployment says
    Default,
    /// Never; when it stops by itself it is started again
    Always,
    /// After a time without activity
    Idle,
}

impl From<Policy> for KeepAlivePolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Default => Self::Default,
            Policy::Always => Self::Always,
            Policy::Idle => Self::Idle,
        }
    }
}

/// Keeping alive.
#[derive(Debug, Args)]
pub struct KeepAlive {
    /// User id or name
    pub user: String,
    /// When it may sleep; shown when not given
    #[arg(value_enum)]
    pub policy: Option<Policy>,
    /// With idle: time without activity, such as 30m; 1m to 30 days
    #[arg(long, value_name = "DURATION", value_parser = millis, required_if_eq("policy", "idle"), requires = "policy")]
    pub after: Option<u64>,
}
