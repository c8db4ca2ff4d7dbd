//! Request and answer types of a sandbox's snapshots (`/api/super/users/{id}/backups`). What takes long answers with a job (`super::lifecycle::ChangeAccepted`).

use crate::id::UserId;
use crate::problem::Problem;
use crate::sandbox_change::{Wanted, WantedUpkeep};
use crate::snapshot::{ListedSnapshot, SaveReason, SnapshotId, Standing, Verification};
use crate::snapshot_call::SnapshotSummary;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// Milliseconds after which work on snapshots has failed, when nothing is asked: a large disk takes its time.
pub const BACKUP_TIMEOUT_DEFAULT_MS: u64 = 1_800_000;
/// Stands for the newest published snapshot, wherever the id of one is asked for.
pub const NEWEST: &str = "latest";
/// Longest path that may be restored, in bytes: that of the kernel.
pub const LONGEST_PATH: usize = 4_095;
/// Shortest life of an operator's access to a repository, in seconds.
pub const ACCESS_MIN_S: u32 = 60;
/// Longest one.
pub const ACCESS_MAX_S: u32 = 3_600;
/// When nothing is asked.
pub const ACCESS_DEFAULT_S: u32 = 900;

/// A snapshot that is in the list of its sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Backup {
    /// Its name in the repository: 64 hexadecimal digits.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: SnapshotId,
    /// Its number in the list, from 1.
    pub sequence: u64,
    /// Number of the start whose sandbox took it.
    pub generation: u64,
    /// Whether it counts.
    pub standing: Standing,
    /// Whether it is the newest that counts: what the next start restores.
    pub newest: bool,
    /// Why it is kept apart.
    pub why: Option<String>,
    /// Why it was taken.
    pub reason: SaveReason,
    /// ISO-8601 time at which reading began: what was written later may be missing.
    pub taken_at: String,
    /// ISO-8601 time from which on it counted.
    pub published_at: String,
    /// The one before it on its branch.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub parent: Option<SnapshotId>,
    /// Regular files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes that it added to the repository.
    pub added_bytes: u64,
    /// Databases that it holds.
    pub databases: u32,
    /// Files that could not be read.
    pub unreadable_count: u64,
    /// When it was read again last, and what was found.
    pub verification: Option<Verification>,
    /// Retention does not take it.
    pub pinned: bool,
}

impl Backup {
    /// As the API shows it, in a list whose newest published one is `head`.
    #[must_use]
    pub fn of(listed: &ListedSnapshot, head: Option<SnapshotId>) -> Self {
        Self {
            id: listed.id,
            sequence: listed.sequence,
            generation: listed.generation,
            standing: listed.standing,
            newest: head == Some(listed.id),
            why: listed.why.clone(),
            reason: listed.reason,
            taken_at: listed.taken_at.iso(),
            published_at: listed.published_at.iso(),
            parent: listed.parent,
            files: listed.files,
            bytes: listed.bytes,
            added_bytes: listed.added_bytes,
            databases: listed.databases,
            unreadable_count: listed.unreadable_count,
            verification: listed.verification.clone(),
            pinned: listed.pinned,
        }
    }
}

/// How the snapshots of a sandbox stand, without any of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupSummary {
    /// The newest that counts; null when there is none.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub newest: Option<SnapshotId>,
    /// ISO-8601 time at which it was taken.
    pub last_snapshot_at: Option<String>,
    /// ISO-8601 time: everything that was on the disk then is in a snapshot that counts, as far as is known.
    pub safe_until: Option<String>,
    /// How many count.
    pub published: u64,
    /// How many are kept apart until somebody decides.
    pub quarantined: u64,
    /// Bytes that all of them added to the repository.
    pub stored_bytes: u64,
    /// Why the newest attempt failed, if it did.
    pub last_error: Option<String>,
    /// ISO-8601 time of that.
    pub last_error_at: Option<String>,
    /// ISO-8601 time at which something was verified last.
    pub verified_at: Option<String>,
    /// Whether all of it was as it should be.
    pub verified_ok: Option<bool>,
    /// ISO-8601 time of the last prune.
    pub pruned_at: Option<String>,
    /// What somebody should look at, in words.
    pub alerts: Vec<String>,
}

impl From<SnapshotSummary> for BackupSummary {
    fn from(summary: SnapshotSummary) -> Self {
        let iso = |at: Option<Millis>| at.map(Millis::iso);
        Self {
            newest: summary.head,
            last_snapshot_at: iso(summary.last_snapshot_at),
            safe_until: iso(summary.safe_until),
            published: summary.published,
            quarantined: summary.quarantined,
            stored_bytes: summary.stored_bytes,
            last_error: summary.last_error,
            last_error_at: iso(summary.last_error_at),
            verified_at: iso(summary.verified_at),
            verified_ok: summary.verified_ok,
            pruned_at: iso(summary.pruned_at),
            alerts: summary.alerts,
        }
    }
}

/// Answer to `GET …/backups`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupList {
    /// Whose sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Newest first.
    pub backups: Vec<Backup>,
    /// How all of them stand.
    pub summary: BackupSummary,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Body of `POST …/backups` and of `…/backups/prune`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupRequest {
    /// Milliseconds until it has failed, 1,000 to 3,600,000; default 1,800,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Body of `POST …/backups/{snapshot}/verify`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerifyRequest {
    /// Reads all data of the repository; a sample when false.
    #[serde(default)]
    pub full: bool,
    /// Milliseconds until it has failed, 1,000 to 3,600,000; default 1,800,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Body of `POST …/backups/{snapshot}/restore`; may be absent, which restores the whole disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoreRequest {
    /// Only this file or folder, below the home, into the running sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// With `path`: where to, below the home; the same place when absent. What is there is kept under a name with the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Changes nothing: the job's result tells what a restore of the whole disk would change. The sandbox must run.
    #[serde(default)]
    pub dry_run: bool,
    /// What was written since the last snapshot may go, should it not be possible to save it first.
    #[serde(default)]
    pub discard_disk: bool,
    /// Milliseconds until it has failed, 1,000 to 3,600,000; default 1,800,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl RestoreRequest {
    /// What it asks of the sandbox.
    ///
    /// # Errors
    /// 400 that names the field, for what makes no sense together and for a path that is none below the home.
    pub fn wanted(&self, snapshot: SnapshotId) -> Result<Wanted, Problem> {
        let Some(path) = &self.path else {
            if self.to.is_some() {
                return Err(Problem::invalid("to", "goes with path alone"));
            }
            return Ok(if self.dry_run {
                Wanted::Upkeep {
                    work: WantedUpkeep::Compare { snapshot },
                }
            } else {
                Wanted::Restore { snapshot }
            });
        };
        if self.dry_run {
            return Err(Problem::invalid(
                "dryRun",
                "goes without path: it is about the whole disk",
            ));
        }
        Ok(Wanted::Upkeep {
            work: WantedUpkeep::RestorePath {
                snapshot,
                path: below_home("path", path)?,
                to: self.to.as_deref().map(|to| below_home("to", to)).transpose()?,
            },
        })
    }
}

/// A path below the home as sandboxd takes it: without a slash at either end. Nothing that leads out of the home is one.
fn below_home(field: &str, text: &str) -> Result<String, Problem> {
    let path = text.trim_end_matches('/');
    if path.is_empty() || path.len() > LONGEST_PATH {
        return Err(Problem::invalid(
            field,
            format!("must be 1 to {LONGEST_PATH} bytes below the home"),
        ));
    }
    if path.contains('\0') {
        return Err(Problem::invalid(field, "holds a character that no path has"));
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Problem::invalid(
            field,
            "must lead below the home, without a slash at its beginning and without empty parts, . or ..",
        ));
    }
    Ok(path.to_owned())
}

/// Body of `DELETE …/backups/{snapshot}`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ForgetRequest {
    /// What a call without it answers (409 `confirmation_required`, field `confirm`): valid for two minutes, for this snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

/// Body of `POST …/backups/access`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccessRequest {
    /// Seconds for which it is good, 60 to 3,600; default 900.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
}

/// Answer to `POST …/backups/access`: what restic needs to read the repository. Opens all that the user ever saved: never logged, never stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccessGranted {
    /// Whose sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Path of the repository on this host; restic is given `rest:https://<username>:<token>@<host><path>`.
    pub path: String,
    /// User name for it.
    pub username: String,
    /// Password for it, also taken as a bearer token. It reads, and no more.
    pub token: String,
    /// Password of the repository itself. Later ones replace it.
    pub password: String,
    /// ISO-8601 time at which the token ends.
    pub until: String,
}

/// Answer to `GET …/r2-status`, in the words of older scripts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StorageStatus {
    /// Whose sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// `restic`, or `none` while nothing was saved.
    pub backup_format: String,
    /// Whether anything was saved.
    pub has_backup: bool,
    /// The newest; null when there is none.
    pub backup: Option<StoredBackup>,
    /// ISO-8601 time: everything that was on the disk then is saved.
    pub last_sync: Option<String>,
    /// Whole minutes since then.
    pub minutes_since_sync: Option<u64>,
    /// Id of the newest snapshot.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub sync_id: Option<SnapshotId>,
    /// As `…/r2-health` says.
    pub healthy: bool,
}

/// The newest snapshot in the words of older scripts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoredBackup {
    /// Bytes of its files.
    pub size_bytes: u64,
    /// The same in MiB, with two decimals.
    #[serde(rename = "sizeMB")]
    pub size_mb: f64,
    /// ISO-8601 time from which on it counted.
    pub uploaded: String,
}

/// Answer to `GET …/r2-health`, in the words of older scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StorageHealth {
    /// Whose sandbox.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub user_id: UserId,
    /// Whether what is on the disk is saved, as far as that may be expected.
    pub healthy: bool,
    /// ISO-8601 time: everything that was on the disk then is saved.
    pub last_sync: Option<String>,
    /// Whole minutes since then.
    pub minutes_since_sync: Option<u64>,
    /// Minutes after which a sandbox that runs is not healthy any more.
    pub threshold: u64,
    /// Why it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Answer (202) to `POST …/sync-async` and its other spellings: a save was asked for, in the words of older scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SyncAccepted {
    /// The same as to `POST …/backups`.
    #[serde(flatten)]
    pub accepted: super::lifecycle::ChangeAccepted,
    /// Path of what older scripts look at afterwards.
    pub check_status_at: String,
}

#[cfg(test)]
#[path = "backups_tests.rs"]
mod tests;
