use super::{MOST_ROUNDS, PATIENCE_MS, Removal, SETTLE_MS, Step, Told};
use molt_common::api::jobs::JobState;
use molt_common::api::removal::Place;
use molt_common::time::Millis;
use proptest::prelude::*;
use std::collections::HashMap;

const BEGAN: Millis = Millis(1_800_000_000_000);

/// What lies where, and a clock.
struct World {
    things: HashMap<Place, u64>,
    suspended: bool,
    now: Millis,
}

impl World {
    fn new(things: &[u64]) -> Self {
        Self {
            things: Place::ALL.into_iter().zip(things.iter().copied()).collect(),
            suspended: false,
            now: BEGAN,
        }
    }

    /// Takes a step, a hundred things at a time.
    fn take(&mut self, step: Step) -> Told {
        self.now = self.now.plus(10);
        match step {
            Step::Empty(place) => {
                self.suspended |= place == Place::Sessions;
                let there = self.things.entry(place).or_default();
                let removed = (*there).min(100);
                *there -= removed;
                let bytes = removed * 2;
                if *there > 0 {
                    Told::More { removed, bytes }
                } else {
                    Told::Done { removed, bytes }
                }
            }
            Step::Count(place) => Told::Counted {
                left: self.things.get(&place).copied().unwrap_or(0),
            },
            Step::Finish => {
                self.suspended = false;
                Told::Done { removed: 0, bytes: 0 }
            }
            Step::Wait(until) => {
                self.now = until;
                Told::Later { after_ms: 0 }
            }
            Step::Over => unreachable!(),
        }
    }
}

fn run(removal: &mut Removal, world: &mut World, mut disturb: impl FnMut(&mut World, Step) -> Option<Told>) -> u32 {
    let mut steps = 0;
    loop {
        let step = removal.next(world.now);
        if step == Step::Over {
            return steps;
        }
        steps += 1;
        assert!(steps < 10_000, "it never ends: {removal:?}");
        let told = disturb(world, step).unwrap_or_else(|| world.take(step));
        removal.told(step, told, world.now);
    }
}

#[test]
fn everything_goes_in_order_and_is_counted_before_the_suspension_is_lifted() {
    let mut world = World::new(&[1, 1, 30, 2_500, 0, 7, 12]);
    let mut removal = Removal::new(BEGAN);
    let mut order = Vec::new();
    run(&mut removal, &mut world, |world, step| {
        if order.last() != Some(&step) && !matches!(step, Step::Wait(_)) {
            order.push(step);
        }
        if step == Step::Finish {
            assert!(world.suspended && world.now >= BEGAN.plus(SETTLE_MS));
        }
        None
    });
    let emptied = Place::ALL.map(Step::Empty);
    let counted = Place::ALL.map(Step::Count);
    let wanted: Vec<Step> = emptied.into_iter().chain(counted).chain([Step::Finish]).collect();
    assert_eq!(order, wanted);
    assert_eq!(removal.state, JobState::Succeeded);
    assert_eq!(removal.places.iter().map(|place| place.removed).sum::<u64>(), 2_551);
    assert!(removal.places.iter().all(|place| place.left == Some(0)));
    assert!(!world.suspended);
}

#[test]
fn what_is_written_meanwhile_is_found_and_removed() {
    let mut world = World::new(&[1, 1, 1, 10, 0, 0, 1]);
    let mut removal = Removal::new(BEGAN);
    let mut late = true;
    run(&mut removal, &mut world, |world, step| {
        if step == Step::Count(Place::Sessions) && std::mem::take(&mut late) {
            world.things.insert(Place::Snapshots, 3);
        }
        None
    });
    let snapshots = &removal.places[3];
    assert_eq!(
        (removal.state, snapshots.removed, snapshots.left),
        (JobState::Succeeded, 13, Some(0))
    );
}

#[test]
fn what_comes_again_and_again_fails_it_and_says_where() {
    let mut world = World::new(&[0; 7]);
    let mut removal = Removal::new(BEGAN);
    let mut rounds = 0;
    run(&mut removal, &mut world, |_, step| {
        (step == Step::Count(Place::Commands)).then(|| {
            rounds += 1;
            Told::Counted { left: 2 }
        })
    });
    assert_eq!((removal.state, rounds), (JobState::Failed, MOST_ROUNDS));
    assert!(removal.error.unwrap().contains("2 left in commands"));
    assert!(world.suspended, "nobody comes in while something is left");
}

#[test]
fn failures_are_tried_again_for_a_day() {
    let mut world = World::new(&[1; 7]);
    let mut removal = Removal::new(BEGAN);
    let tries = run(&mut removal, &mut world, |_, step| {
        matches!(step, Step::Empty(Place::Sandbox)).then(|| Told::Failed { why: "away".into() })
    });
    assert_eq!(
        (removal.state, removal.error.as_deref()),
        (JobState::Failed, Some("away"))
    );
    assert!(world.now >= BEGAN.plus(PATIENCE_MS) && tries < 4_000, "{tries}");
    assert!(world.suspended);
}

proptest! {
    /// Whatever fails or is interrupted (the stored state is read again), it ends with nothing left, and nobody was let in before.
    #[test]
    fn it_ends_with_nothing_left(things in prop::collection::vec(0_u64..350, 7), faults in prop::collection::vec(0_u8..6, 0..60)) {
        let mut world = World::new(&things);
        let mut removal = Removal::new(BEGAN);
        let mut faults = faults.into_iter();
        let mut steps = 0;
        loop {
            let step = removal.next(world.now);
            if step == Step::Over {
                break;
            }
            steps += 1;
            prop_assert!(steps < 10_000);
            match faults.next() {
                // It failed, having done nothing.
                Some(0) => removal.told(step, Told::Failed { why: "away".into() }, world.now),
                // It was done, and nobody heard of it.
                Some(1) => drop(world.take(step)),
                // It was done and told, and the object began anew from what it stored.
                Some(2) => {
                    let told = world.take(step);
                    removal.told(step, told, world.now);
                    removal = serde_json::from_str(&serde_json::to_string(&removal).unwrap()).unwrap();
                }
                _ => {
                    let told = world.take(step);
                    removal.told(step, told, world.now);
                }
            }
            if removal.state == JobState::Succeeded {
                prop_assert!(world.things.values().all(|left| *left == 0));
            }
        }
        prop_assert_eq!(removal.state, JobState::Succeeded);
    }
}
