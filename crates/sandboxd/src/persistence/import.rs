//! The first boot of a user who comes from the old system: what that kept of him is laid, verified, saved and published before the agent starts.

use std::time::Duration;

use molt_common::control::snapshot::SaveStage;
use molt_common::legacy_data::ImportPlan;
use molt_common::snapshot::{SaveReason, SnapshotId};
use molt_common::time::Millis;
use molt_snapshots::order::{Outcome, Work};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::child::Failure;
use super::state::Imported;
use super::{Persistence, stopped};
use crate::backoff::Backoff;
use crate::clock::now_ms;

/// Name of the save that makes it count.
const ID: &str = "import";
/// First pause after a save that failed, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

impl Persistence {
    /// Takes over what was kept, and has it counted. The snapshot that it is from then on.
    pub(super) async fn import(&self, plan: ImportPlan, stop: &watch::Receiver<bool>) -> Result<SnapshotId, Failure> {
        let begun = Instant::now();
        let deadline = begun + self.restore_limit();
        let Outcome::Imported { report } = self.until_laid(&Work::Import { plan }, deadline, stop).await? else {
            return Err(Failure::lasting("its process did something else"));
        };
        tracing::info!(
            source = report.source,
            files = report.files,
            bytes = report.bytes,
            refused = report.refused_count,
            passed_over = report.passed_over.len(),
            took_ms = begun.elapsed().as_millis(),
            "what was kept by the old system is on the disk"
        );
        self.change(|state| {
            let laid_bytes = state.restore.bytes;
            state.restore.import = Some(Imported { report, laid_bytes });
            // How much the save reads is not known beforehand.
            state.restore.total_bytes = None;
            state.open_save(ID, SaveReason::Import, Millis(now_ms()));
        });
        let saved = self.until_published(deadline, stop).await;
        self.change(|state| state.restore.import = None);
        saved
    }

    async fn until_published(&self, deadline: Instant, stop: &watch::Receiver<bool>) -> Result<SnapshotId, Failure> {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        loop {
            let cut = stopped(stop.clone());
            let failure = match self.save_disk(ID, SaveReason::Import, deadline, cut).await {
                Ok(saved) => {
                    let snapshot = saved.snapshot;
                    self.change(|state| state.update_save(ID, |view| saved.show(view)));
                    return Ok(snapshot);
                }
                Err(failure) => failure,
            };
            let pause = backoff.after_failure(Duration::ZERO);
            if !failure.again || *stop.borrow() || Instant::now() + pause >= deadline {
                let error = format!("what was kept by the old system could not be saved: {}", failure.error);
                self.change(|state| state.update_save(ID, |view| failure.show(view)));
                return Err(Failure::lasting(error));
            }
            tracing::warn!(%failure, pause_ms = pause.as_millis(), "the save is tried again");
            self.change(|state| state.update_save(ID, |view| view.stage = SaveStage::Reading));
            tokio::select! {
                () = sleep(pause) => {}
                _ = stopped(stop.clone()) => {}
            }
        }
    }
}
