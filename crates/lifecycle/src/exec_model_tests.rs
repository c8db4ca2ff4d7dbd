//! Every interleaving of a small world up to a depth, checked with `stateright`: which ends a job may tell, and that it tells one.

#[path = "exec_model/told.rs"]
mod told;
#[path = "exec_model/world.rs"]
mod world;

use crate::exec::{CALL_LEASE_MS, Next};
use molt_common::api::JobState;
use proptest::prelude::*;
use stateright::{Checker, Expectation, Model, Property};
use std::collections::BTreeSet;
use world::{Action, Budget, End, Process, Stage, World};

struct Job(Budget);

impl Model for Job {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let stopped = World::new(self.0);
        let running = World {
            stage: Stage::Running,
            generation: 1,
            alive: true,
            ..stopped.clone()
        };
        let failing = World {
            will_exit: 7,
            ..running.clone()
        };
        vec![stopped, running, failing]
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
            Property::always("an end is true", |_, world: &World| is_true(world)),
            Property::always("an end is final", |_, world: &World| {
                world.ended.as_ref().is_none_or(|(job, _)| *job == world.job)
            }),
            Property::always("the command is started at most once", |_, world: &World| {
                world.starts <= 1
            }),
            Property::always("nothing is lost that somebody could tell", |_, world: &World| {
                world
                    .ended
                    .as_ref()
                    .is_none_or(|(job, could_tell)| job.state != JobState::Lost || !could_tell)
            }),
            Property::always("a fair world brings an end, and a true one", |_, world: &World| {
                ends(world)
            }),
            // So that the properties above are not true of nothing.
            Property::sometimes("succeeded", |_, world: &World| world.job.state == JobState::Succeeded),
            Property::sometimes("failed", |_, world: &World| world.job.state == JobState::Failed),
            Property::sometimes("timed out", |_, world: &World| world.job.state == JobState::TimedOut),
            Property::sometimes("lost", |_, world: &World| world.job.state == JobState::Lost),
            Property::sometimes("rejected", |_, world: &World| world.job.state == JobState::Rejected),
            Property::sometimes("cancelled before it started", |_, world: &World| {
                world.job.state == JobState::Cancelled && world.process == Process::Never
            }),
            Property::sometimes("cancelled while it ran", |_, world: &World| {
                world.job.state == JobState::Cancelled && world.process != Process::Never
            }),
            Property::sometimes("succeeded although a cancel was wanted", |_, world: &World| {
                world.job.state == JobState::Succeeded && world.job.cancel_wanted
            }),
            Property::sometimes("runs in a second generation", |_, world: &World| {
                world.job.state == JobState::Running && world.generation == 2
            }),
        ]
    }
}

/// What the job says has happened has happened, and goes on being so.
fn is_true(world: &World) -> bool {
    let ended = |how| matches!(world.process, Process::Ended { how: other, .. } if other == how);
    let code = world.job.exit_code;
    match world.job.state {
        JobState::Succeeded => ended(End::Exit(0)) && code == Some(0),
        JobState::Failed => ended(End::Exit(7)) && code == Some(7),
        JobState::TimedOut => ended(End::TimedOut) && code.is_none(),
        JobState::Cancelled => (world.starts == 0 || ended(End::Stopped)) && code.is_none(),
        JobState::Rejected => world.starts == 0 && code.is_none(),
        // Never of what was certainly not handed over.
        JobState::Lost => code.is_none() && (world.starts > 0 || !world.untold.is_empty()),
        JobState::Queued | JobState::Waking | JobState::Starting | JobState::Running => code.is_none(),
    }
}

/// From here on everything answers, sandboxes come up, and time passes: the job ends, and truly.
fn ends(world: &World) -> bool {
    let mut world = world.clone();
    for _ in 0..40 {
        if world.job.state.is_terminal() {
            return is_true(&world);
        }
        while !world.calls.is_empty() {
            world.apply(Action::Arrive(0));
        }
        while !world.answers.is_empty() {
            world.apply(Action::Answer(0));
        }
        match world.stage {
            Stage::Starting => world.stage = Stage::Running,
            Stage::Stopping | Stage::Running if world.stage == Stage::Stopping || !world.alive => {
                world.apply(Action::SandboxGone);
            }
            _ => {}
        }
        world.turn();
        if matches!(world.calls.last(), Some((turn, _)) if !matches!(turn.next, Next::Wake)) {
            world.apply(Action::Arrive(world.calls.len() - 1));
            world.apply(Action::Answer(world.answers.len() - 1));
            world.pass(CALL_LEASE_MS);
        }
    }
    false
}

const fn budget(turns: u8, losses: u8, repeats: u8, ends: u8, passes: u8, cancels: u8) -> Budget {
    Budget {
        turns,
        losses,
        repeats,
        ends,
        passes,
        cancels,
    }
}

/// Visits every state that the budgets allow; a property that must be seen somewhere must be in one of them.
fn check(budgets: &[Budget]) {
    let mut unseen: Option<BTreeSet<&str>> = None;
    for budget in budgets {
        let checker = Job(*budget).checker().threads(2).spawn_bfs().join();
        println!(
            "{budget:?}: {} states, at most {} steps",
            checker.unique_state_count(),
            checker.max_depth()
        );
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
fn no_order_of_events_tells_an_untrue_end() {
    check(&[
        budget(4, 1, 0, 1, 0, 1),
        budget(5, 0, 1, 1, 0, 1),
        budget(4, 1, 0, 0, 1, 1),
        budget(3, 1, 0, 1, 1, 0),
        budget(3, 0, 0, 1, 1, 1),
        budget(6, 0, 0, 2, 0, 0),
    ]);
}

/// Minutes, and gigabytes of memory: `cargo test --release -p molt-lifecycle -- --ignored model`.
#[test]
#[ignore = "takes minutes"]
fn no_order_of_more_events_tells_an_untrue_end() {
    check(&[
        budget(5, 1, 1, 1, 0, 1),
        budget(5, 1, 0, 1, 1, 0),
        budget(5, 0, 0, 1, 1, 1),
        budget(5, 1, 0, 0, 1, 1),
        budget(5, 0, 0, 0, 2, 1),
        budget(6, 1, 0, 2, 0, 1),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    /// The same world at random, for histories that are too long to be visited all.
    #[test]
    fn no_long_history_tells_an_untrue_end(choices in prop::collection::vec(any::<u16>(), 0..120), exits in prop::bool::ANY) {
        let mut world = World::new(budget(60, 12, 6, 6, 6, 1));
        world.will_exit = if exits { 0 } else { 7 };
        let mut actions = vec![];
        for choice in choices {
            actions.clear();
            world.actions(&mut actions);
            let Some(action) = usize::from(choice).checked_rem(actions.len()).map(|index| actions[index]) else { break };
            world.apply(action);
            for property in Job(world.left).properties() {
                if property.expectation == Expectation::Always {
                    prop_assert!((property.condition)(&Job(world.left), &world), "{}: {:?} {:?}", property.name, action, world);
                }
            }
        }
    }
}
