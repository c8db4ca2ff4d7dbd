//! What is done when: the timer, what is asked for, and the stop.

use std::sync::Arc;
use std::time::Duration;

use molt_common::control::snapshot::SaveNow;
use molt_common::snapshot::SaveReason;
use molt_common::time::Millis;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Persistence, stopped};
use crate::backoff::Backoff;
use crate::clock::now_ms;

/// Longest time between two looks at the disk, and the shortest.
const BETWEEN_LOOKS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_millis(50));
/// A look is taken so rarely that looking takes no more than a hundredth of the time.
const LOOKING: u32 = 100;
/// First pause after a save that failed; the longest is the interval.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Upkeep holds a save that is due back for at most so many intervals.
const HELD_BACK_MOST: u32 = 4;

/// When the next look and the next save by itself are due.
pub(super) struct Timer {
    interval: Duration,
    pub(super) look_at: Instant,
    save_at: Instant,
    backoff: Backoff,
    count: u64,
    /// Works of upkeep in a row that gave way to a save that was due.
    gave_way: u32,
}

impl Timer {
    fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self {
            interval,
            look_at: now + between_looks(interval, Duration::ZERO),
            save_at: now + interval,
            backoff: Backoff::new(FIRST_PAUSE.min(interval), interval),
            count: 0,
            gave_way: 0,
        }
    }

    /// Whether upkeep that `began` then has held the save that is due back for long enough.
    pub(super) fn is_held_back(&self, began: Instant) -> bool {
        Instant::now() >= self.save_at.max(began) + held_back(self.interval, self.gave_way)
    }

    /// Upkeep has ended, by itself or because it gave way to a save that was due.
    pub(super) const fn upkept(&mut self, gave_way: bool) {
        self.gave_way = if gave_way { self.gave_way.saturating_add(1) } else { 0 };
    }

    fn looked(&mut self, took: Duration) {
        self.look_at = Instant::now() + between_looks(self.interval, took);
    }

    fn saved(&mut self, began: Instant, succeeded: bool) {
        if succeeded {
            self.backoff = Backoff::new(FIRST_PAUSE.min(self.interval), self.interval);
            self.save_at = began + self.interval;
        } else {
            self.save_at = Instant::now() + self.backoff.after_failure(Duration::ZERO);
        }
    }
}

/// The pause before the next look when one `took` so long: a tenth of the interval, so that what changes is saved within little more than that.
fn between_looks(interval: Duration, took: Duration) -> Duration {
    (interval / 10)
        .clamp(BETWEEN_LOOKS.1, BETWEEN_LOOKS.0)
        .max(took * LOOKING)
}

/// How long upkeep holds back a save that is due: one interval. What changes all the time would keep long upkeep from ever ending, so that whose forerunners
/// `gave_way` gets more, up to a bound.
fn held_back(interval: Duration, gave_way: u32) -> Duration {
    interval * 2_u32.saturating_pow(gave_way).min(HELD_BACK_MOST)
}

/// What is next.
enum Next {
    Stop,
    Asked,
    Look,
}

impl Persistence {
    /// Restores, and then keeps the disk until the sandbox stops. What is being saved then goes on for half of what the last save may take: the last one
    /// then has only the rest to do.
    pub async fn run(self: Arc<Self>, stop: watch::Receiver<bool>) {
        if !self.begin_boot(&stop).await {
            return;
        }
        let mut timer = Timer::new(self.interval());
        loop {
            match self.next(&timer, &stop).await {
                Next::Stop => return,
                Next::Asked => self.do_asked(&mut timer, &stop).await,
                Next::Look => self.look_and_save(&mut timer, &stop).await,
            }
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.state.borrow().mark.interval_ms)
    }

    async fn next(&self, timer: &Timer, stop: &watch::Receiver<bool>) -> Next {
        if *stop.borrow() {
            return Next::Stop;
        }
        let mut states = self.state.subscribe();
        tokio::select! {
            _ = stopped(stop.clone()) => Next::Stop,
            asked = states.wait_for(|state| state.is_asked()) => if asked.is_ok() { Next::Asked } else { Next::Stop },
            () = sleep_until(timer.look_at) => Next::Look,
        }
    }

    async fn do_asked(&self, timer: &mut Timer, stop: &watch::Receiver<bool>) {
        let (save, upkeep) = self.change(|state| match state.take_save() {
            Some(save) => (Some(save), None),
            None => (None, state.take_upkeep()),
        });
        if let Some(SaveNow { id, reason }) = save {
            self.take(&id, reason, timer, stop).await;
        } else if let Some(upkeep) = upkeep {
            let gave_way = self.keep_up(upkeep, timer, stop).await;
            timer.upkept(gave_way);
            if gave_way {
                // Before other upkeep is taken up.
                self.save_by_itself(timer, stop).await;
            }
        }
    }

    async fn look_and_save(&self, timer: &mut Timer, stop: &watch::Receiver<bool>) {
        if self.is_to_be_saved(timer).await && Instant::now() >= timer.save_at {
            self.save_by_itself(timer, stop).await;
        }
    }

    /// Looks whether there is something to save, and somewhere to save it.
    pub(super) async fn is_to_be_saved(&self, timer: &mut Timer) -> bool {
        let begun = Instant::now();
        let looked = self.look().await;
        timer.looked(begun.elapsed());
        let changed = match looked {
            Ok(look) => self.note(&look),
            Err(error) => {
                tracing::warn!(error, "it is not known whether anything has changed");
                true
            }
        };
        let state = self.state.borrow();
        changed && state.access.is_some() && state.over.is_none()
    }

    async fn save_by_itself(&self, timer: &mut Timer, stop: &watch::Receiver<bool>) {
        timer.count += 1;
        let id = format!("interval-{}", timer.count);
        self.change(|state| state.open_save(&id, SaveReason::Interval, Millis(now_ms())));
        self.take(&id, SaveReason::Interval, timer, stop).await;
    }

    async fn take(&self, id: &str, reason: SaveReason, timer: &mut Timer, stop: &watch::Receiver<bool>) {
        let began = Instant::now();
        let half = self.stop_limit() / 2;
        let cut = async {
            let why = stopped(stop.clone()).await;
            sleep(half).await;
            why
        };
        let outcome = self.save_disk(id, reason, began + self.save_limit(), cut).await;
        timer.saved(began, outcome.is_ok());
        if let Err(failure) = &outcome {
            tracing::warn!(id, %failure, "a save has failed");
        }
        self.change(|state| {
            state.update_save(id, |view| match outcome {
                Ok(saved) => saved.show(view),
                Err(failure) => failure.show(view),
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upkeep_that_gave_way_gets_longer_and_not_for_ever() {
        let interval = Duration::from_secs(300);
        let held = [0, 1, 2, 3, u32::MAX].map(|gave_way| held_back(interval, gave_way) / 300);
        assert_eq!(held, [1, 2, 4, 4, 4].map(Duration::from_secs));
    }

    #[test]
    fn looks_are_as_often_as_they_are_cheap() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(between_looks(minutes(5), Duration::ZERO), Duration::from_secs(30));
        assert_eq!(between_looks(minutes(1), Duration::ZERO), Duration::from_secs(6));
        assert_eq!(
            between_looks(minutes(5), Duration::from_millis(500)),
            Duration::from_secs(50)
        );
        assert_eq!(
            between_looks(Duration::from_millis(10), Duration::ZERO),
            Duration::from_millis(50)
        );
    }
}
