//! How long the last starts took, phase by phase: what the boot page says is usual was measured in this very sandbox.

use crate::sandbox_call::{Lifecycle, Phase};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Starts that count for what is usual.
const KEPT: usize = 5;
/// Phases of one start that are noted: one that goes back and forth takes no more room than that.
const MOST_ENTERED: usize = 16;

/// What the object keeps of its starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartTimes {
    /// The newest start, until it has succeeded.
    #[serde(default)]
    current: Option<Start>,
    /// Milliseconds that each phase took in the last starts that succeeded, the oldest first.
    #[serde(default)]
    past: BTreeMap<Phase, Vec<u64>>,
}

/// A start that has not succeeded, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Its number.
    pub generation: u64,
    /// Where the sandbox stood before.
    pub from: Lifecycle,
    /// Its phases so far, and when each was entered.
    pub entered: Vec<(Phase, Millis)>,
}

impl StartTimes {
    /// Notes where the sandbox stands now. Whether anything was learned from it.
    pub fn observe(
        &mut self,
        from: Lifecycle,
        to: Lifecycle,
        phase: Option<Phase>,
        generation: u64,
        now: Millis,
    ) -> bool {
        match (to, phase) {
            (Lifecycle::Starting, Some(phase)) => {
                let goes_on = from == Lifecycle::Starting;
                match &mut self.current {
                    Some(start) if goes_on && start.generation == generation => {
                        let same = start.entered.last().is_some_and(|(last, _)| *last == phase);
                        if same || start.entered.len() >= MOST_ENTERED {
                            return false;
                        }
                        start.entered.push((phase, now));
                    }
                    current => {
                        *current = Some(Start {
                            generation,
                            from,
                            entered: vec![(phase, now)],
                        });
                    }
                }
                true
            }
            (Lifecycle::Running, _) => match self.current.take() {
                Some(start) if start.generation == generation && from == Lifecycle::Starting => {
                    self.keep(&start, now);
                    true
                }
                other => other.is_some(),
            },
            // Where it stopped is told until the next start.
            _ => false,
        }
    }

    fn keep(&mut self, start: &Start, now: Millis) {
        let ends = start.entered.iter().skip(1).map(|(_, at)| *at).chain([now]);
        for ((phase, began), ended) in start.entered.iter().zip(ends) {
            let past = self.past.entry(*phase).or_default();
            past.push(ended.since(*began));
            if past.len() > KEPT {
                past.remove(0);
            }
        }
    }

    /// The newest start, when it has not succeeded.
    #[must_use]
    pub const fn current(&self) -> Option<&Start> {
        self.current.as_ref()
    }

    /// Median of what a phase took in the last starts, milliseconds; `None` before the first.
    #[must_use]
    pub fn usual(&self, phase: Phase) -> Option<u64> {
        let mut past = self.past.get(&phase)?.clone();
        past.sort_unstable();
        past.get(past.len() / 2).copied()
    }
}

impl Start {
    /// Milliseconds that a phase of it took; `None` for one that was not entered or has not ended.
    #[must_use]
    pub fn took(&self, phase: Phase) -> Option<u64> {
        let place = self.entered.iter().position(|(entered, _)| *entered == phase)?;
        let (_, began) = self.entered.get(place)?;
        let (_, ended) = self.entered.get(place + 1)?;
        Some(ended.since(*began))
    }

    /// When it began.
    #[must_use]
    pub fn began(&self) -> Option<Millis> {
        self.entered.first().map(|(_, at)| *at)
    }

    /// The phase in which it is, or in which it ended.
    #[must_use]
    pub fn reached(&self) -> Option<Phase> {
        self.entered.last().map(|(phase, _)| *phase)
    }
}

#[cfg(test)]
mod tests {
    use super::StartTimes;
    use crate::sandbox_call::{Lifecycle, Phase};
    use crate::time::Millis;
    use proptest::prelude::*;

    const T: u64 = 1_800_000_000_000;

    /// A start with these durations of its container, configuration and agent.
    fn start(times: &mut StartTimes, generation: u64, at: u64, took: [u64; 3]) {
        let mut now = T + at;
        let mut from = Lifecycle::Stopped;
        for (phase, ms) in [Phase::Container, Phase::Configure, Phase::Agent].into_iter().zip(took) {
            assert!(times.observe(from, Lifecycle::Starting, Some(phase), generation, Millis(now)));
            from = Lifecycle::Starting;
            assert!(!times.observe(from, from, Some(phase), generation, Millis(now + ms / 2)));
            now += ms;
        }
        assert!(times.observe(from, Lifecycle::Running, Some(Phase::Ready), generation, Millis(now)));
    }

    #[test]
    fn usual_is_the_median_of_the_last_five() {
        let mut times = StartTimes::default();
        assert_eq!(times.usual(Phase::Agent), None);
        for (generation, agent) in [9_000, 1, 2, 30_000, 3, 4].into_iter().enumerate() {
            start(
                &mut times,
                generation as u64 + 1,
                generation as u64 * 100_000,
                [500, 100, agent],
            );
        }
        // 9 s is forgotten: 1, 2, 3, 4, 30 s are left.
        assert_eq!(times.usual(Phase::Agent), Some(3));
        assert_eq!(times.usual(Phase::Container), Some(500));
        assert!(times.current().is_none());
    }

    #[test]
    fn a_start_that_failed_counts_for_nothing_and_is_told_until_the_next() {
        let mut times = StartTimes::default();
        times.observe(
            Lifecycle::Sleeping,
            Lifecycle::Starting,
            Some(Phase::Container),
            1,
            Millis(T),
        );
        times.observe(
            Lifecycle::Starting,
            Lifecycle::Starting,
            Some(Phase::Agent),
            1,
            Millis(T + 700),
        );
        times.observe(Lifecycle::Starting, Lifecycle::Failed, None, 1, Millis(T + 9_000));
        let failed = times.current().unwrap();
        assert_eq!(
            (failed.from, failed.reached()),
            (Lifecycle::Sleeping, Some(Phase::Agent))
        );
        assert_eq!(
            (failed.took(Phase::Container), failed.took(Phase::Agent)),
            (Some(700), None)
        );
        assert_eq!(times.usual(Phase::Container), None);
        start(&mut times, 2, 60_000, [1, 2, 3]);
        assert_eq!(times.usual(Phase::Container), Some(1));
    }

    #[test]
    fn an_agent_that_comes_back_counts_as_its_phase() {
        let mut times = StartTimes::default();
        start(&mut times, 1, 0, [1, 2, 3]);
        times.observe(
            Lifecycle::Running,
            Lifecycle::Starting,
            Some(Phase::Agent),
            1,
            Millis(T + 50_000),
        );
        times.observe(
            Lifecycle::Starting,
            Lifecycle::Running,
            Some(Phase::Ready),
            1,
            Millis(T + 50_009),
        );
        assert_eq!(
            (times.usual(Phase::Agent), times.usual(Phase::Container)),
            (Some(9), Some(1))
        );
    }

    proptest! {
        #[test]
        fn whatever_happens_little_is_kept_and_it_comes_back_from_json(
            events in proptest::collection::vec((0_usize..6, 0_usize..6, 0_usize..6, 0_u64..4, 0_u64..100_000), 0..200)
        ) {
            let lifecycles = [Lifecycle::Stopped, Lifecycle::Starting, Lifecycle::Running, Lifecycle::Stopping, Lifecycle::Failed, Lifecycle::Sleeping];
            let phases = [Phase::Fence, Phase::Container, Phase::Restore, Phase::Configure, Phase::Agent, Phase::Ready];
            let mut times = StartTimes::default();
            for (from, to, phase, generation, at) in events {
                times.observe(lifecycles[from], lifecycles[to], Some(phases[phase]), generation, Millis(T + at));
            }
            prop_assert!(times.past.values().all(|past| past.len() <= super::KEPT));
            let text = serde_json::to_string(&times).unwrap();
            prop_assert_eq!(serde_json::from_str::<StartTimes>(&text).unwrap(), times);
        }
    }
}
