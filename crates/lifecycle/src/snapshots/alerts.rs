//! What somebody should look at.

use super::Keeping;
use molt_common::time::Millis;

/// A running sandbox that changed and was not saved for so many intervals is late: one may be slow, and one may fail.
pub const LATE_INTERVALS: u64 = 3;

/// How the sandbox stands besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// Since when its agent has admitted traffic; `None` when it does not.
    pub running_since: Option<Millis>,
    /// Milliseconds between two snapshots.
    pub interval_ms: u64,
    /// This deployment keeps disks.
    pub kept: bool,
}

impl Keeping {
    /// In words, the most pressing first; empty when all is well.
    #[must_use]
    pub fn alerts(&self, now: Millis, circumstances: Circumstances) -> Vec<String> {
        let mut alerts = Vec::new();
        if let Some(late) = self.late(now, circumstances) {
            alerts.push(late);
        }
        if let Some(failure) = &self.failure {
            alerts.push(format!("Saving failed at {}: {}", failure.at.iso(), failure.error));
        }
        if self.quarantined > 0 {
            alerts.push(format!(
                "{} of its snapshots are kept apart, because they are much smaller than the ones before them: release or delete them.",
                self.quarantined
            ));
        }
        if let Some(checked) = self.verified.filter(|checked| !checked.ok) {
            alerts.push(format!("The verification at {} found faults.", checked.at.iso()));
        }
        alerts
    }

    fn late(&self, now: Millis, circumstances: Circumstances) -> Option<String> {
        let since = circumstances
            .running_since
            .filter(|_| circumstances.kept && self.changed)?;
        let safe = self.safe_until.unwrap_or(since);
        let late = now.since(safe) > circumstances.interval_ms.saturating_mul(LATE_INTERVALS);
        late.then(|| format!("What changed since {} is in no snapshot.", safe.iso()))
    }
}
