//! One work of upkeep.

use std::io;

use molt_common::control::snapshot::{Upkeep, UpkeepNow, UpkeepView};
use molt_common::snapshot::SnapshotId;
use molt_snapshots::order::{Outcome, Work};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::child::{self, Failure};
use super::keeper::Timer;
use super::{Persistence, stopped};

/// Why it ended before it was done.
const GAVE_WAY: &str = "it gave way to a save; it can be asked for again";

impl Persistence {
    /// Does it, or is cut off: interrupted anywhere it harms nothing. A stop does not wait for it, nor the save before one; a save that is due waits for a
    /// while. Whether it gave way to one that is due.
    pub(super) async fn keep_up(&self, upkeep: UpkeepNow, timer: &mut Timer, stop: &watch::Receiver<bool>) -> bool {
        let UpkeepNow {
            id,
            mut work,
            repository,
        } = upkeep;
        if let Upkeep::Prune { keep } = &mut work
            && let Err(error) = self.keep_written(keep)
        {
            let failure = Failure::passing(format!("what stays cannot be noted, so nothing was removed: {error}"));
            tracing::warn!(id, %failure, "upkeep has failed");
            self.change(|state| state.update_upkeep(&id, |view| show(Err(failure), view)));
            return false;
        }
        let yields = yields(&work);
        let order = self.order(repository, Work::Upkeep { upkeep: work });
        let program = self.settings.layout.snapshot_program.as_deref();
        let deadline = Instant::now() + self.save_limit();
        let mut states = self.state.subscribe();
        let mut gave_way = false;
        let cut = async {
            tokio::select! {
                why = stopped(stop.clone()) => why,
                _ = states.wait_for(|state| state.stop_waits()) => GAVE_WAY,
                () = self.held_back(timer), if yields => {
                    gave_way = true;
                    GAVE_WAY
                }
            }
        };
        let outcome = child::carry_out(program, &order, deadline, cut, |_| ()).await;
        if let Err(failure) = &outcome {
            tracing::warn!(id, %failure, "upkeep has failed");
        }
        self.change(|state| state.update_upkeep(&id, |view| show(outcome, view)));
        gave_way
    }

    /// Adds what a prune leaves besides what its list names. That is noted first: a later serve that still counted on what is removed now could not prune.
    fn keep_written(&self, keep: &mut Vec<SnapshotId>) -> io::Result<()> {
        let mark = self.change(|state| {
            state.mark.written.settle(keep);
            state.mark.clone()
        });
        self.marks.write(&mark)?;
        keep.extend(mark.written.snapshots());
        Ok(())
    }

    /// Until a save that is due was held back for long enough.
    async fn held_back(&self, timer: &mut Timer) {
        let began = Instant::now();
        loop {
            sleep_until(timer.look_at).await;
            if self.is_to_be_saved(timer).await && timer.is_held_back(began) {
                return;
            }
        }
    }
}

/// Whether it gives way to a save that is due. What is put back is a change of the disk itself, so that it would always give way.
const fn yields(work: &Upkeep) -> bool {
    !matches!(work, Upkeep::RestorePath { .. })
}

fn show(outcome: Result<Outcome, Failure>, view: &mut UpkeepView) {
    view.done = true;
    match outcome {
        Ok(Outcome::Verified { verification }) => view.verification = Some(verification),
        Ok(Outcome::Pruned { removed_bytes, .. }) => view.removed_bytes = removed_bytes,
        Ok(Outcome::Compared { differences, count }) => {
            view.differences = differences;
            view.difference_count = count;
        }
        Ok(Outcome::PathRestored { paths, .. }) => view.restored_paths = paths,
        Ok(_) => view.error = Some("its process did something else".to_owned()),
        Err(failure) => view.error = Some(failure.error),
    }
}

#[cfg(test)]
mod tests {
    use molt_common::snapshot::ObjectId;

    use super::*;

    #[test]
    fn what_writes_to_the_disk_does_not_give_way_to_what_it_writes() {
        let snapshot = ObjectId::new([1; 32]);
        assert!(yields(&Upkeep::Verify { snapshot, full: true }) && yields(&Upkeep::Compare { snapshot }));
        assert!(yields(&Upkeep::Prune { keep: Vec::new() }));
        assert!(!yields(&Upkeep::RestorePath {
            snapshot,
            path: "notes".into(),
            to: None
        }));
    }
}
