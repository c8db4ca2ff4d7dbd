//! Command lines of `molt backups`.

use crate::exec::{Submission, millis};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What is to be done with the snapshots of a sandbox.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Lists the snapshots of a user's sandbox, newest first, and how they stand.
    Ls(Ls),
    /// Saves the disk of a running sandbox now, and waits until that counts.
    Save(Work),
    /// Shows one snapshot.
    Show(One),
    /// Shows what a restore of a snapshot would change on the disk of a running sandbox. Changes nothing.
    Diff(Diff),
    /// Restores a snapshot: the whole disk, or with --path one file or folder.
    Restore(Restore),
    /// Reads a snapshot again in the running sandbox, a sample or with --full all of it, and waits for what is found.
    Verify(Verify),
    /// Removes from the repository what no listed snapshot needs.
    Prune(Work),
    /// Takes a snapshot off the list for good; its data goes with the next prune. Asks first; `--yes` in scripts.
    Rm(Remove),
    /// Keeps a snapshot from retention.
    Pin(One),
    /// Lets retention take a snapshot.
    Unpin(One),
    /// Lets a snapshot count that is kept apart.
    Release(One),
    /// Shows what the system before this one kept of a user and what his first start takes over; with an option, decides that.
    Import(Import),
    /// Writes what restic itself needs to read a sandbox's repository into a new folder, for a short time.
    Access(Access),
}

/// A list.
#[derive(Debug, Args)]
pub struct Ls {
    /// User id or name
    pub user: String,
}

/// Work on a sandbox.
#[derive(Debug, Args)]
pub struct Work {
    /// User id or name
    pub user: String,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// How a job is submitted and waited for.
#[derive(Debug, Args)]
pub struct How {
    /// Time until it has failed, such as 90s or 10m; 30m when not given, 1s to 1h
    #[arg(long, value_name = "DURATION", value_parser = millis)]
    pub timeout: Option<u64>,
    /// Submission.
    #[command(flatten)]
    pub submission: Submission,
}

/// One snapshot.
#[derive(Debug, Args)]
pub struct One {
    /// User id or name
    pub user: String,
    /// Its id, the first digits of it (at least four), or `latest`
    #[arg(default_value = "latest")]
    pub snapshot: String,
}

/// A comparison.
#[derive(Debug, Args)]
pub struct Diff {
    /// Which.
    #[command(flatten)]
    pub one: One,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// A restore.
#[derive(Debug, Args)]
pub struct Restore {
    /// User id or name
    pub user: String,
    /// Id of the snapshot, the first digits of it (at least four), or `latest`
    pub snapshot: String,
    /// Only this file or folder, below the home, into the running sandbox
    #[arg(long)]
    pub path: Option<String>,
    /// Where to, below the home; what is there is kept under a name with the time
    #[arg(long, requires = "path")]
    pub to: Option<String>,
    /// What was written since the last snapshot may go, should it not be possible to save it first
    #[arg(long)]
    pub discard_disk: bool,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// A verification.
#[derive(Debug, Args)]
pub struct Verify {
    /// Which.
    #[command(flatten)]
    pub one: One,
    /// Reads all data of the repository
    #[arg(long)]
    pub full: bool,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// A removal.
#[derive(Debug, Args)]
pub struct Remove {
    /// User id or name
    pub user: String,
    /// Its id, or the first digits of it (at least four)
    pub snapshot: String,
    /// Does not ask, for scripts
    #[arg(long)]
    pub yes: bool,
}

/// What was kept by the system before.
#[derive(Debug, Args)]
pub struct Import {
    /// User id or name
    pub user: String,
    /// The copy that the next start takes: its key, or `files`
    #[arg(long, value_name = "KEY", conflicts_with = "discard")]
    pub source: Option<String>,
    /// Takes damaged databases, and a configuration that is none, as they are
    #[arg(long, conflicts_with = "discard")]
    pub accept_damaged: bool,
    /// The user starts empty; what was kept stays where it is
    #[arg(long)]
    pub discard: bool,
}

/// Access for restic itself.
#[derive(Debug, Args)]
pub struct Access {
    /// User id or name
    pub user: String,
    /// A folder that does not exist yet; only you may read what is written there
    #[arg(long, value_name = "FOLDER")]
    pub into: PathBuf,
    /// For how long, such as 15m; 1m to 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = millis, default_value = "15m")]
    pub lasts: u64,
}
