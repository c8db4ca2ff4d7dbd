//! What the supervisor tells of saving.

use super::{Failure, Keeping};
use molt_common::control::snapshot::{RestoreStage, SaveStage, SnapshotStatus};
use molt_common::snapshot::SaveReason;
use molt_common::time::Millis;

impl Keeping {
    /// The supervisor of this generation said so; the question was put at `asked`.
    pub fn told(&mut self, generation: u64, status: &SnapshotStatus, asked: Millis) {
        if self
            .branch
            .as_ref()
            .is_none_or(|branch| branch.generation != generation)
        {
            return;
        }
        if status.restore != RestoreStage::Done {
            return;
        }
        self.restored(generation, asked);
        self.changed = status.changed;
        self.safe_until = self.safe_until.max(status.safe_until);
        let Some(save) = &status.save else { return };
        match save.stage {
            SaveStage::Done => {
                self.failure = None;
                if save.reason == SaveReason::Stop {
                    // Also where nothing had changed, so that nothing was published.
                    self.all_saved(generation);
                }
            }
            SaveStage::Failed => {
                let error = save.error.clone().unwrap_or_else(|| "It was not said why.".into());
                // The same failure seen again is not a newer one.
                if self.failure.as_ref().is_none_or(|failure| failure.error != error) {
                    self.failure = Some(Failure { at: asked, error });
                }
            }
            SaveStage::Reading | SaveStage::Checking | SaveStage::Publishing => {}
        }
    }
}
