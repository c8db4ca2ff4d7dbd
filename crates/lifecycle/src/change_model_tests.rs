//! Every interleaving of a small world up to a depth, checked with `stateright`: which ends a change may tell, and that it tells one.

#[path = "change_model/parts.rs"]
mod parts;
#[path = "change_model/world.rs"]
mod world;

use crate::change::Step;
use molt_common::api::JobState;
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::{RestartScope, Wanted};
use parts::{Action, Budget};
use proptest::prelude::*;
use stateright::{Checker, Expectation, Model, Property};
use world::{TIMEOUT_MS, World};

const AGENT: Wanted = Wanted::Restart {
    scope: RestartScope::Agent,
};
const SANDBOX: Wanted = Wanted::Restart {
    scope: RestartScope::Sandbox,
};
const WANTED: [Wanted; 6] = [
    Wanted::Wake,
    AGENT,
    SANDBOX,
    Wanted::EmergencyReset,
    Wanted::Destroy,
    Wanted::Tier { tier: 2 },
];
const FOUND: [Lifecycle; 5] = [
    Lifecycle::Stopped,
    Lifecycle::Starting,
    Lifecycle::Running,
    Lifecycle::Stopping,
    Lifecycle::Failed,
];

struct OneChange(Wanted, Budget);

impl Model for OneChange {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut worlds = FOUND.map(|found| World::new(self.0.clone(), found, self.1)).to_vec();
        worlds.push(World::leftover(self.0.clone(), self.1));
        worlds
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.apply(action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("an end is true", |_, world: &World| is_true(world)),
            Property::always("an end is final", |_, world: &World| {
                world.ended.as_ref().is_none_or(|(change, _)| *change == world.change)
            }),
            Property::always("nothing that began after it is undone by it", |_, world: &World| {
                !world.undone
            }),
            Property::always("a fair world brings success, or a failure that happened", |_, world| {
                ends(world)
            }),
            // So that the properties above are not true of nothing.
            Property::sometimes("succeeded", |_, world: &World| {
                world.change.state == JobState::Succeeded && world.change.started_at.is_some()
            }),
            Property::sometimes("timed out", |_, world: &World| world.change.state == JobState::TimedOut),
            Property::sometimes("cancelled", |_, world: &World| {
                world.change.state == JobState::Cancelled
            }),
        ]
    }
}

/// What the change says has happened has happened, and was seen.
fn is_true(world: &World) -> bool {
    let Some((change, look)) = &world.ended else {
        return !world.change.state.is_terminal() || world.change.started_at.is_none();
    };
    let ready = look
        .filter(|look| look.at >= change.created_at && look.answered)
        .and_then(|look| look.found)
        .filter(|found| found.ready && found.generation == change.generation);
    let newer = change.generation > change.generation_before;
    match change.state {
        JobState::Succeeded => match &change.wanted {
            Wanted::Wake => ready.is_some(),
            Wanted::Restart {
                scope: RestartScope::Agent,
            } => {
                // On the same disk, or nothing was asked of that one before it went by itself.
                ready.is_some_and(|found| found.agent > world.agents_before) && (!newer || !world.taken)
            }
            Wanted::Restart { .. } | Wanted::EmergencyReset | Wanted::Tier { .. } | Wanted::Image { .. } => {
                ready.is_some() && newer
            }
            // No world asks for these.
            Wanted::Save | Wanted::Restore { .. } | Wanted::Upkeep { .. } => false,
            Wanted::Destroy => world
                .container
                .is_none_or(|container| container.generation > change.generation_before),
        },
        JobState::Failed => world.troubled && change.error.is_some(),
        JobState::TimedOut => {
            change.error.is_some()
                && change
                    .completed_at
                    .is_some_and(|at| at.since(change.created_at) >= TIMEOUT_MS)
        }
        JobState::Cancelled => change.error.is_some(),
        _ => false,
    }
}

/// From here on everything answers, containers come up and go, and time passes slowly: the change ends before its deadline, unless that has
/// passed, and truly. Without trouble it ends well.
fn ends(world: &World) -> bool {
    let mut world = world.clone();
    let late = world.now >= world.change.deadline();
    for _ in 0..60 {
        if world.change.state.is_terminal() {
            let well = world.troubled || late || world.left.cancels == 0 || world.change.state == JobState::Succeeded;
            let in_time = late || world.change.state != JobState::TimedOut;
            return is_true(&world) && well && in_time;
        }
        if world.call.is_some() {
            world.apply(Action::Arrive);
        }
        if world.answer.is_some() {
            world.apply(Action::Answer);
        }
        match (world.lifecycle, world.container) {
            (Lifecycle::Starting, None) => world.apply(Action::ContainerStarts),
            (Lifecycle::Stopping, Some(_)) => world.apply(Action::StopTakesEffect),
            (_, Some(container)) if container.restart == Some(false) => world.apply(Action::AgentExists),
            (_, Some(container)) if !container.ready => world.apply(Action::AgentReady),
            _ => {}
        }
        world.look(true);
        world.left.steps = 2;
        world.apply(Action::Drive);
        // The lease of a call that is lost, and the back-off of the machine, end within the time of a change.
        world.now = world.now.plus(500);
    }
    false
}

const fn budget(steps: u8, troubles: u8, others: u8, passes: u8, cancels: u8) -> Budget {
    Budget {
        steps,
        troubles,
        others,
        passes,
        cancels,
    }
}

/// Visits every state that the budgets allow; what must be seen somewhere must be in one of them.
fn check(budgets: &[Budget]) {
    for wanted in WANTED {
        let mut unseen: Option<Vec<&str>> = None;
        for budget in budgets {
            let checker = OneChange(wanted.clone(), *budget)
                .checker()
                .threads(2)
                .spawn_bfs()
                .join();
            println!("{wanted:?} {budget:?}: {} states", checker.unique_state_count());
            let mut here = vec![];
            for property in checker.model().properties() {
                if property.expectation != Expectation::Sometimes {
                    checker.assert_no_discovery(property.name);
                } else if checker.discovery(property.name).is_none() {
                    here.push(property.name);
                }
            }
            unseen = Some(match unseen {
                None => here,
                Some(before) => before.into_iter().filter(|name| here.contains(name)).collect(),
            });
        }
        assert_eq!(unseen, Some(vec![]), "{wanted:?}: never seen in any world");
    }
}

#[test]
fn no_order_of_events_tells_an_untrue_end() {
    check(&[
        budget(10, 0, 1, 0, 0),
        budget(8, 1, 0, 0, 1),
        budget(7, 1, 1, 0, 0),
        budget(4, 1, 2, 0, 0),
        budget(6, 1, 0, 1, 0),
        budget(7, 2, 0, 0, 0),
    ]);
}

/// Minutes: `cargo test --release -p molt-lifecycle -- --ignored model`.
#[test]
#[ignore = "takes minutes"]
fn no_order_of_more_events_tells_an_untrue_end() {
    check(&[
        budget(12, 1, 2, 0, 0),
        budget(10, 2, 1, 0, 0),
        budget(10, 3, 0, 0, 0),
        budget(8, 2, 1, 1, 1),
        budget(8, 2, 0, 2, 0),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    /// The same world at random, for histories that are too long to be visited all.
    #[test]
    fn no_long_history_tells_an_untrue_end(which in 0_usize..6, found in 0_usize..6, choices in prop::collection::vec(any::<u16>(), 0..160)) {
        let model = OneChange(WANTED[which].clone(), budget(100, 6, 4, 4, 1));
        let mut world = model.init_states().swap_remove(found);
        let mut actions = vec![];
        for choice in choices {
            actions.clear();
            world.actions(&mut actions);
            let Some(action) = usize::from(choice).checked_rem(actions.len()).map(|index| actions[index]) else { break };
            world.apply(action);
            for property in model.properties() {
                if property.expectation == Expectation::Always {
                    prop_assert!((property.condition)(&model, &world), "{}: {:?} {:?}", property.name, action, world);
                }
            }
        }
    }
}

/// What has ended asks for nothing more.
#[test]
fn an_end_asks_for_nothing() {
    let mut world = World::new(AGENT, Lifecycle::Running, budget(9, 0, 0, 0, 1));
    world.apply(Action::Cancel);
    assert_eq!(world.drive(), Step::Nothing);
}
