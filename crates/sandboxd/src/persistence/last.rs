//! The save of a stop: of everything, because nothing runs any more that could write.

use std::time::Duration;

use molt_common::control::snapshot::{SaveStage, SnapshotStatus};
use molt_common::snapshot::{PublishAnswer, SaveReason};
use molt_common::time::Millis;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use tokio::time::{Instant, sleep, timeout};

use super::Persistence;
use super::saving::SaveFailure;
use crate::backoff::Backoff;
use crate::clock::now_ms;
use crate::process::tree::{Member, living_below};

/// Name of this save.
const ID: &str = "stop";
/// First pause after an attempt that failed, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How often what is wrong in itself is tried all the same.
const LASTING_ATTEMPTS: u32 = 3;
/// Between TERM and KILL for what a command has left behind.
const GRACE: Duration = Duration::from_secs(1);
/// How long what was killed may take to go.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long somebody is waited for who asks how it ended. The edge asks several times a second while it stops a sandbox, and every half second when
/// that takes long; what it did not hear it counts as not saved.
const TELLING_PATIENCE: Duration = Duration::from_secs(2);

impl Persistence {
    /// How long the save of a stop may take.
    pub(super) const fn stop_limit(&self) -> Duration {
        Duration::from_millis(self.settings.layout.stop_save_limit_ms)
    }

    /// From now on nothing new is taken.
    pub fn stop(&self) {
        self.change(super::state::State::stop);
    }

    /// Saves what is left to save, as long as its limit allows, and waits a little until somebody was told. To be called when agent and commands have ended.
    pub async fn save_at_stop(&self) {
        if !self.state.borrow().is_restored() {
            tracing::info!("nothing is saved: the disk never held what it should");
            return;
        }
        self.end_what_is_left().await;
        let began = Instant::now();
        self.change(|state| state.open_save(ID, SaveReason::Stop, Millis(now_ms())));
        let outcome = self.until_saved(began + self.stop_limit()).await;
        let took_ms = began.elapsed().as_millis();
        match &outcome {
            Ok(()) => tracing::info!(took_ms, "everything on the disk is saved"),
            Err(failure) => {
                let safe_until = self.state.borrow().mark.safe_until;
                let lost_ms = safe_until.map(|safe| now_ms().saturating_sub(safe.0));
                tracing::error!(
                    %failure,
                    took_ms,
                    safe_until = safe_until.map(|safe| safe.0),
                    lost_ms,
                    "the last save has failed: what was written after safe_until is lost"
                );
            }
        }
        if let Err(failure) = outcome {
            self.change(|state| state.update_save(ID, |view| failure.show(view)));
        }
        if self.is_known_to_be_published() {
            return;
        }
        if timeout(TELLING_PATIENCE, self.until_told()).await.is_err() {
            tracing::info!("nobody asked how the last save ended");
        }
    }

    /// Whoever takes publications knows then that it has all of it.
    fn is_known_to_be_published(&self) -> bool {
        let state = self.state.borrow();
        let answer = state.save(ID).and_then(|last| last.answer.as_ref());
        matches!(answer, Some(PublishAnswer::Published { .. }))
    }

    async fn until_told(&self) {
        // The sender is this one's own.
        let _ = self.end_told.subscribe().wait_for(|told| *told).await;
    }

    /// Somebody is about to be told this.
    pub(super) fn note_told(&self, status: &SnapshotStatus) {
        let ended = |stage: SaveStage| matches!(stage, SaveStage::Done | SaveStage::Failed);
        let last = status.save.as_ref().filter(|save| save.id == ID);
        if last.is_some_and(|last| ended(last.stage)) {
            self.end_told.send_replace(true);
        }
    }

    async fn until_saved(&self, deadline: Instant) -> Result<(), SaveFailure> {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        let mut lasting = 0;
        loop {
            let token = self.token();
            let failure = match self
                .save_disk(ID, SaveReason::Stop, deadline, std::future::pending())
                .await
            {
                Ok(saved) => {
                    self.change(|state| state.update_save(ID, |view| saved.show(view)));
                    return Ok(());
                }
                Err(failure) => failure,
            };
            if !failure.again {
                lasting += 1;
            }
            let decided = matches!(
                failure.answer,
                Some(PublishAnswer::GenerationOver { .. } | PublishAnswer::Quarantined { .. })
            );
            let pause = backoff.after_failure(Duration::ZERO);
            let is_over = self.state.borrow().over.is_some();
            if decided || is_over || lasting >= LASTING_ATTEMPTS || Instant::now() + pause >= deadline {
                return Err(failure);
            }
            tracing::warn!(%failure, pause_ms = pause.as_millis(), "the last save is tried again");
            self.change(|state| {
                state.update_save(ID, |view| {
                    view.stage = SaveStage::Reading;
                    view.error = Some(failure.error.clone());
                });
            });
            let mut states = self.state.subscribe();
            // A new token is what it may have waited for.
            let renewed = states.wait_for(|state| state.access.as_ref().map(|access| &access.token) != token.as_ref());
            let _ = timeout(pause, renewed).await;
        }
    }

    /// Ends what commands have left behind: it could go on writing while the disk is read.
    async fn end_what_is_left(&self) {
        let begun = Instant::now();
        let mut left = self.others();
        signal(&left, Signal::SIGTERM);
        while !left.is_empty() && begun.elapsed() < GRACE + PATIENCE {
            if begun.elapsed() >= GRACE {
                signal(&left, Signal::SIGKILL);
            }
            sleep(LOOK_AGAIN).await;
            left = self.others();
        }
        if !left.is_empty() {
            tracing::error!(left = left.len(), "processes survived KILL");
        }
    }

    /// Everything in the sandbox but `init` and this process.
    fn others(&self) -> Vec<Member> {
        // Outside of a sandbox, one whose `init` was killed is below somebody else.
        if getppid() != self.init {
            return Vec::new();
        }
        let own = Pid::this().as_raw();
        let mut members = living_below(self.init.as_raw());
        members.retain(|member| member.pid != own);
        members
    }

    fn token(&self) -> Option<String> {
        self.state.borrow().access.as_ref().map(|access| access.token.clone())
    }
}

fn signal(members: &[Member], signal: Signal) {
    for member in members {
        // It may have ended since.
        let _ = kill(Pid::from_raw(member.pid), signal);
    }
}
