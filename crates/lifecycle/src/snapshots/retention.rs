//! Which entries of the list stay: every one of the last hour, then one an hour, a day and a week.

use super::List;
use molt_common::snapshot::{ListedSnapshot, SnapshotId, Standing};
use molt_common::time::Millis;
use std::collections::BTreeSet;

const HOUR_MS: u64 = 60 * 60_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const WEEK_MS: u64 = 7 * DAY_MS;
/// The epoch began on a Thursday; weeks begin on Mondays.
const TO_MONDAY_MS: u64 = 3 * DAY_MS;

/// How many stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Every one that is younger than this many milliseconds, ...
    pub recent_ms: u64,
    /// ... but at most so many: a sandbox decides by itself how often it saves.
    pub recent_most: usize,
    /// The same of those that are kept apart.
    pub recent_quarantined: usize,
    /// The newest of each of so many hours that have one.
    pub hourly: usize,
    /// The same of days.
    pub daily: usize,
    /// The same of weeks.
    pub weekly: usize,
    /// Of those that are kept apart, the newest of each of so many hours: each waits for somebody's decision, and a sandbox that goes on saving
    /// an emptied disk makes one every few minutes.
    pub quarantined: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            recent_ms: HOUR_MS,
            recent_most: 60,
            recent_quarantined: 12,
            hourly: 24,
            daily: 7,
            weekly: 4,
            quarantined: 48,
        }
    }
}

/// The names of those that stay, besides pinned and `protected` ones, at `now`. By when they were published: a sandbox's own clock says nothing here.
#[must_use]
pub fn kept(
    snapshots: &[ListedSnapshot],
    protected: &[SnapshotId],
    policy: Policy,
    now: Millis,
) -> BTreeSet<SnapshotId> {
    let mut newest_first: Vec<&ListedSnapshot> = snapshots.iter().collect();
    newest_first.sort_by_key(|one| std::cmp::Reverse((one.published_at, one.sequence)));
    let of = |standing| -> Vec<&ListedSnapshot> {
        let all = newest_first.iter().copied();
        all.filter(|one| one.standing == standing).collect()
    };
    let (published, apart) = (of(Standing::Published), of(Standing::Quarantined));
    let recent = |all: &[&ListedSnapshot], most: usize| -> Vec<SnapshotId> {
        let young = all.iter().filter(|one| now.since(one.published_at) < policy.recent_ms);
        young.take(most).map(|one| one.id).collect()
    };
    let always = snapshots
        .iter()
        .filter(|one| one.pinned || protected.contains(&one.id))
        .map(|one| one.id);
    let mut kept: BTreeSet<SnapshotId> = always.collect();
    kept.extend(recent(&published, policy.recent_most));
    kept.extend(recent(&apart, policy.recent_quarantined));
    kept.extend(newest_of_each(&published, policy.hourly, |at| at.0 / HOUR_MS));
    kept.extend(newest_of_each(&published, policy.daily, |at| at.0 / DAY_MS));
    kept.extend(newest_of_each(&published, policy.weekly, |at| {
        at.plus(TO_MONDAY_MS).0 / WEEK_MS
    }));
    kept.extend(newest_of_each(&apart, policy.quarantined, |at| at.0 / HOUR_MS));
    kept
}

fn newest_of_each(newest_first: &[&ListedSnapshot], most: usize, span: impl Fn(Millis) -> u64) -> Vec<SnapshotId> {
    let mut kept = Vec::new();
    let mut last = None;
    for one in newest_first {
        let this = span(one.published_at);
        if last == Some(this) {
            continue;
        }
        if kept.len() == most {
            break;
        }
        last = Some(this);
        kept.push(one.id);
    }
    kept
}

impl List {
    /// Takes off the list what does not stay, and counts again.
    pub fn retain(&mut self, policy: Policy, now: Millis) {
        let kept = kept(&self.snapshots, &self.protected(), policy, now);
        self.added(0);
        let before = self.snapshots.len();
        self.snapshots.retain(|one| kept.contains(&one.id));
        self.forgot(before - self.snapshots.len(), now);
        self.count();
    }

    /// So many entries went.
    pub(super) fn forgot(&mut self, entries: usize, now: Millis) {
        if entries > 0 {
            self.keeping.forgotten = self.keeping.forgotten.saturating_add(entries as u64);
            self.keeping.forgotten_at.get_or_insert(now);
        }
    }
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
