//! What others learn of a sandbox: its alarm, whether a generation lives, and what it shows.

use super::disk::LOOK_MS;
use super::{HEARTBEAT_MS, Rest, STOP_DEADLINE_MS, Sandbox, Stage};
use molt_common::disk_view::{DiskView, RestoringView, SavingView, StopRefusedView};
use molt_common::sandbox_call::{Lifecycle, Phase, SandboxView};
use molt_common::time::Millis;

/// A running sandbox in use is asked this often.
pub const IN_USE_MS: u64 = 2_000;
/// A missed answer is asked for again after this long.
const ASK_AGAIN_MS: u64 = 1_000;

impl Sandbox {
    /// When the object wants to be woken next; `None` when nothing is going on and nothing is planned. While requests or jobs are under way
    /// (`in_use`), a running sandbox is asked often enough that its state is never more than a few seconds old.
    #[must_use]
    pub fn next_alarm(&self, now: Millis, in_use: bool) -> Option<Millis> {
        match (&self.stage, &self.capacity) {
            (Stage::Stopped | Stage::Failed { .. }, _) => self.starts_at().map(|at| at.max(now)),
            (Stage::Starting { .. }, Some(wait)) if self.launched_at.is_none() => Some(wait.retry_at.max(now)),
            (
                Stage::Starting {
                    phase: Phase::Restore, ..
                },
                _,
            ) => Some(now.plus(LOOK_MS)),
            // Its first seconds decide how soon the next start may begin; after that it saves.
            (Stage::Stopping { began }, _) if self.disk.can_be_saved() && now.since(*began) >= STOP_DEADLINE_MS => {
                Some(now.plus(LOOK_MS))
            }
            (Stage::Starting { .. } | Stage::Stopping { .. }, _) if self.disk.stop.is_none() => Some(now),
            _ if self.disk.stop.is_some() => Some(now.plus(LOOK_MS)),
            (Stage::Starting { .. } | Stage::Stopping { .. }, _) => Some(now),
            (Stage::Running, _) if self.misses > 0 => Some(now.plus(ASK_AGAIN_MS)),
            (Stage::Running, _) => {
                let heartbeat = now.plus(if in_use { IN_USE_MS } else { HEARTBEAT_MS });
                let sleep = self.sleeps_at().filter(|at| *at > now);
                Some(sleep.map_or(heartbeat, |at| at.min(heartbeat)))
            }
        }
    }

    /// What the machine knows of the disk; its snapshots are the list's.
    fn disk_view(&self) -> DiskView {
        let disk = &self.disk;
        let restoring = matches!(
            self.stage,
            Stage::Starting {
                phase: Phase::Restore,
                ..
            }
        );
        let progress = disk.progress.as_ref();
        let saving = disk.stop.is_some() || (matches!(self.stage, Stage::Stopping { .. }) && progress.is_some());
        DiskView {
            kept: disk.kept,
            restoring: restoring.then_some(RestoringView {
                bytes: disk.restored_bytes,
                total_bytes: disk.restore_total_bytes,
            }),
            saving: saving.then(|| SavingView {
                stage: progress.map_or_else(|| "waiting".into(), |progress| progress.stage.clone()),
                files: progress.map_or(0, |progress| progress.files),
                bytes: progress.map_or(0, |progress| progress.bytes),
            }),
            stop_refused: disk.refused.as_ref().map(|refused| StopRefusedView {
                at: refused.at,
                why: refused.why.clone(),
                kept_apart: refused.kept_apart,
            }),
            ..DiskView::default()
        }
    }

    /// Whether the work of `generation` can still go on.
    #[must_use]
    pub fn lives(&self, generation: u64) -> bool {
        self.generation == generation
            && matches!(
                self.stage,
                Stage::Starting { .. } | Stage::Running | Stage::Stopping { .. }
            )
    }

    /// Whether somebody who was let in may still be in its container. That does not go by its stage: one whose agent hangs is starting again, and
    /// the sockets that it has go on.
    #[must_use]
    pub const fn may_have_let_in(&self) -> bool {
        self.boot_id.is_some()
    }

    /// What others may know.
    #[must_use]
    pub fn view(&self) -> SandboxView {
        let (lifecycle, phase, retry_at) = match self.stage {
            Stage::Stopped if self.rest == Rest::Asleep => (Lifecycle::Sleeping, None, None),
            Stage::Stopped => (Lifecycle::Stopped, None, None),
            Stage::Starting { phase, .. } => {
                let retry_at = self.capacity.as_ref().map(|wait| wait.retry_at);
                (Lifecycle::Starting, Some(phase), retry_at)
            }
            Stage::Running => (Lifecycle::Running, Some(Phase::Ready), None),
            Stage::Stopping { .. } => (Lifecycle::Stopping, None, None),
            Stage::Failed { retry_at } => (Lifecycle::Failed, None, Some(retry_at)),
        };
        SandboxView {
            owner: self.owner,
            lifecycle,
            phase,
            generation: self.generation,
            since: self.since,
            observed_at: self.observed_at,
            cause: self.cause.clone(),
            retry_at,
            image: self.image.clone(),
            tier: self.tier.max(1),
            log_tail: if matches!(self.stage, Stage::Running) {
                vec![]
            } else {
                self.log_tail.clone()
            },
            placement: None,
            last_active_at: self.last_active_at,
            sleeps_at: self.sleeps_at(),
            wakes_at: self.starts_at(),
            keep_alive: self.settings.keep_alive,
            next_tier: self.settings.tier,
            next_image: self.settings.image.clone(),
            change: None,
            waits_for_capacity: self.capacity.is_some() && matches!(self.stage, Stage::Starting { .. }),
            shut_out: false,
            open_sockets: self.open_sockets.filter(|_| matches!(self.stage, Stage::Running)),
            disk: Some(Box::new(self.disk_view())),
        }
    }
}
