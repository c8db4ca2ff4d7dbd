//! Runs as they are seen, and histories of containers against what is counted of them.

use super::{COUNT_EVERY_MS, Look, Part, Run, note};
use molt_common::time::Millis;
use molt_common::usage::day::{DAY_MS, Day};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn look(generation: u64, launched_at: Option<u64>, running: bool, seen_at: u64) -> Look {
    Look {
        generation,
        tier: 1,
        launched_at: launched_at.map(Millis),
        running,
        seen_at: Some(Millis(seen_at)),
        watched: false,
    }
}

fn sum(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.ms).sum()
}

#[test]
fn a_stop_that_is_watched_counts_to_its_end_and_a_crash_to_the_last_look() {
    let (on, parts) = note(None, &look(1, Some(1_000), true, 0), Millis(1_200));
    assert_eq!(parts, []);
    let watched = Look {
        watched: true,
        ..look(1, Some(1_000), false, 9_900)
    };
    let (off, parts) = note(on.as_ref(), &watched, Millis(10_000));
    assert_eq!((off, sum(&parts)), (None, 9_000));
    let (off, parts) = note(on.as_ref(), &look(1, None, false, 4_000), Millis(30_000));
    assert_eq!((off, sum(&parts)), (None, 3_000));
}

#[test]
fn midnight_divides_a_run() {
    let began = Millis(DAY_MS * 20_000 - 5_000);
    let on = Run {
        generation: 1,
        tier: 2,
        counted_to: began,
    };
    let now = began.plus(DAY_MS + 6_000);
    let (on, parts) = note(Some(&on), &look(1, Some(0), true, now.0), now);
    let days: Vec<(u32, u64)> = parts.iter().map(|part| (part.day.0, part.ms)).collect();
    assert_eq!(days, [(19_999, 5_000), (20_000, DAY_MS), (20_001, 1_000)]);
    assert_eq!(on.map(|on| on.counted_to), Some(now));
}

#[test]
fn what_nobody_asked_for_is_not_counted() {
    let (on, parts) = note(None, &look(3, None, true, 500), Millis(1_000));
    assert_eq!((on, parts), (None, vec![]));
}

#[test]
fn a_start_that_took_the_place_of_another_begins_where_that_ended() {
    let on = Run {
        generation: 1,
        tier: 3,
        counted_to: Millis(1_000),
    };
    let (on, parts) = note(Some(&on), &look(2, Some(5_000), true, 4_000), Millis(6_000));
    assert_eq!((parts[0].tier, sum(&parts)), (3, 3_000));
    let on = on.unwrap();
    assert_eq!((on.generation, on.tier, on.counted_to), (2, 1, Millis(5_000)));
}

#[test]
fn a_clock_that_goes_back_counts_nothing_twice() {
    let on = Run {
        generation: 1,
        tier: 1,
        counted_to: Millis(100_000),
    };
    let (on, parts) = note(Some(&on), &look(1, Some(0), true, 90_000), Millis(90_000));
    assert_eq!(
        (sum(&parts), on.clone().map(|on| on.counted_to)),
        (0, Some(Millis(100_000)))
    );
    let (_, parts) = note(on.as_ref(), &look(1, None, false, 95_000), Millis(120_000));
    assert_eq!(sum(&parts), 0);
}

/// A container's life: pause before it is asked for, how long it lives, tier, whether it was stopped, and pauses between looks.
type Life = (u64, u64, u8, bool, Vec<u64>);

proptest! {
    /// Whatever is seen when: of each run everything up to its last look is counted, never more than it lasted, and each day gets its own part.
    #[test]
    fn every_run_is_counted_once(
        start in 0_u64..DAY_MS,
        lives in prop::collection::vec(
            (0_u64..100_000, 1_u64..2 * DAY_MS, 1_u8..4, any::<bool>(), prop::collection::vec(1_u64..DAY_MS / 3, 1..12)), 1..6),
    ) {
        let lives: Vec<Life> = lives;
        let mut now = 20_000 * DAY_MS + start;
        let (mut on, mut counted) = (None::<Run>, BTreeMap::<(Day, u8), u64>::new());
        let (mut least, mut most) = (BTreeMap::<u8, u64>::new(), BTreeMap::<u8, u64>::new());
        for (index, (pause, lasts, tier, stopped, pauses)) in lives.into_iter().enumerate() {
            now += pause;
            let (launched, end) = (now, now + lasts);
            let mut seen = now;
            let mut last_running = None;
            for pause in pauses.into_iter().cycle() {
                now += pause;
                let running = now < end;
                // What stops is looked at all the time.
                if !running && stopped {
                    now = end;
                }
                let look = Look {
                    generation: index as u64 + 1,
                    tier,
                    launched_at: running.then_some(Millis(launched)),
                    running,
                    seen_at: Some(Millis(seen)),
                    watched: !running && stopped,
                };
                let (next, parts) = note(on.as_ref(), &look, Millis(now));
                // Said twice it counts once.
                let again = Look { seen_at: Some(Millis(now)), ..look };
                let (_, repeated) = note(next.as_ref(), &again, Millis(now));
                prop_assert_eq!(sum(&repeated), 0);
                on = next;
                for part in parts {
                    *counted.entry((part.day, part.tier)).or_default() += part.ms;
                }
                if running {
                    last_running = Some(now);
                    prop_assert!(on.as_ref().is_some_and(|on| now - on.counted_to.0 < COUNT_EVERY_MS || on.counted_to.0 == launched));
                }
                seen = now;
                if !running {
                    break;
                }
            }
            prop_assert!(on.is_none());
            let Some(last) = last_running else { continue };
            *most.entry(tier).or_default() += lasts;
            *least.entry(tier).or_default() += if stopped { lasts } else { last - launched };
        }
        let mut by_tier = BTreeMap::<u8, u64>::new();
        for ((_, tier), ms) in &counted {
            prop_assert!(*ms <= DAY_MS);
            *by_tier.entry(*tier).or_default() += ms;
        }
        for tier in 1..4 {
            let of = |map: &BTreeMap<u8, u64>| map.get(&tier).copied().unwrap_or(0);
            prop_assert!(of(&least) <= of(&by_tier) && of(&by_tier) <= of(&most), "{tier}: {least:?} {by_tier:?} {most:?}");
        }
    }
}
