//! What a boot that ended other than in order may have cost.

use super::Keeping;
use molt_common::time::Millis;
use serde::{Deserialize, Serialize};

/// An end, and what may be gone with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Loss {
    /// Generation that ended.
    pub generation: u64,
    /// When its end was noticed.
    pub at: Millis,
    /// Everything until then is kept; `None` when nothing of it is.
    pub safe_until: Option<Millis>,
}

impl Loss {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        match self.safe_until {
            Some(safe) => format!(
                "The sandbox ended unexpectedly at {}. At most what changed after {} is lost.",
                self.at.iso(),
                safe.iso()
            ),
            None => format!(
                "The sandbox ended unexpectedly at {} before it was saved: what changed since its start is lost.",
                self.at.iso()
            ),
        }
    }
}

impl Keeping {
    /// The platform of before is gone, and with it whatever boot there was: nobody saw how that ended.
    pub fn platform_gone(&mut self, now: Millis) {
        let Some(generation) = self.branch.as_ref().map(|branch| branch.generation) else {
            return;
        };
        // What is known of an end already stays known.
        if self.loss.as_ref().is_none_or(|loss| loss.generation != generation) {
            self.ended(generation, now);
        }
    }

    /// This generation has saved what was left when its agent had ended.
    pub(super) fn all_saved(&mut self, generation: u64) {
        if let Some(branch) = self.branch.as_mut().filter(|branch| branch.generation == generation) {
            branch.saved_all = true;
            self.changed = false;
        }
    }

    /// This generation ended, in whatever way: an orderly stop may have failed to save as well. Nothing is lost where it was seen that all is saved, or
    /// where its disk never held anything. That it had not changed is known of the last look at it only, so it is said all the same until when it was
    /// safe.
    pub fn ended(&mut self, generation: u64, now: Millis) {
        let Some(branch) = self.branch.as_ref().filter(|branch| branch.generation == generation) else {
            return;
        };
        if branch.restored_at.is_none() || branch.saved_all {
            return;
        }
        self.loss = Some(Loss {
            generation,
            at: now,
            safe_until: self
                .safe_until
                .or(branch.restored_at.filter(|_| branch.restore.is_some())),
        });
        self.changed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::{Keeping, Millis};
    use molt_common::control::snapshot::{SaveStage, SaveView, SnapshotStatus};
    use molt_common::snapshot::SaveReason;

    #[test]
    fn a_platform_that_is_gone_took_what_was_not_saved() {
        let mut keeping = Keeping::default();
        keeping.platform_gone(Millis(9));
        assert_eq!(keeping.loss, None, "nobody ever began");
        keeping.begin(7);
        keeping.restored(7, Millis(3));
        keeping.safe_until = Some(Millis(5));
        let mut in_order = keeping.clone();
        in_order.all_saved(7);
        in_order.platform_gone(Millis(9));
        assert_eq!(in_order.loss, None, "all of it was saved");
        keeping.platform_gone(Millis(9));
        let loss = keeping.loss.clone();
        assert_eq!(
            loss.as_ref().map(|loss| (loss.generation, loss.at, loss.safe_until)),
            Some((7, Millis(9), Some(Millis(5))))
        );
        keeping.platform_gone(Millis(10));
        assert_eq!(keeping.loss, loss, "what is known of an end stays known");
    }

    fn told(stage: SaveStage, reason: SaveReason) -> SnapshotStatus {
        SnapshotStatus {
            safe_until: Some(Millis(5)),
            save: Some(SaveView {
                stage,
                ..SaveView::begun("s", reason, Millis(4))
            }),
            ..fixtures::status()
        }
    }

    #[test]
    fn an_end_is_in_order_when_its_last_save_was_seen_to_be_done() {
        let seen = [
            (Some((SaveStage::Done, SaveReason::Stop)), true),
            (Some((SaveStage::Failed, SaveReason::Stop)), false),
            (Some((SaveStage::Publishing, SaveReason::Stop)), false),
            // What was written between that and the end is in none.
            (Some((SaveStage::Done, SaveReason::BeforeStop)), false),
            (Some((SaveStage::Done, SaveReason::Interval)), false),
            (None, false),
        ];
        for (last, in_order) in seen {
            let mut keeping = Keeping::default();
            keeping.begin(7);
            keeping.restored(7, Millis(3));
            if let Some((stage, reason)) = last {
                keeping.told(7, &told(stage, reason), Millis(6));
            }
            keeping.ended(7, Millis(9));
            assert_eq!(keeping.loss.is_none(), in_order, "{last:?}");
        }
        let mut nothing_kept = Keeping::default();
        nothing_kept.ended(7, Millis(9));
        assert_eq!(nothing_kept.loss, None);
    }
}
