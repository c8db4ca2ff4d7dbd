//! Sleep of what nobody uses, and what starts again by itself.

use super::{Rest, Sandbox, Stage};
use molt_common::control::SupervisorStatus;
use molt_common::sandbox_change::KeepAlive;
use molt_common::time::Millis;

/// A sandbox that has something to do by itself within this span does not go to sleep: it would be up again at once.
pub const SHORTEST_SLEEP_MS: u64 = 60_000;
/// Something that the agent has not done this long after its time is no reason to stay awake, nor to wake up.
pub const OVERDUE_MS: u64 = 2 * 60_000;
/// A wake-up by schedule that cannot be made for this long is given up.
pub const WAKE_PATIENCE_MS: u64 = 60 * 60_000;
/// The year 3000: an agent's plan for then or later is none.
const FARTHEST: Millis = Millis(32_503_680_000_000);
/// Shortest time without activity that a user's own policy may name.
const IDLE_LEAST_MS: u64 = 60_000;

/// What the object itself knows of the use of its sandbox, besides what sandboxd tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalUse {
    /// Requests and calls that wait, or that the sandbox has not answered.
    pub in_flight: u32,
    /// When the newest of them arrived.
    pub used_at: Option<Millis>,
    /// The deployment's time without activity after which a sandbox sleeps; `None` for never.
    pub idle_sleep_ms: Option<u64>,
}

/// Reads the deployment's time without activity, in seconds: milliseconds, or `None` for never. What is no number of seconds is never, and what is too
/// many stays many: a slip in a configuration puts nobody to sleep, who would lose his disk by that.
#[must_use]
pub fn idle_sleep_ms(seconds: Option<&str>) -> Option<u64> {
    let seconds: u64 = seconds?.trim().parse().ok()?;
    (seconds > 0).then(|| seconds.saturating_mul(1000))
}

impl Sandbox {
    /// Keeps what was told about use.
    pub(super) fn note_use(&mut self, status: &SupervisorStatus, local: LocalUse) {
        // Not its last request or frame: an open page asks and pings by itself, and sandboxd tells that from a person's doing.
        let told = status.last_active_at.map(Millis);
        self.last_active_at = [self.last_active_at, told, local.used_at].into_iter().flatten().max();
        self.open_sockets = Some(status.open_sockets);
        // The agent's own word: what lies beyond any plan is no time that lists could show or an alarm could have.
        self.next_wake_at = status.next_wake_at.map(Millis).filter(|at| *at < FARTHEST);
        self.idle_sleep_ms = local.idle_sleep_ms;
    }

    /// After how long without activity it sleeps; `None` for never.
    pub(super) fn idle_ms(&self) -> Option<u64> {
        match self.settings.keep_alive {
            KeepAlive::Default => self.idle_sleep_ms.filter(|ms| *ms > 0),
            KeepAlive::Always => None,
            KeepAlive::Idle { seconds } => Some((u64::from(seconds) * 1000).max(IDLE_LEAST_MS)),
        }
    }

    /// When it is put to sleep if nothing happens.
    pub(super) fn sleeps_at(&self) -> Option<Millis> {
        let (Stage::Running, Some(idle)) = (&self.stage, self.idle_ms()) else {
            return None;
        };
        let active = self.last_active_at.map_or(self.since, |at| at.max(self.since));
        Some(active.plus(idle))
    }

    /// Whether it goes to sleep now.
    pub(super) fn may_sleep(&self, status: &SupervisorStatus, local: LocalUse, now: Millis) -> bool {
        let busy = local.in_flight > 0 || status.running_commands > 0 || !status.busy.is_empty();
        let soon = self
            .next_wake_at
            .is_some_and(|at| at.plus(OVERDUE_MS) > now && at < now.plus(SHORTEST_SLEEP_MS));
        let put_off = self.disk.awake_until.is_some_and(|at| at > now);
        !busy && !soon && !put_off && self.sleeps_at().is_some_and(|at| at <= now)
    }

    /// When the agent's schedule wants it, as far as that is still worth a start.
    pub(super) fn scheduled(&self, now: Millis) -> Option<Millis> {
        self.next_wake_at.filter(|at| at.plus(OVERDUE_MS) > now)
    }

    /// When a sandbox at rest starts by itself.
    pub(super) fn starts_at(&self) -> Option<Millis> {
        let earliest = match self.stage {
            Stage::Stopped => Millis(0),
            Stage::Failed { retry_at } => retry_at,
            Stage::Starting { .. } | Stage::Running | Stage::Stopping { .. } => return None,
        };
        self.owner?;
        // Somebody who asked was let in; what nobody asks for waits until its owner may have it.
        if self.needed_again {
            return Some(self.since.max(earliest));
        }
        let kept_up = self.rest == Rest::Unexpected && self.settings.keep_alive == KeepAlive::Always;
        let wanted = if kept_up { Some(self.since) } else { self.wakes_at };
        Some(wanted?.max(earliest).max(self.barred_until.unwrap_or_default()))
    }

    /// Whether it would start now although nobody asks: then it is to be known first whether its owner may have it ([`super::Event::Barred`]).
    #[must_use]
    pub fn would_start_by_itself(&self, now: Millis) -> bool {
        !self.needed_again && self.starts_at().is_some_and(|at| at <= now)
    }
}
