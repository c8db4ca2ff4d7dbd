//! Whether what a sandbox has on its disk is saved, as far as that may be expected: in the words that older scripts read.

use crate::api::backups::{StorageHealth, StorageStatus, StoredBackup};
use crate::id::UserId;
use crate::sandbox_call::Lifecycle;
use crate::snapshot::ListedSnapshot;
use crate::snapshot_call::SnapshotSummary;
use crate::time::Millis;

/// Minutes after which a running sandbox is not well any more: two intervals of five minutes, because one may be under way.
pub const THRESHOLD_MINUTES: u64 = 10;

const MINUTE_MS: u64 = 60_000;

/// How it is. A sandbox at rest changes nothing: what was saved at its stop is enough, however long ago that was.
#[must_use]
pub fn health(
    user_id: UserId,
    lifecycle: Lifecycle,
    generation: u64,
    summary: &SnapshotSummary,
    now: Millis,
) -> StorageHealth {
    let saved = summary.safe_until.or(summary.last_snapshot_at);
    let minutes = saved.map(|at| now.since(at) / MINUTE_MS);
    let runs = matches!(lifecycle, Lifecycle::Running | Lifecycle::Stopping);
    let reason = if generation == 0 && summary.head.is_none() {
        // Nothing was ever there that could be lost.
        None
    } else if let Some(alert) = summary.alerts.first() {
        Some(alert.clone())
    } else if summary.head.is_none() {
        Some("nothing was saved yet".into())
    } else if let Some(error) = failed_since(summary, saved) {
        Some(format!("the newest attempt failed: {error}"))
    } else if runs && minutes.is_none_or(|minutes| minutes >= THRESHOLD_MINUTES) {
        Some(format!(
            "it runs, and nothing was saved for {THRESHOLD_MINUTES} minutes or more"
        ))
    } else {
        None
    };
    StorageHealth {
        user_id,
        healthy: reason.is_none(),
        last_sync: saved.map(Millis::iso),
        minutes_since_sync: minutes,
        threshold: THRESHOLD_MINUTES,
        reason,
    }
}

/// An error that no later success has made good.
fn failed_since(summary: &SnapshotSummary, saved: Option<Millis>) -> Option<&str> {
    let error = summary.last_error.as_deref()?;
    match (summary.last_error_at, saved) {
        (Some(failed), Some(saved)) if saved >= failed => None,
        _ => Some(error),
    }
}

/// The same with the newest snapshot, `newest`.
#[must_use]
pub fn status(health: StorageHealth, newest: Option<&ListedSnapshot>) -> StorageStatus {
    StorageStatus {
        user_id: health.user_id,
        backup_format: if newest.is_some() { "restic" } else { "none" }.into(),
        has_backup: newest.is_some(),
        backup: newest.map(|newest| StoredBackup {
            size_bytes: newest.bytes,
            size_mb: mebibytes(newest.bytes),
            uploaded: newest.published_at.iso(),
        }),
        last_sync: health.last_sync,
        minutes_since_sync: health.minutes_since_sync,
        sync_id: newest.map(|newest| newest.id),
        healthy: health.healthy,
    }
}

/// With two decimals.
#[allow(clippy::cast_precision_loss)] // Two decimals of a number of MiB.
fn mebibytes(bytes: u64) -> f64 {
    (bytes as f64 / f64::from(1 << 20) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::{health, mebibytes, status};
    use crate::id::UserId;
    use crate::sandbox_call::Lifecycle::{self, Running, Sleeping, Stopped};
    use crate::snapshot::ObjectId;
    use crate::snapshot_call::SnapshotSummary;
    use crate::time::Millis;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn saved(minutes_ago: u64) -> SnapshotSummary {
        let at = Millis(NOW.0 - minutes_ago * 60_000);
        SnapshotSummary {
            head: Some(ObjectId::new([1; 32])),
            last_snapshot_at: Some(at),
            safe_until: Some(at),
            published: 1,
            ..SnapshotSummary::default()
        }
    }

    fn reason(lifecycle: Lifecycle, generation: u64, summary: &SnapshotSummary) -> Option<String> {
        let user = UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap();
        let health = health(user, lifecycle, generation, summary, NOW);
        assert_eq!(health.healthy, health.reason.is_none());
        health.reason
    }

    #[test]
    fn a_running_sandbox_is_saved_again_and_again_and_one_at_rest_once() {
        assert_eq!(reason(Running, 1, &saved(9)), None);
        assert!(reason(Running, 1, &saved(10)).unwrap().contains("10 minutes"));
        assert_eq!(reason(Sleeping, 1, &saved(100_000)), None);
        assert_eq!(reason(Stopped, 0, &SnapshotSummary::default()), None);
        assert!(
            reason(Stopped, 1, &SnapshotSummary::default())
                .unwrap()
                .contains("nothing was saved")
        );
        assert!(reason(Running, 1, &SnapshotSummary::default()).is_some());
    }

    #[test]
    fn an_error_counts_until_something_was_saved_after_it() {
        let failed = |minutes_ago: u64| SnapshotSummary {
            last_error: Some("no room".into()),
            last_error_at: Some(Millis(NOW.0 - minutes_ago * 60_000)),
            ..saved(3)
        };
        assert!(reason(Running, 1, &failed(1)).unwrap().contains("no room"));
        assert_eq!(reason(Running, 1, &failed(4)), None);
        let alert = SnapshotSummary {
            alerts: vec!["look at it".into()],
            ..saved(1)
        };
        assert_eq!(reason(Sleeping, 1, &alert).unwrap(), "look at it");
    }

    #[test]
    fn without_a_snapshot_there_is_no_format() {
        let user = UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap();
        let none = status(health(user, Stopped, 0, &SnapshotSummary::default(), NOW), None);
        assert_eq!(
            (none.backup_format.as_str(), none.has_backup, none.backup),
            ("none", false, None)
        );
        assert_eq!(mebibytes(1_572_864).to_string(), "1.5");
    }
}
