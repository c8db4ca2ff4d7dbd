use super::disk::{LOOK_MS, RESTORE_STALL_MS, SAVE_STALL_MS, SLEEP_AGAIN_MS, STOP_MOST_MS, STOP_STALL_MS};
use super::sleep::LocalUse;
use super::tests::{T0, needed, silent, status};
use super::*;
use crate::snapshots::fixtures;
use molt_common::control::SupervisorPhase;
use molt_common::control::snapshot::{RestoreStage, SaveStage, SaveView, SnapshotStatus};
use molt_common::sandbox_call::Lifecycle;
use molt_common::snapshot::SaveReason;

const IDLE_MS: u64 = 60_000;

pub(super) fn disk(restore: RestoreStage, bytes: u64, save: Option<(&str, SaveStage, u64)>) -> SnapshotStatus {
    SnapshotStatus {
        restore,
        restored_bytes: bytes,
        restore_error: (restore == RestoreStage::Failed).then(|| "a pack is missing".into()),
        changed: true,
        save: save.map(|(id, stage, bytes)| SaveView {
            stage,
            bytes,
            error: (stage == SaveStage::Failed).then(|| "the repository did not answer".into()),
            ..SaveView::begun(id, SaveReason::BeforeStop, T0)
        }),
        ..fixtures::status()
    }
}

pub(super) fn told(generation: u64, phase: SupervisorPhase, disk: Option<SnapshotStatus>) -> Event {
    let mut status = status(generation, phase, "b");
    status.snapshots = disk.map(Box::new);
    Event::Probed {
        container: true,
        status: Some(status),
        local: LocalUse {
            idle_sleep_ms: Some(IDLE_MS),
            ..LocalUse::default()
        },
    }
}

pub(super) fn starting(was_saved: bool) -> Sandbox {
    let mut sandbox = Sandbox::default();
    sandbox.step(needed(), T0);
    sandbox.step(Event::Disk { kept: true, was_saved }, T0);
    sandbox.step(Event::Launching, T0);
    sandbox
}

pub(super) fn done() -> Option<SnapshotStatus> {
    Some(disk(RestoreStage::Done, 0, None))
}

pub(super) fn saving(sandbox: &Sandbox, stage: SaveStage, bytes: u64) -> Event {
    let id = sandbox.disk.stop.as_ref().unwrap().save.clone();
    let save = Some((id.as_str(), stage, bytes));
    told(1, SupervisorPhase::Ready, Some(disk(RestoreStage::Done, 0, save)))
}

pub(super) fn running() -> Sandbox {
    let mut sandbox = starting(true);
    sandbox.step(told(1, SupervisorPhase::Ready, done()), T0);
    assert_eq!(sandbox.stage, Stage::Running);
    sandbox
}

fn cause(sandbox: &Sandbox) -> &str {
    sandbox.cause.as_deref().unwrap_or_default()
}

#[test]
fn a_restore_that_gets_on_may_take_as_long_as_it_takes() {
    let mut sandbox = starting(true);
    let waits = told(1, SupervisorPhase::Restore, Some(disk(RestoreStage::Waiting, 0, None)));
    assert!(sandbox.step(waits.clone(), T0).contains(&Action::Begin));
    assert_eq!(sandbox.view().phase, Some(Phase::Restore));
    assert!(
        sandbox.step(waits, T0.plus(LOOK_MS)).contains(&Action::Begin),
        "until it was heard"
    );
    let mut at = T0;
    for bytes in 1..30 {
        at = at.plus(RESTORE_STALL_MS - 1);
        let moves = told(
            1,
            SupervisorPhase::Restore,
            Some(disk(RestoreStage::Running, bytes, None)),
        );
        assert!(!sandbox.step(moves, at).contains(&Action::Begin));
        assert_eq!(sandbox.view().phase, Some(Phase::Restore), "{bytes}");
        assert_eq!(sandbox.next_alarm(at, false), Some(at.plus(LOOK_MS)));
    }
    // The rest of the start has its own time.
    at = at.plus(RESTORE_STALL_MS - 1);
    sandbox.step(told(1, SupervisorPhase::Agent, done()), at);
    sandbox.step(told(1, SupervisorPhase::Ready, done()), at.plus(AGENT_DEADLINE_MS - 1));
    assert_eq!(sandbox.stage, Stage::Running);
}

#[test]
fn a_restore_that_stands_still_or_fails_fails_the_start_and_says_why() {
    let still = Some(disk(RestoreStage::Running, 5, None));
    let mut sandbox = starting(true);
    sandbox.step(told(1, SupervisorPhase::Restore, still.clone()), T0);
    let actions = sandbox.step(told(1, SupervisorPhase::Restore, still), T0.plus(RESTORE_STALL_MS));
    assert!(actions.contains(&Action::Destroy));
    assert!(cause(&sandbox).contains("no further"), "{}", cause(&sandbox));

    for phase in [
        SupervisorPhase::Restore,
        SupervisorPhase::Failed,
        SupervisorPhase::Ready,
    ] {
        let mut sandbox = starting(true);
        let failed = Some(disk(RestoreStage::Failed, 5, None));
        sandbox.step(told(1, phase, failed), T0);
        assert_eq!(sandbox.view().lifecycle, Lifecycle::Failed, "{phase:?}");
        assert!(cause(&sandbox).contains("a pack is missing"), "{}", cause(&sandbox));
    }
    let mut sandbox = starting(false);
    sandbox.step(Event::CannotBegin { cause: "no key".into() }, T0);
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Failed);
}

#[test]
fn nothing_runs_on_a_disk_that_does_not_hold_what_it_should() {
    for stage in [RestoreStage::Waiting, RestoreStage::Running] {
        let mut sandbox = starting(true);
        sandbox.step(told(1, SupervisorPhase::Ready, Some(disk(stage, 0, None))), T0);
        assert_eq!(sandbox.view().phase, Some(Phase::Restore), "{stage:?}");
    }
    let mut old = starting(true);
    old.step(told(1, SupervisorPhase::Ready, None), T0);
    assert_eq!(old.view().lifecycle, Lifecycle::Failed);
    assert!(cause(&old).contains("choose another image"), "{}", cause(&old));
    // One that was never saved has nothing to lose by it, and is not saved either.
    let mut new = starting(false);
    new.step(told(1, SupervisorPhase::Ready, None), T0);
    assert_eq!((new.stage.clone(), new.disk.can_be_saved()), (Stage::Running, false));
    let actions = new.step(Event::StopWanted(BeforeStop::Save), T0);
    assert_eq!(actions[0], Action::Terminate);
}

#[test]
fn a_stop_waits_for_its_save() {
    let mut sandbox = running();
    assert_eq!(
        sandbox.step(Event::StopWanted(BeforeStop::Save), T0),
        [Action::Announce]
    );
    assert_eq!(sandbox.step(Event::StopWanted(BeforeStop::Save), T0), [], "once");
    // It is asked for, and again when it was not heard.
    let nothing = told(1, SupervisorPhase::Ready, done());
    assert!(sandbox.step(nothing.clone(), T0.plus(1)).contains(&Action::Save));
    assert!(!sandbox.step(nothing.clone(), T0.plus(500)).contains(&Action::Save));
    assert!(sandbox.step(nothing, T0.plus(1_001)).contains(&Action::Save));
    let mut at = T0;
    for bytes in 0..9 {
        at = at.plus(SAVE_STALL_MS - 1);
        let reads = saving(&sandbox, SaveStage::Reading, bytes);
        let actions = sandbox.step(reads, at);
        assert!(
            !actions.contains(&Action::Terminate) && !actions.contains(&Action::Save),
            "{actions:?}"
        );
    }
    let done = saving(&sandbox, SaveStage::Done, 9);
    assert_eq!(sandbox.step(done, at.plus(1)), [Action::Terminate, Action::Announce]);
    sandbox.step(silent(false), at.plus(2));
    assert_eq!(
        (sandbox.stage.clone(), sandbox.rest, sandbox.disk.cut),
        (Stage::Stopped, Rest::Wanted, false)
    );
}

#[test]
fn without_its_save_a_stop_does_not_happen() {
    for (before, stops) in [(BeforeStop::Save, false), (BeforeStop::Try, true)] {
        let mut sandbox = running();
        sandbox.step(Event::StopWanted(before), T0);
        let failed = saving(&sandbox, SaveStage::Failed, 0);
        let actions = sandbox.step(failed, T0.plus(5));
        assert_eq!(actions.contains(&Action::Terminate), stops, "{before:?}");
        let refused = sandbox.disk.refused.clone().unwrap();
        assert_eq!(
            (refused.at, refused.why.as_str()),
            (T0.plus(5), "the repository did not answer")
        );
    }
    let mut still = running();
    still.step(Event::StopWanted(BeforeStop::Save), T0);
    let reads = saving(&still, SaveStage::Checking, 7);
    still.step(reads.clone(), T0.plus(1));
    still.step(reads, T0.plus(1 + SAVE_STALL_MS));
    assert_eq!(
        (still.stage.clone(), still.disk.stop.is_some()),
        (Stage::Running, false)
    );
    let mut refusing = running();
    refusing.step(Event::StopWanted(BeforeStop::Save), T0);
    let save = refusing.disk.stop.as_ref().unwrap().save.clone();
    refusing.step(
        Event::SaveRefused {
            save,
            why: "unknown path".into(),
        },
        T0,
    );
    assert!(refusing.disk.refused.is_some());
    // A second try is another save; and what is given up is not saved.
    refusing.step(Event::StopWanted(BeforeStop::Save), T0);
    assert_eq!(refusing.disk.stop.as_ref().unwrap().save, "before-stop-1-2");
    assert!(
        refusing
            .step(Event::StopWanted(BeforeStop::Discard), T0)
            .contains(&Action::Terminate)
    );
}

#[test]
fn sleep_waits_for_its_save_and_for_nobody_to_need_it() {
    let asleep = T0.plus(IDLE_MS);
    let idle = told(1, SupervisorPhase::Ready, done());
    let mut sandbox = running();
    sandbox.step(idle.clone(), asleep);
    assert!(sandbox.step(idle.clone(), asleep).contains(&Action::Save));
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Running);
    sandbox.step(needed(), asleep.plus(1));
    assert_eq!(sandbox.disk.stop, None, "somebody needs it");

    let mut sandbox = running();
    sandbox.step(idle.clone(), asleep);
    let failed = saving(&sandbox, SaveStage::Failed, 0);
    sandbox.step(failed, asleep.plus(1));
    sandbox.step(idle.clone(), asleep.plus(SLEEP_AGAIN_MS));
    assert_eq!(sandbox.disk.stop, None, "put off");
    sandbox.step(idle.clone(), asleep.plus(SLEEP_AGAIN_MS + 1));
    assert!(sandbox.disk.stop.is_some());
    let done = saving(&sandbox, SaveStage::Done, 0);
    sandbox.step(done, asleep.plus(SLEEP_AGAIN_MS + 2));
    sandbox.step(silent(false), asleep.plus(SLEEP_AGAIN_MS + 3));
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Sleeping);

    // Whoever wants it stopped meanwhile wants more than that it sleeps.
    let mut sandbox = running();
    sandbox.step(idle, asleep);
    sandbox.step(Event::StopWanted(BeforeStop::Save), asleep);
    sandbox.step(needed(), asleep);
    assert_eq!(sandbox.disk.stop.as_ref().map(|stop| stop.rest), Some(Rest::Wanted));
}

#[test]
fn a_stop_that_goes_on_saving_is_not_forced() {
    let mut sandbox = running();
    sandbox.step(Event::StopWanted(BeforeStop::Save), T0);
    let done = saving(&sandbox, SaveStage::Done, 0);
    sandbox.step(done, T0);
    let mut at = T0;
    let stops = |bytes| {
        let save = Some(("stop", SaveStage::Reading, bytes));
        told(1, SupervisorPhase::Stopping, Some(disk(RestoreStage::Done, 0, save)))
    };
    for bytes in 0..7 {
        at = at.plus(STOP_STALL_MS - 1);
        assert!(!sandbox.step(stops(bytes), at).contains(&Action::Destroy), "{bytes}");
    }
    assert!(
        sandbox
            .step(stops(99), T0.plus(STOP_MOST_MS))
            .contains(&Action::Destroy)
    );
    assert!(sandbox.disk.cut);

    // A large database is copied and checked for longer, which reads no bytes.
    let mut copying = running();
    copying.step(Event::StopWanted(BeforeStop::Discard), T0);
    let copies = |steps| {
        let mut told_disk = disk(RestoreStage::Done, 0, Some(("stop", SaveStage::Reading, 1)));
        told_disk.save.as_mut().unwrap().steps = steps;
        told(1, SupervisorPhase::Stopping, Some(told_disk))
    };
    let mut at = T0;
    for steps in 0..3 {
        at = at.plus(STOP_STALL_MS - 1);
        assert!(!copying.step(copies(steps), at).contains(&Action::Destroy), "{steps}");
    }
    assert!(
        copying
            .step(copies(2), at.plus(STOP_STALL_MS))
            .contains(&Action::Destroy)
    );

    let mut still = running();
    still.step(Event::StopWanted(BeforeStop::Discard), T0);
    still.step(stops(1), T0.plus(30_000));
    assert!(
        still
            .step(stops(1), T0.plus(30_000 + STOP_STALL_MS))
            .contains(&Action::Destroy)
    );
    // Nobody ever answers: it saves nothing.
    let mut silent_one = running();
    silent_one.step(Event::StopWanted(BeforeStop::Discard), T0);
    assert!(
        silent_one
            .step(silent(true), T0.plus(STOP_DEADLINE_MS))
            .contains(&Action::Destroy)
    );
}

#[test]
fn an_end_by_force_or_by_itself_is_told_from_an_orderly_one() {
    let mut killed = running();
    killed.step(Event::KillWanted, T0);
    assert!(killed.disk.cut);
    let mut gone = running();
    gone.step(silent(false), T0);
    assert!(gone.disk.cut);
    // The next start knows nothing of it.
    gone.step(needed(), T0.plus(60_000));
    assert!(!gone.disk.cut);
}
