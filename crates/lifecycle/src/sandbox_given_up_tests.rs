//! What is given up while its supervisor answers is saved first, and so is what belongs to somebody who was shut out.

use super::breaker::ENDS_TO_OPEN;
use super::disk::SAVE_STALL_MS;
use super::disk_tests::{done, running, saving, starting, told};
use super::given_up::SHUT_OUT_AGAIN_MS;
use super::tests::{T0, needed, silent};
use super::*;
use molt_common::control::SupervisorPhase;
use molt_common::control::snapshot::{SaveStage, SaveView};
use molt_common::sandbox_call::Lifecycle;
use molt_common::snapshot::{ObjectId, PublishAnswer, SaveReason};

/// The agent was started again so often and is in this phase.
fn agent(phase: SupervisorPhase, restarts: u32) -> Event {
    let mut event = told(1, phase, done());
    if let Event::Probed {
        status: Some(status), ..
    } = &mut event
    {
        status.agent_restarts = restarts;
    }
    event
}

/// Its agent ended so often that it is given up; what that asked for.
fn crashed() -> (Sandbox, Vec<Action>) {
    let mut sandbox = running();
    for restarts in 1..ENDS_TO_OPEN as u32 {
        sandbox.step(agent(SupervisorPhase::Failed, restarts), T0);
        sandbox.step(agent(SupervisorPhase::Ready, restarts), T0);
        assert_eq!(sandbox.stage, Stage::Running);
    }
    let actions = sandbox.step(agent(SupervisorPhase::Failed, ENDS_TO_OPEN as u32), T0);
    (sandbox, actions)
}

#[test]
fn one_that_is_given_up_is_saved_before_it_goes() {
    let (mut sandbox, actions) = crashed();
    assert_eq!(actions, [Action::Terminate, Action::Announce]);
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Stopping);
    assert!(sandbox.cause.is_some(), "it says why meanwhile");
    sandbox.step(silent(false), T0.plus(9));
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Failed);
    assert!(sandbox.cause.is_some() && !sandbox.disk.cut, "in order");
    assert!(
        sandbox.view().retry_at.unwrap() >= T0.plus(9 + 30_000),
        "the breaker's pause counts from its end"
    );
    // The next start has nothing of it.
    let at = sandbox.view().retry_at.unwrap();
    sandbox.step(needed(), at);
    assert_eq!(
        (sandbox.given_up.clone(), sandbox.view().lifecycle),
        (None, Lifecycle::Starting)
    );
}

#[test]
fn one_that_does_not_answer_while_it_is_given_up_has_lost_something() {
    let (mut sandbox, _) = crashed();
    let actions = sandbox.step(silent(true), T0.plus(STOP_DEADLINE_MS));
    assert!(actions.contains(&Action::Destroy));
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Failed);
    assert!(sandbox.disk.cut);
}

#[test]
fn a_start_that_is_given_up_saves_a_disk_that_holds_what_it_should_and_no_other() {
    let mut sandbox = running();
    sandbox.step(agent(SupervisorPhase::Failed, 1), T0);
    let late = sandbox.step(agent(SupervisorPhase::Failed, 1), T0.plus(AGENT_DEADLINE_MS));
    assert_eq!(late[0], Action::Terminate);
    let mut told_to_stop = running();
    told_to_stop.step(agent(SupervisorPhase::Failed, 1), T0);
    told_to_stop.step(told(1, SupervisorPhase::Stopping, done()), T0);
    assert_eq!(
        told_to_stop.view().lifecycle,
        Lifecycle::Stopping,
        "its last save goes on"
    );
    let mut never = starting(true);
    never.step(told(1, SupervisorPhase::Restore, None), T0);
    assert_eq!(never.view().lifecycle, Lifecycle::Failed);
}

#[test]
fn whoever_has_it_stopped_meanwhile_has_it_stopped() {
    let (mut sandbox, _) = crashed();
    sandbox.step(Event::StopWanted(BeforeStop::Save), T0);
    sandbox.step(silent(false), T0);
    assert_eq!(
        (sandbox.view().lifecycle, sandbox.rest),
        (Lifecycle::Stopped, Rest::Wanted)
    );
}

#[test]
fn a_stop_that_waits_for_a_decision_says_about_which_snapshot() {
    let mut sandbox = running();
    sandbox.step(Event::StopWanted(BeforeStop::Save), T0);
    let id = ObjectId::new([3; 32]);
    let mut apart = saving(&sandbox, SaveStage::Failed, 0);
    if let Event::Probed {
        status: Some(status), ..
    } = &mut apart
        && let Some(save) = status.snapshots.as_mut().and_then(|told| told.save.as_mut())
    {
        save.snapshot = Some(id);
        save.answer = Some(PublishAnswer::Quarantined { why: "small".into() });
    }
    sandbox.step(apart, T0.plus(1));
    assert_eq!(sandbox.stage, Stage::Running);
    assert_eq!(sandbox.disk.refused.as_ref().unwrap().kept_apart, Some(id));
    // A save from before says nothing of it; once something was saved since, there is nothing to decide.
    for (began, left) in [(T0, true), (T0.plus(2), false)] {
        let mut saved = told(1, SupervisorPhase::Ready, done());
        if let Event::Probed {
            status: Some(status), ..
        } = &mut saved
            && let Some(told) = status.snapshots.as_mut()
        {
            told.save = Some(SaveView {
                stage: SaveStage::Done,
                files: 1,
                bytes: 1,
                snapshot: Some(id),
                ..SaveView::begun("interval-9", SaveReason::Interval, began)
            });
        }
        sandbox.step(saved, T0.plus(3));
        assert_eq!(sandbox.disk.refused.is_some(), left);
    }
}

#[test]
fn what_belongs_to_somebody_who_was_shut_out_is_saved_and_stopped_and_tried_again() {
    let mut sandbox = running();
    sandbox.step(Event::OwnerShutOut, T0);
    assert!(sandbox.disk.stop.as_ref().is_some_and(|stop| stop.required));
    assert!(!sandbox.is_shut_out(T0.plus(SHUT_OUT_AGAIN_MS)), "a save is under way");
    let failed = saving(&sandbox, SaveStage::Failed, 0);
    sandbox.step(failed, T0.plus(5));
    assert_eq!(sandbox.stage, Stage::Running, "nothing is lost by it");
    assert!(!sandbox.is_shut_out(T0.plus(SHUT_OUT_AGAIN_MS - 1)));
    assert!(sandbox.is_shut_out(T0.plus(SHUT_OUT_AGAIN_MS)));
    // He was let in again meanwhile.
    let mut back = sandbox.clone();
    let let_in = Event::OwnerLetIn { shut_out_at: Some(T0) };
    back.step(let_in.clone(), T0.plus(SHUT_OUT_AGAIN_MS));
    assert!(!back.is_shut_out(T0.plus(2 * SHUT_OUT_AGAIN_MS)));
    // An answer from before he was shut out once more says nothing about that.
    let mut again = sandbox.clone();
    again.step(Event::OwnerShutOut, T0.plus(SHUT_OUT_AGAIN_MS));
    let failed = saving(&again, SaveStage::Failed, 0);
    again.step(failed, T0.plus(SHUT_OUT_AGAIN_MS + 1));
    again.step(let_in, T0.plus(SHUT_OUT_AGAIN_MS + 2));
    assert!(again.is_shut_out(T0.plus(2 * SHUT_OUT_AGAIN_MS)));
    sandbox.step(Event::OwnerShutOut, T0.plus(SHUT_OUT_AGAIN_MS));
    let saved = saving(&sandbox, SaveStage::Done, 0);
    assert!(sandbox.step(saved, T0.plus(SAVE_STALL_MS)).contains(&Action::Terminate));
    sandbox.step(silent(false), T0.plus(SAVE_STALL_MS + 1));
    assert_eq!((sandbox.stage.clone(), sandbox.rest), (Stage::Stopped, Rest::Wanted));
    assert_eq!(sandbox.starts_at(), None);
    // What had begun before started it once more.
    let again = T0.plus(3 * SHUT_OUT_AGAIN_MS);
    sandbox.step(needed(), again);
    assert!(sandbox.is_shut_out(again), "it is stopped again");
    assert!(sandbox.step(Event::OwnerShutOut, again).contains(&Action::Announce));
    assert_eq!(sandbox.stage, Stage::Stopped);
    let shut_out_at = sandbox.shut_out_at;
    sandbox.step(Event::OwnerLetIn { shut_out_at }, again);
    sandbox.step(needed(), again);
    assert!(!sandbox.is_shut_out(again.plus(SHUT_OUT_AGAIN_MS)));
    // At rest, nothing is to be done.
    let mut rests = Sandbox::default();
    assert_eq!(rests.step(Event::OwnerShutOut, T0), []);
    assert_eq!(rests, Sandbox::default());
}

#[test]
fn who_is_shut_out_while_it_stops_or_rests_is_known_to_be() {
    let mut stops = running();
    stops.step(Event::StopWanted(BeforeStop::Discard), T0);
    let mut failed = starting(true);
    failed.step(told(1, SupervisorPhase::Restore, None), T0);
    for mut sandbox in [stops, failed] {
        assert_eq!(sandbox.step(Event::OwnerShutOut, T0), []);
        sandbox.step(silent(false), T0);
        let later = T0.plus(10 * SHUT_OUT_AGAIN_MS);
        assert!(!sandbox.is_shut_out(later), "nothing is up");
        sandbox.step(needed(), later);
        assert!(sandbox.is_shut_out(later));
    }
}

#[test]
fn whoever_was_let_in_may_be_there_until_it_has_stopped_however_its_agent_is() {
    let mut fresh = Sandbox::default();
    fresh.step(needed(), T0);
    assert!(!fresh.may_have_let_in(), "it never answered");
    let mut sandbox = running();
    assert!(sandbox.may_have_let_in());
    // It only hangs: no process ended.
    sandbox.step(agent(SupervisorPhase::Agent, 0), T0);
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Starting);
    assert!(sandbox.may_have_let_in());
    sandbox.step(Event::StopWanted(BeforeStop::Discard), T0);
    assert!(sandbox.may_have_let_in(), "it has not ended yet");
    sandbox.step(silent(false), T0);
    assert!(!sandbox.may_have_let_in());
}
