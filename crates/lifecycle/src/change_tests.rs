use super::{Ask, Before, Change, Observation, Reply, Seen, Standing, Step, Told, Verdict, admit};
use molt_common::api::JobState;
use molt_common::control::AgentRestart;
use molt_common::id::{ExecId, UserId};
use molt_common::job_id::{JobId, JobKind};
use molt_common::ownership::{Owner, Placement};
use molt_common::sandbox_call::{Lifecycle, SandboxView};
use molt_common::sandbox_change::{ImageChoice, RestartScope, Wanted};
use molt_common::time::Millis;
use proptest::prelude::*;

#[path = "change_owner_tests.rs"]
mod owner;

const T0: Millis = Millis(1_000_000);
const ADA: &str = "ada00000-0000-4000-8000-000000000001";
const AGENT: Wanted = Wanted::Restart {
    scope: RestartScope::Agent,
};
const SANDBOX: Wanted = Wanted::Restart {
    scope: RestartScope::Sandbox,
};

fn seen(lifecycle: Lifecycle, generation: u64) -> Seen {
    let view = SandboxView {
        lifecycle,
        generation,
        ..SandboxView::never_started(1)
    };
    Seen::of(&view, None)
}

/// A look that found the agent of this generation ready.
fn ready(generation: u64, at: Millis, restart: Option<(&str, bool)>) -> Seen {
    let told = Told {
        generation,
        ready: true,
        restart: restart.map(|(id, done)| AgentRestart {
            id: id.to_owned(),
            done,
            error: None,
        }),
        save: None,
        upkeep: None,
    };
    Seen {
        observation: Some(Observation {
            at,
            container: true,
            told: Some(told),
        }),
        ..seen(Lifecycle::Running, generation)
    }
}

fn ask(id: &str, wanted: Wanted) -> Ask {
    Ask {
        id: ExecId::parse(id).unwrap(),
        wanted,
        parent: None,
        discard_disk: false,
        timeout_ms: 60_000,
        scheduled: false,
    }
}

fn standing(disk: bool, newest_is_wanted: bool) -> Standing {
    Standing {
        disk_since: disk.then_some(T0),
        newest_is_wanted,
        ..Standing::default()
    }
}

fn accepted(ask: &Ask, before: Before<'_>, seen: &Seen, standing: Standing) -> Change {
    match admit(ask, before, seen, &standing, T0) {
        Verdict::Accepted(change) => *change,
        other => panic!("{ask:?} is {other:?}"),
    }
}

#[test]
fn a_disk_is_given_up_by_whoever_has_one() {
    let running = seen(Lifecycle::Running, 1);
    let tier = Wanted::Tier { tier: 2 };
    for wanted in [&SANDBOX, &Wanted::EmergencyReset, &Wanted::Destroy, &tier] {
        let mut ask = ask("a", wanted.clone());
        let with = |ask: &Ask, disk| admit(ask, Before::default(), &running, &standing(disk, false), T0);
        assert_eq!(with(&ask, true), Verdict::WouldDiscardDisk { since: T0 }, "{wanted:?}");
        assert!(matches!(with(&ask, false), Verdict::Accepted(_)), "{wanted:?}");
        ask.discard_disk = true;
        assert!(matches!(with(&ask, true), Verdict::Accepted(_)), "{wanted:?}");
    }
    for wanted in [Wanted::Wake, AGENT] {
        accepted(&ask("a", wanted), Before::default(), &running, standing(true, true));
    }
}

#[test]
fn what_is_so_already_has_succeeded_at_once() {
    let image = Wanted::Image {
        image: Some(ImageChoice {
            name: "canary".into(),
            pinned: None,
        }),
    };
    for wanted in [Wanted::Tier { tier: 2 }, image] {
        let ask = ask("a", wanted);
        // It runs with it, or takes it with its next start; either way no disk is in question.
        for (lifecycle, newest_is_wanted) in [
            (Lifecycle::Running, true),
            (Lifecycle::Stopped, false),
            (Lifecycle::Failed, false),
            (Lifecycle::Sleeping, false),
            (Lifecycle::Stopping, false),
        ] {
            let standing = standing(true, newest_is_wanted);
            let change = accepted(&ask, Before::default(), &seen(lifecycle, 3), standing);
            assert_eq!((change.state, change.completed_at), (JobState::Succeeded, Some(T0)));
        }
        let change = accepted(
            &ask,
            Before::default(),
            &seen(Lifecycle::Running, 3),
            standing(false, false),
        );
        assert_eq!(change.state, JobState::Queued);
    }
}

#[test]
fn an_id_is_one_change_and_one_is_under_way() {
    let running = seen(Lifecycle::Running, 1);
    let here = standing(false, true);
    let first = ask("a", AGENT);
    let kept = accepted(&first, Before::default(), &running, here.clone());
    let same = Before {
        same: Some(&kept),
        under_way: Some(&kept),
    };
    assert_eq!(admit(&first, same, &running, &here, T0), Verdict::Replay);
    assert_eq!(admit(&ask("a", SANDBOX), same, &running, &here, T0), Verdict::Conflict);
    let part = Ask {
        parent: Some(JobId::fleet(JobKind::BulkRestart, ExecId::parse("b").unwrap())),
        ..first.clone()
    };
    assert_eq!(admit(&part, same, &running, &here, T0), Verdict::Conflict);
    let other = Before {
        same: None,
        under_way: Some(&kept),
    };
    for wanted in [Wanted::Wake, AGENT, SANDBOX, Wanted::Tier { tier: 2 }] {
        assert_eq!(admit(&ask("b", wanted), other, &running, &here, T0), Verdict::Busy);
    }
    for wanted in [Wanted::EmergencyReset, Wanted::Destroy] {
        accepted(&ask("b", wanted), other, &running, here.clone());
    }
}

#[test]
fn what_is_wrong_names_its_field() {
    let refused = |ask: &Ask| match admit(
        ask,
        Before::default(),
        &seen(Lifecycle::Stopped, 0),
        &standing(false, true),
        T0,
    ) {
        Verdict::Refused { field, .. } => field,
        other => panic!("{other:?}"),
    };
    for tier in [0, 4, 255] {
        assert_eq!(refused(&ask("a", Wanted::Tier { tier })), "tier");
    }
    for timeout_ms in [0, 999, 3_600_001, u64::MAX] {
        let ask = Ask {
            timeout_ms,
            ..ask("a", Wanted::Wake)
        };
        assert_eq!(refused(&ask), "timeoutMs");
    }
}

#[test]
fn an_agent_that_was_ready_before_is_not_the_new_one() {
    let mut change = accepted(
        &ask("a", AGENT),
        Before::default(),
        &seen(Lifecycle::Running, 1),
        standing(true, true),
    );
    // What was seen before it was asked for says nothing.
    let old = ready(1, Millis(T0.0 - 1), Some(("a", true)));
    assert!(matches!(change.step(&old, T0), Step::Wait { .. }));
    let Step::RestartAgent { attempt } = change.step(&ready(1, T0, Some(("other", true))), T0) else {
        panic!("not asked")
    };
    change.replied(attempt, Reply::Taken, T0);
    assert!(matches!(
        change.step(&ready(1, T0, Some(("a", false))), T0),
        Step::Wait { .. }
    ));
    assert_eq!(change.step(&ready(1, T0, Some(("a", true))), T0), Step::Nothing);
    assert_eq!((change.state, &change.error), (JobState::Succeeded, &None));
}

#[test]
fn an_agent_that_could_not_be_started_is_told() {
    let running = seen(Lifecycle::Running, 1);
    let mut change = accepted(&ask("a", AGENT), Before::default(), &running, standing(true, true));
    let mut look = ready(1, T0, Some(("a", false)));
    let told = look
        .observation
        .as_mut()
        .and_then(|observation| observation.told.as_mut());
    let restart = told.and_then(|told| told.restart.as_mut());
    restart.unwrap().error = Some("no room".into());
    assert_eq!(change.step(&look, T0), Step::Nothing);
    assert_eq!(change.state, JobState::Failed);
    assert!(change.error.is_some_and(|error| error.contains("no room")));
}

#[test]
fn a_supervisor_that_cannot_restart_its_agent_is_believed() {
    let mut change = accepted(
        &ask("a", AGENT),
        Before::default(),
        &seen(Lifecycle::Running, 1),
        standing(true, true),
    );
    let Step::RestartAgent { attempt } = change.step(&ready(1, T0, None), T0) else {
        panic!("not asked")
    };
    change.replied(attempt + 1, Reply::Refused("no such path".into()), T0);
    assert_eq!(change.state, JobState::Running, "that answers another attempt");
    change.replied(attempt, Reply::Refused("no such path".into()), T0);
    assert_eq!(change.state, JobState::Failed);
    assert!(change.error.is_some_and(|error| error.contains("no such path")));
}

#[test]
fn who_is_with_what_ran_before_is_not_started_here() {
    let view = SandboxView {
        placement: Some(Placement {
            owner: Owner::Legacy,
            moving: false,
            ..Placement::without_legacy()
        }),
        ..SandboxView::never_started(1)
    };
    let elsewhere = Seen::of(&view, None);
    let mut change = accepted(
        &ask("a", Wanted::Wake),
        Before::default(),
        &elsewhere,
        standing(false, true),
    );
    assert_eq!(change.step(&elsewhere, T0), Step::Nothing);
    assert_eq!(change.state, JobState::Failed);
}

#[test]
fn who_waits_for_room_goes_on_asking_until_the_deadline() {
    let mut change = accepted(
        &ask("a", Wanted::Wake),
        Before::default(),
        &seen(Lifecycle::Stopped, 0),
        standing(false, true),
    );
    assert_eq!(change.step(&seen(Lifecycle::Stopped, 0), T0), Step::Need);
    let waits = Seen {
        waits_for_capacity: true,
        cause: Some("The platform has no room.".into()),
        ..seen(Lifecycle::Starting, 1)
    };
    assert_eq!(change.step(&waits, T0), Step::Need);
    assert_eq!(change.step(&waits, change.deadline()), Step::Nothing);
    assert_eq!(change.state, JobState::TimedOut);
    let error = change.error.unwrap_or_default();
    assert!(
        error.contains("waits for room") && error.contains("no room."),
        "{error}"
    );
}

#[test]
fn a_back_off_is_waited_for_and_forgotten_by_a_reset() {
    let failed = Seen {
        retry_at: Some(T0.plus(30_000)),
        cause: Some("It broke.".into()),
        ..seen(Lifecycle::Failed, 4)
    };
    let mut change = accepted(&ask("a", AGENT), Before::default(), &failed, standing(false, true));
    let Step::Wait { until } = change.step(&failed, T0) else {
        panic!("it does not wait")
    };
    assert!(until > T0 && until <= T0.plus(30_000));
    assert_eq!(change.step(&failed, T0.plus(30_000)), Step::Need);
    let mut reset = accepted(
        &ask("b", Wanted::EmergencyReset),
        Before::default(),
        &failed,
        standing(false, true),
    );
    assert_eq!(reset.step(&failed, T0), Step::Kill);
    assert_eq!(reset.step(&seen(Lifecycle::Stopped, 4), T0), Step::Need);
}

#[test]
fn the_view_is_what_callers_rely_on() {
    let owner = UserId::parse(ADA).unwrap();
    let change = accepted(
        &ask("a", SANDBOX),
        Before::default(),
        &seen(Lifecycle::Failed, 2),
        standing(false, true),
    );
    let view = change.view(owner);
    assert_eq!(view.job.to_string(), format!("lifecycle.{ADA}.a"));
    assert_eq!((view.found, view.generation_before), (Lifecycle::Failed, 2));
    // What is stored is read again as it was.
    let stored = serde_json::to_string(&change).unwrap();
    assert_eq!(serde_json::from_str::<Change>(&stored).unwrap(), change);
}

proptest! {
    /// Whatever is seen, in any order: generations only grow, a deadline ends it, and what has ended stays as it is.
    #[test]
    fn it_always_ends(
        which in 0_usize..6,
        looks in prop::collection::vec((0_u8..6, 0_u64..4, 0_u64..20_000, prop::bool::ANY, prop::bool::ANY), 0..60),
    ) {
        let wanted = [Wanted::Wake, AGENT, SANDBOX, Wanted::EmergencyReset, Wanted::Destroy, Wanted::Tier { tier: 3 }][which].clone();
        let mut change = accepted(&ask("a", wanted), Before::default(), &seen(Lifecycle::Running, 1), standing(false, false));
        let mut now = T0;
        for (lifecycle, generation, ms, container, waits) in looks {
            now = now.plus(ms);
            let lifecycle = [
                Lifecycle::Stopped, Lifecycle::Starting, Lifecycle::Running, Lifecycle::Stopping, Lifecycle::Failed, Lifecycle::Sleeping,
            ][usize::from(lifecycle)];
            let before = change.clone();
            let look = Seen {
                waits_for_capacity: waits,
                observation: Some(Observation { at: now, container, told: None }),
                ..seen(lifecycle, generation)
            };
            let step = change.step(&look, now);
            prop_assert!(change.generation >= before.generation);
            prop_assert_eq!(step == Step::Nothing, change.state.is_terminal());
            prop_assert_eq!(change.state.is_terminal(), change.completed_at.is_some());
            prop_assert!(now < change.deadline() || change.state.is_terminal());
            if before.state.is_terminal() {
                prop_assert_eq!(&change, &before);
            }
        }
        change.step(&seen(Lifecycle::Starting, 1), change.deadline());
        prop_assert!(change.state.is_terminal());
    }
}
