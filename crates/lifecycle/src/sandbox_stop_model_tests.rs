//! Every course of one stop, checked with `stateright`: a supervisor that saves or stands still, that answers each look or does not, and a clock.
//! Nothing that was seen to save is cut off before it has stood still for long, and every stop ends.

use super::disk::{STOP_MOST_MS, STOP_STALL_MS};
use super::disk_tests::{disk, running, told};
use super::tests::{T0, silent};
use super::*;
use molt_common::control::SupervisorPhase;
use molt_common::control::snapshot::{RestoreStage, SaveStage, SnapshotStatus};
use stateright::{Checker, Model, Property};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Deed {
    /// The last save begins, or gets further.
    Saves,
    /// Its container ends.
    Ends,
    Look {
        answered: bool,
    },
    Pass(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stop {
    sandbox: Sandbox,
    now: Millis,
    /// Bytes that the last save has read, once it has begun.
    saved: Option<u64>,
    container: bool,
    /// Whether it was heard since TERM.
    heard: bool,
    /// How far the last save was when it was heard last, and since when it was heard to be so.
    seen: (Option<u64>, Millis),
    deeds_left: u8,
    broken: Option<&'static str>,
}

impl Stop {
    fn status(&self) -> SnapshotStatus {
        let save = self.saved.map(|bytes| ("stop", SaveStage::Reading, bytes));
        disk(RestoreStage::Done, 0, save)
    }

    fn was_cut(&self) -> bool {
        self.sandbox.stage == Stage::Stopped && self.sandbox.disk.cut
    }

    fn look(&mut self, answered: bool) {
        let event = match (self.container, answered) {
            (true, true) => {
                if self.saved != self.seen.0 {
                    self.seen = (self.saved, self.now);
                }
                self.heard = true;
                told(1, SupervisorPhase::Stopping, Some(self.status()))
            }
            (container, _) => silent(container),
        };
        let actions = self.sandbox.step(event, self.now);
        if !actions.contains(&Action::Destroy) {
            return;
        }
        let took = self.now.since(T0);
        let waited = if self.heard {
            took >= STOP_MOST_MS || self.now.since(self.seen.1) >= STOP_STALL_MS
        } else {
            took >= STOP_DEADLINE_MS
        };
        if self.container && !waited {
            self.broken = Some("a save that went on was cut off");
        }
        self.container = false;
    }
}

struct Course;

impl Model for Course {
    type State = Stop;
    type Action = Deed;

    fn init_states(&self) -> Vec<Stop> {
        let mut sandbox = running();
        sandbox.step(Event::StopWanted(BeforeStop::Discard), T0);
        vec![Stop {
            sandbox,
            now: T0,
            saved: None,
            container: true,
            heard: false,
            seen: (None, T0),
            deeds_left: 9,
            broken: None,
        }]
    }

    fn actions(&self, stop: &Stop, deeds: &mut Vec<Deed>) {
        if stop.deeds_left == 0 || stop.sandbox.stage == Stage::Stopped {
            return;
        }
        deeds.extend([false, true].map(|answered| Deed::Look { answered }));
        deeds.extend([1_000, STOP_DEADLINE_MS, STOP_STALL_MS].map(Deed::Pass));
        if stop.container {
            deeds.extend([Deed::Saves, Deed::Ends]);
        }
    }

    fn next_state(&self, stop: &Stop, deed: Deed) -> Option<Stop> {
        let mut next = stop.clone();
        next.deeds_left -= 1;
        match deed {
            Deed::Saves => next.saved = Some(next.saved.map_or(0, |bytes| bytes + 1)),
            Deed::Ends => next.container = false,
            Deed::Look { answered } => next.look(answered),
            Deed::Pass(ms) => next.now = next.now.plus(ms),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing that saves is cut off", |_, stop: &Stop| stop.broken.is_none()),
            Property::always("silence ends it in the end", |_, stop: &Stop| {
                let mut stop = stop.clone();
                stop.now = stop.now.plus(STOP_STALL_MS);
                stop.look(false);
                // One that was heard just now has stood still for that long by then, or has ended.
                stop.sandbox.stage == Stage::Stopped
            }),
            Property::sometimes("cut off after it was heard", |_, stop: &Stop| {
                stop.was_cut() && stop.heard && stop.saved.is_some()
            }),
            Property::sometimes("cut off unheard", |_, stop: &Stop| stop.was_cut() && !stop.heard),
            Property::sometimes("in order, later than a silent one may", |_, stop: &Stop| {
                let in_order = stop.sandbox.stage == Stage::Stopped && !stop.sandbox.disk.cut;
                in_order && stop.now.since(T0) >= STOP_DEADLINE_MS + STOP_STALL_MS
            }),
        ]
    }
}

#[test]
fn no_course_of_a_stop_cuts_off_a_save_that_goes_on() {
    Course.checker().threads(2).spawn_bfs().join().assert_properties();
}

/// The course that cost data: it was heard until the save kept it too busy for one answer.
#[test]
fn one_answer_that_does_not_come_ends_no_stop() {
    let mut sandbox = running();
    sandbox.step(Event::StopWanted(BeforeStop::Discard), T0);
    let saves = |bytes| {
        let save = Some(("stop", SaveStage::Reading, bytes));
        told(1, SupervisorPhase::Stopping, Some(disk(RestoreStage::Done, 0, save)))
    };
    sandbox.step(saves(5), T0.plus(STOP_DEADLINE_MS - 150));
    let silence = sandbox.step(silent(true), T0.plus(STOP_DEADLINE_MS + 2_000));
    assert_eq!((silence.contains(&Action::Destroy), sandbox.disk.cut), (false, false));
    sandbox.step(saves(9), T0.plus(STOP_DEADLINE_MS + 2_500));
    sandbox.step(silent(false), T0.plus(STOP_DEADLINE_MS + 9_000));
    assert_eq!((sandbox.stage.clone(), sandbox.disk.cut), (Stage::Stopped, false));
}
