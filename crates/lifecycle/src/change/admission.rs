//! What becomes of a change that is asked for: one at a time, and nothing is thrown away that the caller did not give up.

use super::Change;
use super::course::Goal;
use super::kept;
use super::seen::Seen;
use molt_common::api::JobState;
use molt_common::api::lifecycle::{CHANGE_TIMEOUT_MAX_MS, CHANGE_TIMEOUT_MIN_MS};
use molt_common::id::ExecId;
use molt_common::job_id::JobId;
use molt_common::sandbox_change::{RestartScope, Wanted};
use molt_common::snapshot::SnapshotId;
use molt_common::time::Millis;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Last part of the job's id.
    pub id: ExecId,
    /// What.
    pub wanted: Wanted,
    /// The job that it is a part of.
    pub parent: Option<JobId>,
    /// It may be stopped although nothing can be saved.
    pub discard_disk: bool,
    /// Milliseconds until it has failed.
    pub timeout_ms: u64,
    /// The platform asks by itself.
    pub scheduled: bool,
}

/// What the object keeps of other changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before<'a> {
    /// The one with the same id.
    pub same: Option<&'a Change>,
    /// The one that has not ended.
    pub under_way: Option<&'a Change>,
}

/// How the sandbox stands to what is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Since when there is a disk that a stop would discard, because it cannot be saved.
    pub disk_since: Option<Millis>,
    /// Since when there is something on the disk that is in no published snapshot, as far as is known: a kill would discard it.
    pub unsaved_since: Option<Millis>,
    /// Disks of this sandbox are kept: in this deployment, and by the supervisor of the boot under way if there is one.
    pub kept: bool,
    /// The newest published snapshot.
    pub head: Option<SnapshotId>,
    /// Why the snapshot of a [`Wanted::Restore`] may not be restored, if it may not.
    pub not_restorable: Option<String>,
    /// Whether the newest start took the wanted tier or image. Does not matter to what is about neither.
    pub newest_is_wanted: bool,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is the one with the same id.
    Replay,
    /// The id was used for something else.
    Conflict,
    /// A field of it is wrong.
    Refused {
        /// Which.
        field: &'static str,
        /// Why.
        text: String,
    },
    /// The one under way has not ended.
    Busy,
    /// There is a disk that the caller did not give up.
    WouldDiscardDisk {
        /// Since when.
        since: Millis,
    },
    /// It is to be kept. The one under way ends ([`Change::cancel`]).
    Accepted(Box<Change>),
}

/// Decides. A tier or an image is to be set with the acceptance, so that whatever starts from then on takes it.
#[must_use]
pub fn admit(ask: &Ask, before: Before<'_>, seen: &Seen, standing: &Standing, now: Millis) -> Verdict {
    if let Some(same) = before.same {
        return if same.is_asked_by(ask) {
            Verdict::Replay
        } else {
            Verdict::Conflict
        };
    }
    if let Some((field, text)) = wrong(ask) {
        return Verdict::Refused { field, text };
    }
    let overrides = matches!(ask.wanted, Wanted::EmergencyReset | Wanted::Destroy);
    let other = before.under_way.filter(|other| !other.scheduled || ask.scheduled);
    if other.is_some() && !overrides {
        return Verdict::Busy;
    }
    if let Some((field, text)) = kept::unfounded(&ask.wanted, seen, standing) {
        return Verdict::Refused { field, text };
    }
    let goal = goal(&ask.wanted, seen, standing);
    let discards = goal.is_some() && ask.wanted.discards_disk() && !ask.discard_disk;
    let lost_since = match ask.wanted {
        Wanted::EmergencyReset => standing.disk_since.or(standing.unsaved_since),
        _ => standing.disk_since,
    };
    if let Some(since) = lost_since.filter(|_| discards) {
        return Verdict::WouldDiscardDisk { since };
    }
    let snapshot = kept::subject(&ask.wanted, standing);
    let mut change = Change {
        id: ask.id.clone(),
        wanted: ask.wanted.clone(),
        parent: ask.parent.clone(),
        state: JobState::Queued,
        error: None,
        found: seen.lifecycle,
        generation_before: seen.generation,
        generation: seen.generation,
        created_at: now,
        started_at: None,
        completed_at: None,
        timeout_ms: ask.timeout_ms,
        outcome: None,
        scheduled: ask.scheduled,
        snapshot,
        discard_disk: ask.discard_disk,
        goal: goal.unwrap_or(Goal::Gone { generation: 0 }),
        cleared: false,
        asking: super::agent::Asking::default(),
    };
    if goal.is_none() {
        change.outcome = kept::at_once(&change);
        change.end(JobState::Succeeded, None, now);
    }
    Verdict::Accepted(Box::new(change))
}

fn wrong(ask: &Ask) -> Option<(&'static str, String)> {
    match &ask.wanted {
        Wanted::Tier { tier } if !(1..=3).contains(tier) => Some(("tier", "must be 1, 2 or 3".into())),
        Wanted::Image { image: Some(image) } if image.name.is_empty() => Some(("image", "must name an image".into())),
        _ if !(CHANGE_TIMEOUT_MIN_MS..=CHANGE_TIMEOUT_MAX_MS).contains(&ask.timeout_ms) => Some((
            "timeoutMs",
            format!("must be between {CHANGE_TIMEOUT_MIN_MS} and {CHANGE_TIMEOUT_MAX_MS}"),
        )),
        _ => None,
    }
}

/// What is to be reached; `None` when it is so already, as soon as the choice is kept.
fn goal(wanted: &Wanted, seen: &Seen, standing: &Standing) -> Option<Goal> {
    let generation = seen.generation;
    let up = || Some(Goal::Up { above: generation });
    match wanted {
        // What is on its way up or there will do, if it turns out to be ready.
        Wanted::Wake if seen.is_up() => Some(Goal::Up {
            above: generation.saturating_sub(1),
        }),
        Wanted::Restart {
            scope: RestartScope::Agent,
        } if seen.is_up() => Some(Goal::Agent { generation }),
        Wanted::Wake | Wanted::Restart { .. } | Wanted::EmergencyReset => up(),
        Wanted::Destroy => Some(Goal::Gone { generation }),
        // Also one that was set and has not taken effect, because its change ended early, is brought to its end.
        Wanted::Tier { .. } | Wanted::Image { .. } if seen.is_up() && !standing.newest_is_wanted => up(),
        Wanted::Tier { .. } | Wanted::Image { .. } => None,
        // What is at rest has changed nothing since it was saved, and takes a choice at its next start.
        Wanted::Save if seen.is_up() => Some(Goal::Saved { generation }),
        Wanted::Restore { .. } if seen.is_up() => up(),
        Wanted::Upkeep { .. } => Some(Goal::Upkept { generation }),
        Wanted::Save | Wanted::Restore { .. } => None,
    }
}

impl Change {
    /// Whether it is what is asked for, once more.
    fn is_asked_by(&self, ask: &Ask) -> bool {
        self.wanted == ask.wanted && self.parent == ask.parent && self.timeout_ms == ask.timeout_ms
    }
}
