//! Whether a program that ended unexpectedly is started again. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Starts within [`WINDOW`] after which a program is given up.
const LIMIT: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The recent restarts of one program.
#[derive(Debug, Default)]
pub struct RestartBudget {
    recent: VecDeque<Instant>,
}

impl RestartBudget {
    /// Asks for a restart at `now`: the pause before it, doubled with every recent one, or `None` when there were too many.
    pub fn next(&mut self, now: Instant) -> Option<Duration> {
        while self
            .recent
            .front()
            .is_some_and(|at| now.saturating_duration_since(*at) > WINDOW)
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= LIMIT {
            return None;
        }
        let pause = FIRST_PAUSE * (1 << self.recent.len());
        self.recent.push_back(now);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_the_program_is_given_up() {
        let mut budget = RestartBudget::default();
        let now = Instant::now();
        let pauses: Vec<_> = (0..6)
            .map(|_| budget.next(now).map(|pause| pause.as_millis()))
            .collect();
        assert_eq!(pauses, [Some(250), Some(500), Some(1000), Some(2000), Some(4000), None]);
    }

    #[test]
    fn rare_ends_are_forgiven_for_ever() {
        let mut budget = RestartBudget::default();
        let start = Instant::now();
        for minute in 0..100 {
            let pause = budget.next(start + Duration::from_secs(61 * minute));
            assert_eq!(pause, Some(FIRST_PAUSE));
        }
    }
}
