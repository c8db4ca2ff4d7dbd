//! Changes that have to do with snapshots: when they are asked for, and what came of them.

use super::Change;
use super::admission::Standing;
use super::course::Course;
use super::seen::Seen;
use molt_common::api::JobState;
use molt_common::control::snapshot::{SaveStage, SaveView, UpkeepView};
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::{ChangeOutcome, Wanted, WantedUpkeep};
use molt_common::snapshot::SnapshotId;
use molt_common::time::Millis;

/// Why a change about snapshots has nothing that it could be about.
pub(super) fn unfounded(wanted: &Wanted, seen: &Seen, standing: &Standing) -> Option<(&'static str, String)> {
    let about = matches!(wanted, Wanted::Save | Wanted::Restore { .. } | Wanted::Upkeep { .. });
    if !about {
        return None;
    }
    if !standing.kept {
        let text = "is not there: this sandbox has no repository for snapshots, or its supervisor takes none";
        return Some(("change", text.into()));
    }
    match wanted {
        Wanted::Save if !seen.is_up() && standing.head.is_none() => Some((
            "change",
            "has nothing to save: the sandbox is at rest, and was never saved".into(),
        )),
        Wanted::Restore { .. } => standing.not_restorable.clone().map(|why| ("snapshot", why)),
        Wanted::Upkeep { .. } if !seen.is_up() => Some((
            "change",
            "is done in a running sandbox, and this one is at rest: wake it first".into(),
        )),
        Wanted::Upkeep { work } => {
            let missing = subject(wanted, standing).is_none() && *work != WantedUpkeep::Prune;
            let named = !missing && standing.not_restorable.is_some();
            if missing {
                return Some(("snapshot", "is missing: the sandbox was never saved".into()));
            }
            named.then(|| ("snapshot", standing.not_restorable.clone().unwrap_or_default()))
        }
        _ => None,
    }
}

/// The snapshot that it is about.
pub(super) const fn subject(wanted: &Wanted, standing: &Standing) -> Option<SnapshotId> {
    match wanted {
        Wanted::Save => standing.head,
        Wanted::Restore { snapshot } => Some(*snapshot),
        Wanted::Upkeep { work } => match work {
            WantedUpkeep::Verify { snapshot: None, .. } => standing.head,
            WantedUpkeep::Verify { snapshot, .. } => *snapshot,
            WantedUpkeep::Prune => None,
            WantedUpkeep::Compare { snapshot } | WantedUpkeep::RestorePath { snapshot, .. } => Some(*snapshot),
        },
        _ => None,
    }
}

/// What came of one that had nothing to do.
pub(super) fn at_once(change: &Change) -> Option<ChangeOutcome> {
    let about = matches!(change.wanted, Wanted::Save | Wanted::Restore { .. });
    about.then(|| ChangeOutcome {
        snapshot: change.snapshot,
        ..ChangeOutcome::default()
    })
}

impl Change {
    /// A stop that it asked for did not happen.
    pub(super) fn not_stopped(&self, seen: &Seen) -> Option<(Course, Option<ChangeOutcome>)> {
        let refused = seen.stop_refused.as_ref()?;
        let ours = self.cleared && refused.at >= self.started_at.unwrap_or(self.created_at);
        if !ours || !seen.is_up() || seen.generation > self.generation_before {
            return None;
        }
        let text = format!("Its disk could not be saved, so it was not stopped: {}", refused.text());
        let outcome = ChangeOutcome {
            snapshot: refused.kept_apart,
            stop_refused: Some(refused.code()),
            ..ChangeOutcome::default()
        };
        Some((Course::End(JobState::Failed, Some(text)), Some(outcome)))
    }

    /// A newer generation is ready; with a restore it must have begun with what was chosen.
    pub(super) fn came_up(&self, seen: &Seen) -> Course {
        match self.wanted {
            Wanted::Restore { snapshot } if seen.restored != Some(snapshot) => {
                let text = "The sandbox was started with another snapshot than this one.";
                Course::End(JobState::Failed, Some(text.into()))
            }
            _ => Course::End(JobState::Succeeded, None),
        }
    }

    pub(super) fn saved(&self, generation: u64, seen: &Seen, now: Millis) -> (Course, Option<ChangeOutcome>) {
        if let Some(over) = self.generation_over(generation, seen) {
            return (over, None);
        }
        let told = seen.told(self.created_at);
        let save = told.and_then(|told| told.save.as_ref());
        match save.filter(|save| save.id == self.id.as_str()) {
            Some(save) if save.stage == SaveStage::Done => {
                (Course::End(JobState::Succeeded, None), Some(outcome_of_save(save)))
            }
            Some(save) if save.stage == SaveStage::Failed => {
                let why = save.error.clone().unwrap_or_else(|| "it was not said why".into());
                let text = format!("No snapshot was published: {why}");
                (Course::End(JobState::Failed, Some(text)), None)
            }
            Some(_) => (Course::Wait(now), None),
            None => (self.asks(seen, now, Course::Save), None),
        }
    }

    pub(super) fn upkept(&self, generation: u64, seen: &Seen, now: Millis) -> (Course, Option<ChangeOutcome>) {
        if let Some(over) = self.generation_over(generation, seen) {
            return (over, None);
        }
        let told = seen.told(self.created_at);
        let upkeep = told.and_then(|told| told.upkeep.as_ref());
        match upkeep.filter(|upkeep| upkeep.id == self.id.as_str()) {
            Some(upkeep) if upkeep.done => self.upkeep_ended(upkeep),
            Some(_) => (Course::Wait(now), None),
            None => (self.asks(seen, now, Course::Upkeep), None),
        }
    }

    fn upkeep_ended(&self, upkeep: &UpkeepView) -> (Course, Option<ChangeOutcome>) {
        let outcome = ChangeOutcome {
            snapshot: self.snapshot,
            added_bytes: 0,
            verification: upkeep.verification.clone(),
            removed_bytes: upkeep.removed_bytes,
            differences: upkeep.differences.clone(),
            difference_count: upkeep.difference_count,
            restored_paths: upkeep.restored_paths,
            stop_refused: None,
        };
        let faulty = upkeep.verification.as_ref().filter(|verification| !verification.ok);
        let error = match (&upkeep.error, faulty) {
            (Some(error), _) => Some(error.clone()),
            (None, Some(faulty)) => {
                let first = faulty.faults.first().map_or("it was not said which", String::as_str);
                Some(format!("The verification found faults: {first}"))
            }
            (None, None) => None,
        };
        let state = if error.is_some() {
            JobState::Failed
        } else {
            JobState::Succeeded
        };
        (Course::End(state, error), Some(outcome))
    }

    fn asks(&self, seen: &Seen, now: Millis, course: Course) -> Course {
        // Its supervisor takes nothing before the disk holds what it should.
        if seen.lifecycle != Lifecycle::Running || seen.told(self.created_at).is_none() || self.asking.next(now) > now {
            return Course::Wait(now);
        }
        course
    }

    fn generation_over(&self, generation: u64, seen: &Seen) -> Option<Course> {
        let over = seen.generation > generation || seen.is_at_rest();
        let text = "The sandbox ended before this was done.";
        over.then(|| Course::End(JobState::Failed, Some(seen.why(text))))
    }
}

fn outcome_of_save(save: &SaveView) -> ChangeOutcome {
    ChangeOutcome {
        snapshot: save.snapshot,
        added_bytes: save.manifest.as_ref().map_or(0, |manifest| manifest.added_bytes),
        ..ChangeOutcome::default()
    }
}
