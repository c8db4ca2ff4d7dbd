//! What `init` does about `serve`, without doing it.

use std::time::Duration;

use crate::backoff::Backoff;

/// How long `serve` may take to stop the agent and the commands: answers that have begun 2 s, the agent 13 s and the end of its tree, while the commands
/// have their 5 s, and some air. The edge kills the container after 25 s.
pub const STOP_PATIENCE: Duration = Duration::from_secs(22);
/// What more `serve` may take than the last save of the disk itself: ending what commands have left behind, a look at the disk.
const AROUND_LAST_SAVE: Duration = Duration::from_secs(15);
/// What a daemon that a command left behind gets between TERM and KILL when `serve` has stopped everything else.
pub const LEFTOVER_GRACE: Duration = Duration::from_secs(1);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `serve` ended, or could not be started; `clean` when it exited with 0.
    ServeEnded {
        /// Whether it had finished its work.
        clean: bool,
    },
    /// TERM or INT arrived.
    StopAsked,
    /// The deadline passed.
    Tick,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start `serve`.
    Spawn,
    /// Ask `serve` to stop.
    Terminate,
    /// TERM to everything that is left, KILL after `grace`, exit.
    Finish {
        /// Zero kills at once.
        grace: Duration,
    },
    /// Nothing until the next event or the deadline.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Serving { since: Duration },
    Pausing { until: Duration },
    Stopping { until: Duration },
}

/// The state of it. Times are measured from the start of `init`.
#[derive(Debug)]
pub struct Supervision {
    state: State,
    backoff: Backoff,
    last_save: Option<Duration>,
}

impl Supervision {
    /// The beginning, with its first action. Where the disk is kept, `last_save` is how long its last save may take: a second TERM does not cut that off.
    pub const fn start(last_save: Option<Duration>) -> (Self, Action) {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        (
            Self {
                state: State::Serving { since: Duration::ZERO },
                backoff,
                last_save,
            },
            Action::Spawn,
        )
    }

    /// When [`Event::Tick`] is due.
    pub const fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Serving { .. } => None,
            State::Pausing { until } | State::Stopping { until } => Some(until),
        }
    }

    /// The answer to one event.
    pub fn step(&mut self, event: Event, now: Duration) -> Action {
        match (self.state, event) {
            (State::Serving { since }, Event::ServeEnded { .. }) => {
                let pause = self.backoff.after_failure(now.saturating_sub(since));
                self.state = State::Pausing { until: now + pause };
                Action::Wait
            }
            (State::Serving { .. }, Event::StopAsked) => {
                let saving = self.last_save.map_or(Duration::ZERO, |limit| limit + AROUND_LAST_SAVE);
                self.state = State::Stopping {
                    until: now + STOP_PATIENCE + saving,
                };
                Action::Terminate
            }
            (State::Pausing { until }, Event::Tick) if now >= until => {
                self.state = State::Serving { since: now };
                Action::Spawn
            }
            // With no `serve` to do it nothing is saved; the shims stop what they hold when they get TERM, and need the time for it.
            (State::Pausing { .. }, Event::StopAsked) => Action::Finish { grace: STOP_PATIENCE },
            (State::Stopping { .. }, Event::ServeEnded { clean: true }) => Action::Finish { grace: LEFTOVER_GRACE },
            (State::Stopping { until }, Event::ServeEnded { clean: false }) => Action::Finish {
                grace: until.saturating_sub(now).min(STOP_PATIENCE),
            },
            (State::Stopping { .. }, Event::StopAsked) if self.last_save.is_some() => Action::Wait,
            // Asked a second time, or out of patience.
            (State::Stopping { .. }, Event::StopAsked) => Action::Finish { grace: Duration::ZERO },
            (State::Stopping { until }, Event::Tick) if now >= until => Action::Finish { grace: Duration::ZERO },
            (State::Serving { .. }, Event::Tick)
            | (State::Pausing { .. }, _)
            | (State::Stopping { .. }, Event::Tick) => Action::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn serve_is_started_again_after_a_pause_that_grows() {
        let (mut supervision, first) = Supervision::start(None);
        assert_eq!(first, Action::Spawn);
        let mut pauses = Vec::new();
        let mut now = at(1);
        for _ in 0..3 {
            assert_eq!(supervision.step(Event::ServeEnded { clean: false }, now), Action::Wait);
            let until = supervision.deadline().unwrap();
            assert_eq!(supervision.step(Event::Tick, now), Action::Wait, "not before its time");
            pauses.push((until - now).as_millis());
            now = until;
            assert_eq!(supervision.step(Event::Tick, now), Action::Spawn);
        }
        assert_eq!(pauses, [100, 200, 400]);
    }

    #[test]
    fn a_stop_lets_serve_finish_and_ends_when_it_has() {
        let (mut supervision, _) = Supervision::start(None);
        assert_eq!(supervision.step(Event::StopAsked, at(5)), Action::Terminate);
        assert_eq!(supervision.step(Event::Tick, at(6)), Action::Wait);
        assert_eq!(
            supervision.step(Event::ServeEnded { clean: true }, at(7)),
            Action::Finish { grace: LEFTOVER_GRACE }
        );
    }

    #[test]
    fn a_stop_is_bounded_and_a_second_one_is_at_once() {
        let (mut supervision, _) = Supervision::start(None);
        supervision.step(Event::StopAsked, at(5));
        assert_eq!(supervision.deadline(), Some(at(5) + STOP_PATIENCE));
        let at_once = Action::Finish { grace: Duration::ZERO };
        assert_eq!(supervision.step(Event::Tick, at(5) + STOP_PATIENCE), at_once);
        assert_eq!(supervision.step(Event::StopAsked, at(6)), at_once);
    }

    #[test]
    fn a_serve_that_breaks_while_it_stops_leaves_the_shims_the_rest_of_the_time() {
        let (mut supervision, _) = Supervision::start(None);
        supervision.step(Event::StopAsked, at(5));
        let action = supervision.step(Event::ServeEnded { clean: false }, at(8));
        assert_eq!(
            action,
            Action::Finish {
                grace: STOP_PATIENCE - at(3)
            }
        );
    }

    #[test]
    fn a_stop_while_serve_is_down_is_gentle_too() {
        let (mut supervision, _) = Supervision::start(None);
        supervision.step(Event::ServeEnded { clean: false }, at(1));
        assert_eq!(
            supervision.step(Event::StopAsked, at(1)),
            Action::Finish { grace: STOP_PATIENCE }
        );
    }

    #[test]
    fn a_disk_that_is_kept_has_the_time_for_its_last_save() {
        let (mut supervision, _) = Supervision::start(Some(at(600)));
        assert_eq!(supervision.step(Event::StopAsked, at(5)), Action::Terminate);
        assert!(supervision.deadline().unwrap() >= at(605) + STOP_PATIENCE);
        assert_eq!(
            supervision.step(Event::StopAsked, at(30)),
            Action::Wait,
            "not even when asked twice"
        );
        assert_eq!(supervision.step(Event::Tick, at(300)), Action::Wait);
        assert_eq!(
            supervision.step(Event::ServeEnded { clean: false }, at(301)),
            Action::Finish { grace: STOP_PATIENCE },
            "without serve nothing is saved any more"
        );
    }
}
