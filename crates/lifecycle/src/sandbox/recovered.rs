//! A sandbox whose platform is gone, and which begins again on another one: stopped, with what operators set and a number of starts of its own.

use super::{Rest, Sandbox, Stage};
use molt_common::sandbox_change::KeepAlive;
use molt_common::time::Millis;

impl Sandbox {
    /// What of it outlives its platform: whose it is, what was chosen for it, how many starts there were and when it wants to be woken. Its container, what
    /// that wrote and what was being done about it do not.
    #[must_use]
    pub fn outliving(&self, now: Millis) -> Self {
        let running = !matches!(self.stage, Stage::Stopped);
        Self {
            generation: self.generation,
            since: self.since,
            owner: self.owner,
            tier: self.tier,
            image: self.image.clone(),
            settings: self.settings.clone(),
            last_active_at: self.last_active_at,
            next_wake_at: self.next_wake_at,
            wakes_at: if running { self.scheduled(now) } else { self.wakes_at },
            rest: match self.rest {
                // One that is to run always comes back by itself, as after any other end.
                _ if running && self.settings.keep_alive == KeepAlive::Always => Rest::Unexpected,
                _ if running => Rest::Asleep,
                rest => rest,
            },
            idle_sleep_ms: self.idle_sleep_ms,
            ..Self::default()
        }
    }

    /// The same on a platform that has never started it: no number of a start of before counts here.
    #[must_use]
    pub fn recovered(self, generation: u64, now: Millis) -> Self {
        Self {
            generation,
            since: now,
            ..self.outliving(now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KeepAlive, Millis, Rest, Sandbox, Stage};
    use molt_common::id::UserId;

    const NOW: Millis = Millis(1_000_000);

    fn running() -> Sandbox {
        let mut sandbox = Sandbox {
            stage: Stage::Running,
            generation: 7,
            owner: UserId::parse("ada00000-0000-4000-8000-000000000001").ok(),
            tier: 2,
            boot_id: Some("b".into()),
            cause: Some("c".into()),
            log_tail: vec!["something the agent wrote".into()],
            next_wake_at: Some(NOW.plus(5_000)),
            ..Sandbox::default()
        };
        sandbox.set_tier(3);
        sandbox
    }

    #[test]
    fn nothing_of_a_container_outlives_the_platform() {
        let kept = running().outliving(NOW);
        assert_eq!(
            (kept.stage.clone(), kept.generation, kept.rest),
            (Stage::Stopped, 7, Rest::Asleep)
        );
        assert_eq!(
            (kept.boot_id.clone(), kept.cause.clone(), kept.log_tail.len()),
            (None, None, 0)
        );
        assert_eq!((kept.next_tier(1), kept.wakes_at), (3, Some(NOW.plus(5_000))));
        let recovered = kept.recovered(1_007, NOW.plus(1));
        assert!(!recovered.lives(7) && !recovered.lives(1_007));
        assert_eq!((recovered.generation, recovered.since), (1_007, NOW.plus(1)));
        assert_eq!(recovered.wakes_at, Some(NOW.plus(5_000)), "also the second time");
        assert_eq!(recovered.rest, Rest::Asleep);
    }

    #[test]
    fn what_was_stopped_stays_stopped_and_what_runs_always_comes_back() {
        let mut stopped = running();
        stopped.stage = Stage::Stopped;
        assert_eq!(stopped.outliving(NOW).rest, Rest::Wanted);
        let mut always = running();
        always.set_keep_alive(KeepAlive::Always);
        let recovered = always.outliving(NOW).recovered(1_007, NOW);
        assert_eq!(recovered.rest, Rest::Unexpected);
        assert!(recovered.starts_at().is_some());
    }
}
