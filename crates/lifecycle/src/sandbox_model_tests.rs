//! Every interleaving of a small world up to a depth, checked with `stateright`: one container at a time, nothing in the breaker's pause, no sleep
//! of what is used, no lost wake-up, and a world that answers again serves whoever waits.

#[path = "sandbox_model/promises.rs"]
mod promises;
#[path = "sandbox_model/told.rs"]
mod told;
#[path = "sandbox_model/world.rs"]
mod world;

use super::{Rest, Stage};
use proptest::prelude::*;
use stateright::{Checker, Expectation, Model, Property};
use std::collections::BTreeSet;
use world::{Action, Budget, World};

struct Life(Budget);

impl Model for Life {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.0), World::running(self.0, 0), World::running(self.0, 4)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.apply(action).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no promise is broken", |_, world: &World| world.broken.is_none()),
            Property::always("what goes on has an alarm", |_, world: &World| {
                let goes_on = world.sandbox.lives(world.sandbox.generation);
                !goes_on || world.sandbox.next_alarm(world.now, false).is_some()
            }),
            Property::always("a planned wake-up has an alarm", |_, world: &World| {
                let at_rest = matches!(world.sandbox.stage, Stage::Stopped | Stage::Failed { .. });
                !at_rest || world.sandbox.wakes_at.is_none() || world.sandbox.next_alarm(world.now, false).is_some()
            }),
            Property::always("the stored state is read again", |_, world: &World| {
                let text = serde_json::to_string(&world.sandbox).unwrap_or_default();
                serde_json::from_str(&text).is_ok_and(|read: super::Sandbox| read == world.sandbox)
            }),
            Property::always("whoever waits is served by a fair world", |_, world: &World| {
                serves(world)
            }),
            Property::always("a sleeper with a plan wakes by itself", |_, world: &World| wakes(world)),
            // So that the properties above are not true of nothing.
            Property::sometimes("asleep", |_, world: &World| {
                world.sandbox.rest == Rest::Asleep && world.sandbox.stage == Stage::Stopped
            }),
            Property::sometimes("needed while it goes to sleep", |_, world: &World| {
                world.sandbox.needed_again
            }),
            Property::sometimes("woken by its schedule", |_, world: &World| world.woke_by_schedule),
            Property::sometimes("waits for room", |_, world: &World| world.sandbox.capacity.is_some()),
            Property::sometimes("the breaker is open", |_, world: &World| {
                matches!(world.sandbox.stage, Stage::Failed { .. }) && world.sandbox.breaker.is_half_open()
            }),
            Property::sometimes("launched again after a cut", |_, world: &World| world.relaunched),
            Property::sometimes("runs in a second generation", |_, world: &World| {
                world.sandbox.stage == Stage::Running && world.sandbox.generation == 2
            }),
        ]
    }
}

/// From here on the engine obeys, containers come up and nothing else happens: whoever asks is served, and soon.
fn serves(world: &World) -> bool {
    let mut world = world.clone();
    world.in_flight = false;
    for _ in 0..40 {
        world.need();
        if world.in_flight {
            return true;
        }
        world.alarm(None, false);
        world.advance();
        if matches!(world.sandbox.stage, Stage::Failed { .. }) || world.sandbox.capacity.is_some() {
            world.pass_to_alarm_or(0);
        }
    }
    false
}

/// Nobody asks any more: what the agent planned brings it up.
fn wakes(world: &World) -> bool {
    let planned = world.sandbox.rest == Rest::Asleep && world.sandbox.wakes_at.is_some();
    if !planned || world.sandbox.stage != Stage::Stopped {
        return true;
    }
    let mut world = world.clone();
    let generation = world.sandbox.generation;
    for _ in 0..40 {
        if world.sandbox.stage == Stage::Running && world.sandbox.generation > generation {
            return true;
        }
        world.pass_to_alarm_or(0);
        world.alarm(None, false);
        world.advance();
    }
    false
}

const fn budget(needs: u8, alarms: u8, crashes: u8, evictions: u8, stops: u8, refusals: u8, passes: u8) -> Budget {
    Budget {
        needs,
        alarms,
        crashes,
        evictions,
        stops,
        refusals,
        passes,
    }
}

/// Visits every state that the budgets allow; a property that must be seen somewhere must be in one of them.
fn check(budgets: &[Budget]) {
    let mut unseen: Option<BTreeSet<&str>> = None;
    for budget in budgets {
        let checker = Life(*budget).checker().threads(2).spawn_bfs().join();
        println!("{budget:?}: {} states", checker.unique_state_count());
        let mut here = BTreeSet::new();
        for property in checker.model().properties() {
            if property.expectation != Expectation::Sometimes {
                checker.assert_no_discovery(property.name);
            } else if checker.discovery(property.name).is_none() {
                here.insert(property.name);
            }
        }
        unseen = Some(unseen.map_or_else(|| here.clone(), |before| &before & &here));
    }
    assert_eq!(unseen, Some(BTreeSet::new()), "never seen in any world");
}

#[test]
fn no_order_of_events_breaks_a_promise() {
    check(&[
        budget(1, 4, 0, 0, 0, 0, 3),
        budget(1, 4, 1, 1, 0, 0, 1),
        budget(1, 4, 0, 0, 1, 0, 1),
        budget(1, 4, 0, 1, 0, 1, 1),
        budget(1, 3, 1, 0, 1, 0, 1),
    ]);
}

/// Minutes: `cargo test --release -p molt-lifecycle -- --ignored model`.
#[test]
#[ignore = "takes minutes"]
fn no_order_of_more_events_breaks_a_promise() {
    check(&[
        budget(2, 7, 1, 1, 0, 0, 3),
        budget(2, 5, 1, 1, 1, 1, 2),
        budget(1, 6, 0, 1, 1, 1, 3),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// The same world at random, for histories that are too long to be visited all.
    #[test]
    fn no_long_history_breaks_a_promise(choices in prop::collection::vec(any::<u16>(), 0..150)) {
        let mut world = World::new(budget(40, 200, 12, 12, 4, 12, 60));
        let mut actions = vec![];
        for choice in choices {
            actions.clear();
            world.actions(&mut actions);
            let Some(action) = usize::from(choice).checked_rem(actions.len()).map(|index| actions[index]) else { break };
            world.apply(action);
            for property in Life(world.left).properties() {
                if property.expectation == Expectation::Always {
                    prop_assert!((property.condition)(&Life(world.left), &world), "{}: {:?} {:?}", property.name, action, world);
                }
            }
        }
    }
}
