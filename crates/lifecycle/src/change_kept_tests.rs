use super::*;
use crate::change::{Ask, Before, Observation, Reply, Standing, Told, Verdict, admit};
use molt_common::control::snapshot::{SaveStage, SaveView, UpkeepView};
use molt_common::disk_view::{StopRefusal, StopRefusedView};
use molt_common::sandbox_call::SandboxView;
use molt_common::sandbox_change::{RestartScope, WantedUpkeep};
use molt_common::snapshot::{ObjectId, SaveReason, Verification};

const T0: Millis = Millis(1_800_000_000_000);
const SANDBOX: Wanted = Wanted::Restart {
    scope: RestartScope::Sandbox,
};

fn snapshot(number: u8) -> SnapshotId {
    ObjectId::new([number; 32])
}

fn seen(lifecycle: Lifecycle, generation: u64) -> Seen {
    let view = SandboxView {
        lifecycle,
        generation,
        ..SandboxView::never_started(1)
    };
    Seen::of(&view, None)
}

fn told(generation: u64, save: Option<SaveView>, upkeep: Option<UpkeepView>) -> Seen {
    let told = Told {
        generation,
        ready: true,
        restart: None,
        save,
        upkeep,
    };
    Seen {
        observation: Some(Observation {
            at: T0,
            container: true,
            told: Some(told),
        }),
        ..seen(Lifecycle::Running, generation)
    }
}

fn ask(wanted: Wanted) -> Ask {
    Ask {
        id: ExecId::parse("c").unwrap(),
        wanted,
        parent: None,
        discard_disk: false,
        timeout_ms: 60_000,
        scheduled: false,
    }
}

fn kept() -> Standing {
    Standing {
        kept: true,
        head: Some(snapshot(1)),
        ..Standing::default()
    }
}

fn accepted(ask: &Ask, seen: &Seen, standing: &Standing) -> Change {
    match admit(ask, Before::default(), seen, standing, T0) {
        Verdict::Accepted(change) => *change,
        other => panic!("{ask:?} is {other:?}"),
    }
}

fn refused(ask: &Ask, seen: &Seen, standing: &Standing) -> (&'static str, String) {
    match admit(ask, Before::default(), seen, standing, T0) {
        Verdict::Refused { field, text } => (field, text),
        other => panic!("{ask:?} is {other:?}"),
    }
}

fn save(id: &str, stage: SaveStage) -> SaveView {
    SaveView {
        stage,
        snapshot: (stage == SaveStage::Done).then_some(snapshot(2)),
        error: (stage == SaveStage::Failed).then(|| "no room".into()),
        ..SaveView::begun(id, SaveReason::Request, T0)
    }
}

fn upkeep(done: bool, error: Option<&str>, ok: Option<bool>) -> UpkeepView {
    UpkeepView {
        id: "c".into(),
        done,
        error: error.map(Into::into),
        verification: ok.map(|ok| Verification {
            at: T0,
            full: true,
            ok,
            faults: if ok { vec![] } else { vec!["a pack is short".into()] },
            read_bytes: 1,
            compared_files: 1,
        }),
        removed_bytes: 7,
        differences: vec![],
        difference_count: 0,
        restored_paths: 0,
    }
}

#[test]
fn a_save_is_asked_for_once_and_tells_its_snapshot() {
    let mut change = accepted(&ask(Wanted::Save), &told(1, None, None), &kept());
    let Step::Save { attempt } = change.step(&told(1, Some(save("other", SaveStage::Done)), None), T0) else {
        panic!("{change:?}")
    };
    assert_eq!(
        change.step(&told(1, None, None), T0),
        Step::Wait { until: T0 },
        "the call is on its way"
    );
    change.replied(attempt, Reply::NotNow, T0);
    let later = T0.plus(500);
    assert!(matches!(
        change.step(&told(1, None, None), later),
        Step::Save { attempt: 2 }
    ));
    change.replied(2, Reply::Taken, later);
    assert!(matches!(
        change.step(&told(1, Some(save("c", SaveStage::Reading)), None), later),
        Step::Wait { .. }
    ));
    assert_eq!(
        change.step(&told(1, Some(save("c", SaveStage::Done)), None), later),
        Step::Nothing
    );
    assert_eq!(change.state, JobState::Succeeded);
    assert_eq!(change.outcome.unwrap().snapshot, Some(snapshot(2)));
}

#[test]
fn a_save_that_fails_or_whose_sandbox_ends_has_failed() {
    let mut change = accepted(&ask(Wanted::Save), &told(1, None, None), &kept());
    change.step(&told(1, Some(save("c", SaveStage::Failed)), None), T0);
    assert_eq!(
        (change.state, change.error.unwrap().contains("no room")),
        (JobState::Failed, true)
    );
    for ended in [seen(Lifecycle::Stopped, 1), told(2, None, None)] {
        let mut change = accepted(&ask(Wanted::Save), &told(1, None, None), &kept());
        change.step(&ended, T0);
        assert_eq!(change.state, JobState::Failed);
    }
}

#[test]
fn what_is_at_rest_is_saved_already_and_takes_a_choice_at_its_next_start() {
    let rest = seen(Lifecycle::Sleeping, 3);
    let save = accepted(&ask(Wanted::Save), &rest, &kept());
    assert_eq!(
        (save.state, save.outcome.unwrap().snapshot),
        (JobState::Succeeded, Some(snapshot(1)))
    );
    let never = Standing { head: None, ..kept() };
    assert_eq!(refused(&ask(Wanted::Save), &rest, &never).0, "change");
    let restore = Wanted::Restore { snapshot: snapshot(9) };
    assert_eq!(
        accepted(&ask(restore.clone()), &rest, &kept()).state,
        JobState::Succeeded
    );
    let gone = Standing {
        not_restorable: Some("must be the name of a snapshot of this sandbox".into()),
        ..kept()
    };
    assert_eq!(refused(&ask(restore.clone()), &rest, &gone).0, "snapshot");
    let unkept = Standing { kept: false, ..kept() };
    for wanted in [
        Wanted::Save,
        restore,
        Wanted::Upkeep {
            work: WantedUpkeep::Prune,
        },
    ] {
        assert_eq!(refused(&ask(wanted), &told(1, None, None), &unkept).0, "change");
    }
    // Work in it wakes nothing.
    let work = Wanted::Upkeep {
        work: WantedUpkeep::Prune,
    };
    assert!(refused(&ask(work), &rest, &kept()).1.contains("wake it first"));
}

#[test]
fn a_restore_stops_after_a_save_and_must_have_begun_with_what_was_chosen() {
    let wanted = Wanted::Restore { snapshot: snapshot(9) };
    for (restored, state) in [
        (Some(snapshot(9)), JobState::Succeeded),
        (Some(snapshot(1)), JobState::Failed),
    ] {
        let mut change = accepted(&ask(wanted.clone()), &told(1, None, None), &kept());
        assert_eq!(change.step(&told(1, None, None), T0), Step::Stop(BeforeStop::Save));
        assert_eq!(change.step(&seen(Lifecycle::Stopped, 1), T0), Step::Need);
        let mut up = told(2, None, None);
        up.restored = restored;
        change.step(&up, T0);
        assert_eq!(change.state, state, "{:?}", change.error);
    }
}

fn refusal(at: Millis, why: &str) -> StopRefusedView {
    StopRefusedView {
        at,
        why: why.into(),
        kept_apart: None,
    }
}

#[test]
fn a_change_whose_sandbox_could_not_be_saved_has_failed_with_the_cause() {
    for wanted in [SANDBOX, Wanted::Destroy, Wanted::Tier { tier: 2 }] {
        let mut change = accepted(&ask(wanted.clone()), &told(1, None, None), &kept());
        assert_eq!(
            change.step(&told(1, None, None), T0),
            Step::Stop(BeforeStop::Save),
            "{wanted:?}"
        );
        let mut still = told(1, None, None);
        still.stop_refused = Some(refusal(Millis(T0.0 - 1), "of an earlier one"));
        assert_ne!(change.step(&still, T0), Step::Nothing);
        still.stop_refused = Some(refusal(T0, "the repository did not answer"));
        let mut other = change.clone();
        change.step(&still, T0);
        assert_eq!(change.state, JobState::Failed);
        assert!(change.error.unwrap().contains("the repository did not answer"));
        assert_eq!(change.outcome.unwrap().stop_refused, Some(StopRefusal::NotSaved));
        // One that waits for somebody's decision says about which snapshot.
        let id = ObjectId::new([9; 32]);
        still.stop_refused = Some(StopRefusedView {
            kept_apart: Some(id),
            ..refusal(T0, "It has 3 files.")
        });
        other.step(&still, T0);
        let outcome = other.outcome.unwrap();
        assert_eq!(
            (outcome.snapshot, outcome.stop_refused),
            (Some(id), Some(StopRefusal::SnapshotKeptApart))
        );
        assert!(other.error.unwrap().contains("/release"));
    }
    let given_up = Ask {
        discard_disk: true,
        ..ask(SANDBOX)
    };
    let mut change = accepted(&given_up, &told(1, None, None), &kept());
    assert_eq!(change.step(&told(1, None, None), T0), Step::Stop(BeforeStop::Discard));
}

#[test]
fn only_a_kill_discards_what_is_not_saved_yet() {
    let unsaved = Standing {
        unsaved_since: Some(T0),
        ..kept()
    };
    let running = told(1, None, None);
    for wanted in [
        SANDBOX,
        Wanted::Destroy,
        Wanted::Tier { tier: 2 },
        Wanted::Image { image: None },
    ] {
        accepted(&ask(wanted), &running, &unsaved);
    }
    let reset = admit(&ask(Wanted::EmergencyReset), Before::default(), &running, &unsaved, T0);
    assert_eq!(reset, Verdict::WouldDiscardDisk { since: T0 });
    accepted(&ask(Wanted::EmergencyReset), &running, &kept());
}

#[test]
fn upkeep_tells_what_it_found_and_a_fault_is_a_failure() {
    let verify = Wanted::Upkeep {
        work: WantedUpkeep::Verify {
            snapshot: None,
            full: true,
        },
    };
    for (found, state) in [
        (upkeep(true, None, Some(true)), JobState::Succeeded),
        (upkeep(true, None, Some(false)), JobState::Failed),
        (
            upkeep(true, Some("the repository did not answer"), None),
            JobState::Failed,
        ),
    ] {
        let mut change = accepted(&ask(verify.clone()), &told(1, None, None), &kept());
        assert_eq!(change.snapshot, Some(snapshot(1)), "the newest");
        let Step::Upkeep { attempt } = change.step(&told(1, None, None), T0) else {
            panic!("{change:?}")
        };
        change.replied(attempt, Reply::Taken, T0);
        assert!(matches!(
            change.step(&told(1, None, Some(upkeep(false, None, None))), T0),
            Step::Wait { .. }
        ));
        change.step(&told(1, None, Some(found.clone())), T0);
        assert_eq!(change.state, state, "{:?}", change.error);
        let outcome = change.outcome.unwrap();
        assert_eq!((outcome.verification, outcome.removed_bytes), (found.verification, 7));
    }
}

#[test]
fn what_somebody_asks_for_ends_what_was_scheduled() {
    let prune = Ask {
        scheduled: true,
        ..ask(Wanted::Upkeep {
            work: WantedUpkeep::Prune,
        })
    };
    let running = told(1, None, None);
    let scheduled = accepted(&prune, &running, &kept());
    let before = Before {
        same: None,
        under_way: Some(&scheduled),
    };
    assert!(matches!(
        admit(&ask(Wanted::Save), before, &running, &kept(), T0),
        Verdict::Accepted(_)
    ));
    assert_eq!(admit(&prune, before, &running, &kept(), T0), Verdict::Busy);
    let mut refusing = scheduled.clone();
    let Step::Upkeep { attempt } = refusing.step(&running, T0) else {
        panic!("{refusing:?}")
    };
    refusing.replied(attempt, Reply::Refused("not known".into()), T0);
    assert_eq!(refusing.state, JobState::Failed);
}
