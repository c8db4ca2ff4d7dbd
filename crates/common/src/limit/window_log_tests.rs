//! The log against a model that remembers every request.

use super::{LONGEST, WindowLog, grain};
use crate::limit::{Policy, Standing};
use crate::time::Millis;
use proptest::prelude::*;

/// Remembers when it admitted what.
#[derive(Default)]
struct Model(Vec<u64>);

impl Model {
    /// Admitted ones that lie less than `span` before `now`.
    fn within(&self, span: u64, now: u64) -> usize {
        self.0.iter().filter(|at| **at + span > now).count()
    }

    /// The most that lie within any span of the window's length.
    fn densest(&self, window: u64) -> usize {
        let mut times = self.0.clone();
        times.sort_unstable();
        times
            .iter()
            .enumerate()
            .map(|(index, at)| {
                times
                    .iter()
                    .skip(index)
                    .take_while(|other| **other < at + window)
                    .count()
            })
            .max()
            .unwrap_or_default()
    }
}

fn exact() -> impl Strategy<Value = Policy> {
    (1..=8_u32, 1..=5_u64).prop_map(|(limit, seconds)| Policy::new(limit, seconds))
}

fn any_policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        exact(),
        (129..400_u32, 1..=5_u64).prop_map(|(limit, seconds)| Policy::new(limit, seconds)),
        (1..400_u32, 86_400..=400_000_u64).prop_map(|(limit, seconds)| Policy::new(limit, seconds)),
    ]
}

/// Pauses between requests, in thousandths of the window: mostly so dense that any limit is met, at times so long that the window empties.
fn pauses() -> impl Strategy<Value = Vec<u64>> {
    let pause = prop_oneof![30 => Just(0), 30 => 0..8_u64, 1 => 0..1_200_u64];
    prop::collection::vec(pause, 1..1_000)
}

const BEGIN: u64 = 1_767_225_600_000;

proptest! {
    /// With a place for each request the log decides exactly as the model does.
    #[test]
    fn a_small_limit_is_the_model(policy in exact(), pauses in pauses()) {
        let (mut log, mut model, mut now) = (WindowLog::default(), Model::default(), BEGIN);
        for pause in pauses {
            now += pause * policy.window_ms / 1_000;
            let used = model.within(policy.window_ms, now);
            let standing = log.take(policy, Millis(now));
            prop_assert_eq!(standing.admitted, used < policy.limit as usize);
            if standing.admitted {
                model.0.push(now);
            }
            let left = policy.limit as usize - model.within(policy.window_ms, now);
            prop_assert_eq!(standing.remaining as usize, left);
            let oldest = model.0.iter().filter(|at| **at + policy.window_ms > now).min().unwrap();
            prop_assert_eq!(standing.wait_ms, oldest + policy.window_ms - now);
        }
    }

    /// Whatever the grain: never more than N in any window, nobody is refused who would be admitted a grain later, and memory is bounded.
    #[test]
    fn no_window_ever_holds_one_too_many(policy in any_policy(), pauses in pauses()) {
        let (mut log, mut model, mut now) = (WindowLog::default(), Model::default(), BEGIN);
        for pause in pauses {
            now += pause * policy.window_ms / 1_000;
            let standing = log.take(policy, Millis(now));
            if standing.admitted {
                model.0.push(now);
            } else {
                let long = policy.window_ms + grain(policy);
                prop_assert!(model.within(long, now) >= policy.limit as usize, "refused without need");
            }
            prop_assert!(log.0.len() <= 130, "{} places", log.0.len());
        }
        prop_assert!(model.densest(policy.window_ms) <= policy.limit as usize);
    }

    /// Whoever waits as long as he is told is admitted, and a millisecond earlier he is not.
    #[test]
    fn the_wait_is_true(policy in any_policy(), pauses in pauses()) {
        let (mut log, mut now) = (WindowLog::default(), BEGIN);
        for pause in pauses {
            now += pause * policy.window_ms / 1_000;
            let standing = log.take(policy, Millis(now));
            if !standing.admitted {
                prop_assert!(standing.wait_ms > 0);
                prop_assert!(log.clone().take(policy, Millis(now + standing.wait_ms)).admitted);
                prop_assert!(!log.clone().take(policy, Millis(now + standing.wait_ms - 1)).admitted);
            }
        }
    }

    /// A refusal changes nothing.
    #[test]
    fn what_is_refused_is_not_counted(policy in any_policy(), pauses in pauses()) {
        let (mut log, mut now) = (WindowLog::default(), BEGIN);
        for pause in pauses {
            now += pause * policy.window_ms / 1_000;
            let standing = log.take(policy, Millis(now));
            let before = log.clone();
            if !standing.admitted {
                let again = log.take(policy, Millis(now));
                prop_assert_eq!(again, standing);
                prop_assert_eq!(&log, &before);
            }
        }
    }

    /// The clock may be set back: the promise holds for the times that the log counted by, and somebody is admitted again in the end.
    #[test]
    fn a_clock_that_is_set_back_admits_no_more(policy in exact(), steps in prop::collection::vec((any::<bool>(), 0..1_200_u64), 1..200)) {
        let (mut log, mut model, mut now, mut latest) = (WindowLog::default(), Model::default(), BEGIN, BEGIN);
        for (back, step) in steps {
            let step = step * policy.window_ms / 2_000;
            now = if back { now.saturating_sub(step).max(latest.saturating_sub(policy.window_ms / 2)) } else { now + step };
            latest = latest.max(now);
            if log.take(policy, Millis(now)).admitted {
                model.0.push(log.0.last().unwrap().0.0);
            }
        }
        prop_assert!(model.densest(policy.window_ms) <= policy.limit as usize);
        prop_assert!(log.take(policy, Millis(latest + 2 * policy.window_ms)).admitted);
    }

    /// Isolates that share what they wrote, in any order and as often as they like: each keeps its own promise, nothing is counted that was
    /// not admitted, and of each grain at least the largest count survives.
    #[test]
    fn isolates_that_share_count_nothing_twice(
        policy in any_policy(),
        steps in prop::collection::vec((0..3_usize, 0..60_u64, prop::option::of(0..3_usize)), 1..300),
    ) {
        let mut logs = [WindowLog::default(), WindowLog::default(), WindowLog::default()];
        let mut stored = WindowLog::default();
        let mut models = [Model::default(), Model::default(), Model::default()];
        let mut now = BEGIN;
        for (isolate, pause, sharer) in steps {
            now += pause * policy.window_ms / 1_000;
            let standing = logs[isolate].take(policy, Millis(now));
            if standing.admitted {
                models[isolate].0.push(now);
            }
            if let Some(sharer) = sharer {
                logs[sharer].join(&stored, policy, Millis(now));
                stored = WindowLog::read(&serde_json::to_string(&logs[sharer]).unwrap()).unwrap();
            }
            let all: u64 = models.iter().map(|model| model.within(policy.window_ms + grain(policy), now) as u64).sum();
            for (log, model) in logs.iter().zip(&models) {
                let mut seen = log.clone();
                seen.forget(policy, Millis(now));
                prop_assert!(seen.count() <= all, "{} counted, {all} admitted", seen.count());
                prop_assert!(seen.count() >= (model.within(policy.window_ms, now) as u64).min(u64::from(policy.limit)));
                prop_assert!(log.0.len() <= LONGEST, "{} places", log.0.len());
            }
        }
        for model in &models {
            prop_assert!(model.densest(policy.window_ms) <= policy.limit as usize);
        }
    }

    /// Joining again changes nothing, and the order does not matter to what is decided.
    #[test]
    fn joining_is_a_join(policy in any_policy(), a in times(), b in times()) {
        let now = Millis(BEGIN + policy.window_ms);
        let log = |times: &[u64]| {
            let mut log = WindowLog::default();
            let mut sorted: Vec<u64> = times.iter().map(|part| BEGIN + part * policy.window_ms / 1_000).collect();
            sorted.sort_unstable();
            for at in sorted {
                log.take(policy, Millis(at));
            }
            log
        };
        let (a, b) = (log(&a), log(&b));
        let joined = |first: &WindowLog, second: &WindowLog| {
            let mut joined = first.clone();
            joined.join(&WindowLog::default(), policy, now);
            joined.join(second, policy, now);
            joined
        };
        let ab = joined(&a, &b);
        prop_assert_eq!(&ab, &joined(&b, &a));
        prop_assert_eq!(&ab, &joined(&ab, &b));
        prop_assert_eq!(&ab, &joined(&ab, &a));
    }

    /// What lies in KV may be anything.
    #[test]
    fn whatever_is_read_does_no_harm(policy in any_policy(), places in prop::collection::vec((any::<u64>(), any::<u32>()), 0..40), near in prop::collection::vec((0..3_000_000_u64, any::<u32>()), 0..40)) {
        let places: Vec<(u64, u32)> = places.into_iter().chain(near.into_iter().map(|(at, count)| (BEGIN + at, count))).collect();
        let text = serde_json::to_string(&places).unwrap();
        let read = WindowLog::read(&text).unwrap();
        let mut log = WindowLog::default();
        log.join(&read, policy, Millis(BEGIN));
        let standing: Standing = log.take(policy, Millis(BEGIN));
        prop_assert!(standing.wait_ms <= 2 * policy.window_ms);
        prop_assert!(log.0.len() <= LONGEST);
    }
}

fn times() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..1_000_u64, 0..300)
}

#[test]
fn headers_count_down_to_nothing() {
    let policy = Policy::new(3, 60);
    let mut log = WindowLog::default();
    let mut at = |second: u64| log.take(policy, Millis(BEGIN + second * 1_000));
    let expected = |admitted, remaining, wait_s: u64| Standing {
        admitted,
        remaining,
        wait_ms: wait_s * 1_000,
    };
    assert_eq!(at(0), expected(true, 2, 60));
    assert_eq!(at(10), expected(true, 1, 50));
    assert_eq!(at(20), expected(true, 0, 40));
    assert_eq!(at(30), expected(false, 0, 30));
    assert_eq!(at(59), expected(false, 0, 1));
    assert_eq!(at(60), expected(true, 0, 10));
}

#[test]
fn a_text_that_is_no_log_is_none() {
    for text in ["", "{}", "[[1]]", "[[-1,1]]", "[[1,1.5]]", "null"] {
        assert_eq!(WindowLog::read(text), None, "{text}");
    }
    let long = serde_json::to_string(&vec![(1_u64, 1_u32); LONGEST + 1]).unwrap();
    assert_eq!(WindowLog::read(&long), None);
}
