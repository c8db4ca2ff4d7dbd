//! The beginning of a boot: what the disk is to hold is said, and then it does.

use std::time::Duration;

use molt_common::control::snapshot::{RepositoryAccess, RestoreStage};
use molt_common::snapshot::SnapshotId;
use molt_common::time::Millis;
use molt_snapshots::order::{Outcome, Work};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::changes::CLOCK_TICK_MS;
use super::child::{self, Failure};
use super::state::Beginning;
use super::{Persistence, stopped};
use crate::agent::Disk;
use crate::backoff::Backoff;
use crate::clock::now_ms;

/// First pause after an attempt that failed, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

impl Persistence {
    /// Waits for the word and restores. Whether the disk holds what it should; it does not when the sandbox stops first, or it cannot be restored.
    pub(super) async fn begin_boot(&self, stop: &watch::Receiver<bool>) -> bool {
        if self.state.borrow().is_restored() {
            tracing::info!("the disk was restored by an earlier serve; saves wait for access to the repository");
            return true;
        }
        let mut states = self.state.subscribe();
        let told = tokio::select! {
            told = states.wait_for(|state| state.told().is_some()) => told.ok().and_then(|state| state.told()),
            _ = stopped(stop.clone()) => None,
        };
        let Some(beginning) = told else { return false };
        let held = match beginning {
            Beginning::Snapshot(snapshot) => self.restore_snapshot(snapshot, stop).await.map(|()| Some(snapshot)),
            Beginning::Kept(plan) => self.import(plan, stop).await.map(Some),
            Beginning::Empty => Ok(None),
        };
        let outcome = match held {
            Ok(held) => self.opened(held).await,
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(()) => true,
            Err(_) if *stop.borrow() => false,
            Err(failure) => {
                tracing::error!(%failure, "the disk could not be restored; the agent is not started");
                let cause = format!("the disk could not be restored: {failure}");
                self.change(|state| {
                    state.restore.stage = Some(RestoreStage::Failed);
                    state.restore.error = Some(failure.error);
                });
                self.disk.send_replace(Disk::Failed(cause));
                false
            }
        }
    }

    /// The disk holds what it should: that is noted, and the agent may start.
    async fn opened(&self, restored: Option<SnapshotId>) -> Result<(), Failure> {
        // So that the first write after it shows.
        sleep(Duration::from_millis(CLOCK_TICK_MS)).await;
        let look = match restored {
            Some(_) => Some(self.look().await.map_err(Failure::passing)?),
            None => None,
        };
        let mark = self.change(|state| {
            if restored.is_some() {
                state.mark.safe_until = Some(Millis(now_ms()));
            }
            // An older point is another state than the newest: it becomes the newest with the first save.
            let is_head = restored.is_some() && restored == state.mark.head;
            state.baseline = look.filter(|_| is_head);
            state.changed = !is_head;
            state.mark.restored = restored;
            state.mark.clone()
        });
        self.marks
            .write(&mark)
            .map_err(|error| Failure::lasting(format!("it cannot be noted: {error}")))?;
        self.change(|state| state.restore.stage = Some(RestoreStage::Done));
        self.disk.send_replace(Disk::Ready);
        Ok(())
    }

    async fn restore_snapshot(&self, snapshot: SnapshotId, stop: &watch::Receiver<bool>) -> Result<(), Failure> {
        let begun = Instant::now();
        let work = Work::Restore { snapshot };
        match self.until_laid(&work, begun + self.restore_limit(), stop).await? {
            Outcome::Restored { files, bytes } => {
                self.change(|state| {
                    state.restore.bytes = bytes;
                    state.restore.total_bytes = Some(bytes);
                });
                let took_ms = begun.elapsed().as_millis();
                tracing::info!(%snapshot, files, bytes, took_ms, "the disk is restored");
                Ok(())
            }
            _ => Err(Failure::lasting("its process did something else")),
        }
    }

    /// Has `work` lay what the disk is to hold, again and again while what fails may pass.
    pub(super) async fn until_laid(
        &self,
        work: &Work,
        deadline: Instant,
        stop: &watch::Receiver<bool>,
    ) -> Result<Outcome, Failure> {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        loop {
            let Some(access) = self.state.borrow().access.clone() else {
                return Err(Failure::lasting("there is no access to the repository"));
            };
            let failure = match self.attempt(work.clone(), access, deadline, stop).await {
                Ok(outcome) => return Ok(outcome),
                Err(failure) => failure,
            };
            if !failure.transient {
                self.marks.forget_attempt();
            }
            let pause = backoff.after_failure(Duration::ZERO);
            if !failure.transient || *stop.borrow() || Instant::now() + pause >= deadline {
                return Err(failure);
            }
            tracing::warn!(%failure, pause_ms = pause.as_millis(), "it is tried again");
            tokio::select! {
                () = sleep(pause) => {}
                _ = stopped(stop.clone()) => return Err(failure),
            }
        }
    }

    async fn attempt(
        &self,
        work: Work,
        access: RepositoryAccess,
        deadline: Instant,
        stop: &watch::Receiver<bool>,
    ) -> Result<Outcome, Failure> {
        self.change(|state| {
            state.restore.stage = Some(RestoreStage::Running);
            state.restore.bytes = 0;
        });
        self.marks
            .begin_attempt(&self.settings.layout.home)
            .map_err(|error| Failure::passing(format!("the home cannot be emptied: {error}")))?;
        let order = self.order(access, work);
        let program = self.settings.layout.snapshot_program.as_deref();
        let cut = stopped(stop.clone());
        child::carry_out(program, &order, deadline, cut, |progress| {
            self.change(|state| {
                state.restore.bytes = progress.bytes;
                state.restore.total_bytes = progress.total_bytes.or(state.restore.total_bytes);
            });
        })
        .await
    }
}
