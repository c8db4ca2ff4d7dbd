//! A restart that nobody waits for any more leaves no sandbox stopped for good.

use super::disk::SAVE_STALL_MS;
use super::disk_tests::{done, running, saving, told};
use super::given_up::SHUT_OUT_AGAIN_MS;
use super::tests::{T0, needed, silent};
use super::*;
use molt_common::control::SupervisorPhase;
use molt_common::control::snapshot::SaveStage;
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::KeepAlive;

const WITHDRAWN: Event = Event::StopWithdrawn { generation: 1 };
/// When its agent has something to do by itself.
const PLAN: Millis = T0.plus(3_600_000);

/// A running sandbox with a plan, which somebody wants stopped.
fn stopping(before: BeforeStop) -> Sandbox {
    let mut sandbox = running();
    sandbox.next_wake_at = Some(PLAN);
    sandbox.step(Event::StopWanted(before), T0);
    sandbox
}

#[test]
fn one_that_still_waits_for_its_save_goes_on() {
    let mut sandbox = stopping(BeforeStop::Save);
    let saved = saving(&sandbox, SaveStage::Done, 9);
    assert_eq!(sandbox.step(WITHDRAWN, T0.plus(5)), [Action::Announce]);
    assert_eq!(sandbox.step(WITHDRAWN, T0.plus(5)), [], "once");
    // The save that was asked for ends, and is one like any other.
    assert!(!sandbox.step(saved, T0.plus(9)).contains(&Action::Terminate));
    sandbox.step(told(1, SupervisorPhase::Ready, done()), T0.plus(SAVE_STALL_MS));
    assert_eq!((sandbox.stage.clone(), sandbox.disk.refused), (Stage::Running, None));
}

#[test]
fn one_that_was_told_to_stop_rests_as_one_that_nobody_used() {
    for withdrawn_after_its_end in [false, true] {
        for (keep_alive, starts) in [(KeepAlive::Default, PLAN), (KeepAlive::Always, T0.plus(7))] {
            let mut sandbox = stopping(BeforeStop::Discard);
            sandbox.set_keep_alive(keep_alive);
            if withdrawn_after_its_end {
                sandbox.step(silent(false), T0.plus(6));
                sandbox.step(WITHDRAWN, T0.plus(7));
            } else {
                sandbox.step(WITHDRAWN, T0.plus(7));
                sandbox.step(silent(false), T0.plus(8));
            }
            assert_eq!(sandbox.view().lifecycle, Lifecycle::Sleeping);
            let alarm = sandbox.next_alarm(T0.plus(8), false).unwrap();
            assert!(alarm >= starts && alarm <= starts.plus(1), "{alarm:?}");
            assert!(sandbox.step(Event::Due, alarm).contains(&Action::Start));
        }
    }
    // Whoever comes before it has stopped is served after it.
    let mut sandbox = stopping(BeforeStop::Discard);
    sandbox.step(WITHDRAWN, T0);
    sandbox.step(needed(), T0);
    sandbox.step(silent(false), T0.plus(1));
    assert!(sandbox.step(Event::Due, T0.plus(1)).contains(&Action::Start));
}

#[test]
fn what_somebody_else_wants_stopped_stays_so() {
    let another = Event::StopWithdrawn { generation: 2 };
    for before in [BeforeStop::Save, BeforeStop::Discard] {
        let mut sandbox = stopping(before);
        let was = sandbox.clone();
        assert_eq!(sandbox.step(another.clone(), T0), []);
        assert_eq!(sandbox, was);
    }
    let mut shut_out = running();
    shut_out.step(Event::OwnerShutOut, T0);
    assert_eq!(shut_out.step(WITHDRAWN, T0.plus(SHUT_OUT_AGAIN_MS)), []);
    assert!(shut_out.disk.stop.is_some());
    // That nobody used it is no stop that anybody asked for.
    let mut idle = stopping(BeforeStop::Save);
    if let Some(stop) = &mut idle.disk.stop {
        stop.rest = Rest::Asleep;
    }
    idle.step(WITHDRAWN, T0);
    assert!(idle.disk.stop.is_some());
}
