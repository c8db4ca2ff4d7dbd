//! Counting: one row per user becomes figures. Without I/O or clock.

use molt_common::disk_view::StopRefusal;
use molt_common::sandbox_call::Lifecycle;
use molt_common::time::Millis;
use std::collections::BTreeMap;

/// What is counted of one user and his sandbox, as it last announced itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxRow {
    /// `active` or `suspended`.
    pub status: String,
    /// Where the sandbox stands; one that never started is stopped.
    pub lifecycle: Lifecycle,
    /// When its container was asked last.
    pub observed_at: Option<Millis>,
    /// When the newest snapshot that counts was taken.
    pub last_snapshot_at: Option<Millis>,
    /// Everything on the disk until then is in a snapshot that counts.
    pub safe_until: Option<Millis>,
    /// Since when it stands where it stands.
    pub since: Millis,
    /// Something may have changed since it was safe.
    pub changed: bool,
    /// Its disk is saved and restored.
    pub kept: bool,
    /// Snapshots that wait for a decision.
    pub quarantined: u64,
    /// Its newest save failed.
    pub save_failed: bool,
    /// Its newest verification found faults.
    pub faults_found: bool,
    /// A stop of it did not happen, and why.
    pub stop_refused: Option<StopRefusal>,
    /// It ended other than in order, and something may be lost.
    pub lost: bool,
    /// Somebody should look at it, whatever for.
    pub alerted: bool,
}

/// Figures of all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// Users by status.
    pub users: BTreeMap<String, u64>,
    /// Sandboxes by where they stand.
    pub sandboxes: BTreeMap<&'static str, u64>,
    /// Jobs by kind and state.
    pub jobs: BTreeMap<(String, String), u64>,
    /// Seconds since the newest snapshot that counts was taken, of each user who has one.
    pub snapshot_age: Vec<f64>,
    /// Seconds for which something that changed has been in no snapshot, of each running sandbox whose disk is kept and changes.
    pub unsaved: Vec<f64>,
    /// Seconds since a running sandbox was asked last, the longest.
    pub unobserved: f64,
    /// Snapshots that wait for a decision.
    pub quarantined: u64,
    /// Sandboxes that have one.
    pub with_quarantined: u64,
    /// Sandboxes whose newest save failed.
    pub save_failed: u64,
    /// Sandboxes whose newest verification found faults.
    pub faults_found: u64,
    /// Sandboxes of which a stop did not happen, by code.
    pub stop_refused: BTreeMap<&'static str, u64>,
    /// Sandboxes whose last unexpected end may have cost something.
    pub lost: u64,
    /// Sandboxes that somebody should look at.
    pub alerted: u64,
}

/// A stop's refusals, as labels.
pub const REFUSALS: [(StopRefusal, &str); 2] = [
    (StopRefusal::NotSaved, "not_saved"),
    (StopRefusal::SnapshotKeptApart, "snapshot_kept_apart"),
];

impl Fleet {
    /// Of nobody. What is never counted is still told, as 0: a monitor cannot tell a figure that is missing from one that is well.
    #[must_use]
    pub fn new() -> Self {
        let words = ["active", "suspended"].map(|word| (word.to_owned(), 0));
        Self {
            users: words.into(),
            sandboxes: Lifecycle::ALL.map(|one| (one.word(), 0)).into(),
            stop_refused: REFUSALS.map(|(_, word)| (word, 0)).into(),
            ..Self::default()
        }
    }

    /// Counts one more.
    pub fn add(&mut self, row: &SandboxRow, now: Millis) {
        *self.users.entry(row.status.clone()).or_default() += 1;
        *self.sandboxes.entry(row.lifecycle.word()).or_default() += 1;
        if let Some(at) = row.last_snapshot_at {
            self.snapshot_age.push(seconds(now.since(at)));
        }
        let running = row.lifecycle == Lifecycle::Running;
        if running && row.kept && row.changed {
            let safe = row.safe_until.unwrap_or(row.since);
            self.unsaved.push(seconds(now.since(safe)));
        }
        if running && let Some(at) = row.observed_at {
            self.unobserved = self.unobserved.max(seconds(now.since(at)));
        }
        self.quarantined = self.quarantined.saturating_add(row.quarantined);
        self.with_quarantined += u64::from(row.quarantined > 0);
        self.save_failed += u64::from(row.save_failed);
        self.faults_found += u64::from(row.faults_found);
        self.lost += u64::from(row.lost);
        self.alerted += u64::from(row.alerted);
        let refused = REFUSALS.iter().find(|(code, _)| row.stop_refused == Some(*code));
        if let Some((_, word)) = refused {
            *self.stop_refused.entry(word).or_default() += 1;
        }
    }
}

#[allow(clippy::cast_precision_loss)] // Ages of this era.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
