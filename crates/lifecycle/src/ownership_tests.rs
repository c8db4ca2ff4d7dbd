//! Single moves by example; all of them, in any order and with everything lost and late, in `world`.

#[path = "ownership_world_tests.rs"]
mod world;

use super::{Event, Gate, HIGHEST_EPOCH, Ownership, Reply, Stage, Work};
use molt_common::flag::Rank;
use molt_common::ownership::{Fence, Owner};
use molt_common::sandbox_call::{Lifecycle, Phase};
use molt_common::time::Millis;

const NOW: Millis = Millis(1_000_000);

fn rank(version: u64) -> Rank {
    Rank { epoch: 0, version }
}

fn wanted(version: u64) -> Event {
    let rank = rank(version);
    Event::Wanted { rank, tier: 2 }
}

fn released(version: u64, discard_disk: bool) -> Event {
    Event::Released {
        rank: rank(version),
        discard_disk,
        exportable: false,
        fenced: None,
    }
}

fn set(owner: Owner, epoch: u64) -> Event {
    answered(owner, epoch, Reply::Set(fence(owner, epoch)))
}

fn fence(owner: Owner, epoch: u64) -> Fence {
    Fence {
        owner,
        epoch,
        agent_running: false,
        state_bytes: None,
    }
}

fn answered(owner: Owner, epoch: u64, reply: Reply) -> Event {
    Event::Answered { owner, epoch, reply }
}

fn after(events: impl IntoIterator<Item = Event>) -> Ownership {
    let mut ownership = Ownership::unrecorded(false);
    for event in events {
        ownership.step(event, NOW);
    }
    ownership
}

fn ask(owner: Owner, epoch: u64) -> Option<Work> {
    Some(Work::SetOwner { owner, epoch })
}

#[test]
fn he_moves_when_wanted_and_comes_in_when_the_fence_is_confirmed() {
    let fencing = after([wanted(3)]);
    assert_eq!(
        (fencing.stage, fencing.gate(), fencing.may_run()),
        (Stage::Fencing, Gate::Wait, false)
    );
    assert_eq!((fencing.due(NOW), fencing.wanted), (ask(Owner::New, 1), Some(2)));
    let new = after([wanted(3), set(Owner::New, 1)]);
    assert_eq!(
        (new.stage, new.gate(), new.may_run(), new.due(NOW)),
        (Stage::New, Gate::Open, true, None)
    );
    assert!(!new.placement().moving && new.placement().owner == Owner::New);
}

#[test]
fn he_goes_back_after_the_sandbox_is_gone() {
    let mut back = after([wanted(3), set(Owner::New, 1), released(3, false)]);
    assert_eq!(
        (back.due(NOW), back.may_run(), back.gate()),
        (Some(Work::StopSandbox), false, Gate::Wait)
    );
    back.step(Event::Gone, NOW);
    assert_eq!(back.due(NOW), ask(Owner::Legacy, 2));
    back.step(set(Owner::Legacy, 2), NOW);
    assert_eq!(
        (back.stage, back.gate(), back.due(NOW)),
        (Stage::Legacy, Gate::Elsewhere, None)
    );
}

#[test]
fn a_used_disk_is_discarded_only_when_that_is_said() {
    let used = [wanted(3), set(Owner::New, 1), Event::Ran];
    let mut stays = after(used.clone().into_iter().chain([released(4, false)]));
    assert_eq!((stays.stage, stays.may_run()), (Stage::New, true));
    assert!(stays.placement().refused.unwrap().contains("would be lost"));
    stays.step(wanted(5), NOW);
    assert_eq!(stays.placement().refused, None, "newer flags cover him again");
    let goes = after(used.into_iter().chain([released(4, true)]));
    assert_eq!(goes.stage, Stage::Stopping);
}

#[test]
fn older_flags_undo_nothing() {
    assert_eq!(
        after([wanted(3), set(Owner::New, 1), released(2, true)]).stage,
        Stage::New
    );
    let back = [
        wanted(3),
        set(Owner::New, 1),
        released(4, false),
        Event::Gone,
        set(Owner::Legacy, 2),
    ];
    let mut back = after(back);
    back.step(wanted(3), NOW);
    assert_eq!((back.stage, back.epoch), (Stage::Legacy, 2));
    back.step(wanted(4), NOW);
    assert_eq!((back.stage, back.epoch), (Stage::Fencing, 3));
    // A router that knows newer flags has been here meanwhile: what is older than that counts no more.
    let mut new = after([wanted(3), set(Owner::New, 1), wanted(7)]);
    new.step(released(6, true), NOW);
    assert_eq!(new.stage, Stage::New);
}

#[test]
fn a_move_under_way_is_turned_round_by_newer_flags_alone() {
    let stopping = [wanted(3), set(Owner::New, 1), released(4, false)];
    assert_eq!(
        after(stopping.clone().into_iter().chain([wanted(4)])).stage,
        Stage::Stopping
    );
    let round = after(stopping.into_iter().chain([Event::Gone, wanted(5)]));
    assert_eq!((round.stage, round.due(NOW)), (Stage::Fencing, ask(Owner::New, 3)));
    assert_eq!(after([wanted(3), released(3, false)]).due(NOW), Some(Work::StopSandbox));
}

#[test]
fn an_answer_about_another_move_means_nothing() {
    for late in [set(Owner::New, 2), set(Owner::Legacy, 1), set(Owner::New, 0)] {
        assert_eq!(after([wanted(3), late]).stage, Stage::Fencing);
    }
    let running = Fence {
        agent_running: true,
        ..fence(Owner::New, 1)
    };
    let still = after([wanted(3), answered(Owner::New, 1, Reply::Set(running))]);
    assert_eq!(still.stage, Stage::Fencing);
    assert!(still.trouble.unwrap().contains("has not stopped"));
    let lies = answered(Owner::New, 1, Reply::Set(fence(Owner::Legacy, 1)));
    assert_eq!(after([wanted(3), lies]).stage, Stage::Fencing);
}

#[test]
fn a_fence_that_cannot_be_reached_leaves_him_where_he_is_and_is_tried_again() {
    let failed = || answered(Owner::New, 1, Reply::Failed("no answer".into()));
    let mut waits = after([wanted(3), failed()]);
    assert_eq!((waits.gate(), waits.due(NOW)), (Gate::Elsewhere, None));
    assert_eq!(
        (waits.placement().owner, waits.placement().refused.as_deref()),
        (Owner::Legacy, Some("no answer"))
    );
    let mut pauses = vec![];
    for _ in 0..8 {
        pauses.push(waits.retry_at.since(NOW));
        waits.step(failed(), NOW);
    }
    assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    assert_eq!(waits.due(waits.retry_at), ask(Owner::New, 1));
    assert_eq!(waits.next_alarm(), Some(waits.retry_at));
    waits.step(set(Owner::New, 1), NOW);
    assert_eq!(waits.gate(), Gate::Open);
}

#[test]
fn without_a_fence_nobody_is_moved_and_that_is_said() {
    let no_fence = |owner| answered(owner, 1, Reply::NoFence);
    let mut refused = after([wanted(3), no_fence(Owner::New), Event::Gone, no_fence(Owner::Legacy)]);
    assert_eq!(
        (refused.stage, refused.gate(), refused.next_alarm()),
        (Stage::Legacy, Gate::Elsewhere, None)
    );
    assert!(refused.placement().refused.unwrap().contains("no fence"));
    refused.step(wanted(3), NOW);
    assert_eq!(refused.stage, Stage::Legacy, "not asked again at once");
    refused.step(wanted(3), NOW.plus(60_000));
    assert_eq!(refused.stage, Stage::Fencing);
}

#[test]
fn whoever_was_turned_round_while_he_left_is_stopped_before_legacy_serves_him() {
    let turned = [wanted(3), set(Owner::New, 1), Event::Ran, released(4, true), wanted(5)];
    let mut lost = after(turned);
    assert_eq!(lost.stage, Stage::Fencing);
    lost.step(answered(Owner::New, lost.epoch, Reply::NoFence), NOW);
    // Its fence is gone, and his sandbox may still run.
    assert_eq!((lost.gate(), lost.due(NOW)), (Gate::Wait, Some(Work::StopSandbox)));
}

#[test]
fn a_later_decision_that_was_forgotten_here_is_passed() {
    let later = answered(Owner::New, 1, Reply::Later(fence(Owner::Legacy, 9)));
    let mut ahead = after([wanted(3), later]);
    assert_eq!(ahead.due(NOW), ask(Owner::New, 10));
    ahead.step(set(Owner::New, 10), NOW);
    assert_eq!(ahead.stage, Stage::New);
    // A fence that is held there, while he is with LEGACY as far as is known here.
    let mut freed = Ownership::unrecorded(false);
    let told = |fenced| Event::Released {
        rank: rank(1),
        exportable: false,
        discard_disk: false,
        fenced,
    };
    freed.step(told(Some(4)), NOW);
    assert_eq!(freed.due(NOW), ask(Owner::Legacy, 5));
    // Told before he was freed: nothing new.
    freed.step(set(Owner::Legacy, 5), NOW);
    freed.step(told(Some(4)), NOW);
    assert_eq!(freed.stage, Stage::Legacy);
}

#[test]
fn an_epoch_that_counts_no_moves_locks_nobody_in() {
    for absurd in [HIGHEST_EPOCH + 1, u64::MAX] {
        let met = Event::Released {
            rank: rank(3),
            exportable: false,
            discard_disk: false,
            fenced: Some(absurd),
        };
        let stays = after([met]);
        assert_eq!((stays.stage, stays.epoch), (Stage::Legacy, 0), "{absurd}");
        let later = answered(Owner::New, 1, Reply::Later(fence(Owner::Legacy, absurd)));
        let waits = after([wanted(3), later]);
        assert_eq!((waits.stage, waits.epoch, waits.due(NOW)), (Stage::Fencing, 1, None));
        assert!(waits.trouble.unwrap().contains("counts no moves"));
    }
}

#[test]
fn a_sandbox_from_before_stays_and_is_fenced_off_too() {
    let mut before = Ownership::unrecorded(true);
    assert_eq!((before.gate(), before.due(NOW)), (Gate::Wait, ask(Owner::New, 1)));
    before.step(released(9, false), NOW);
    assert_eq!(before.stage, Stage::New, "its disk is nowhere else");
    let unreachable = answered(Owner::New, 1, Reply::Failed("no answer".into()));
    before.step(unreachable, NOW);
    assert_eq!((before.gate(), before.may_run()), (Gate::Open, true));
    before.step(set(Owner::New, 1), NOW);
    assert!(before.fenced && before.may_run() && before.next_alarm().is_none());
}

#[test]
fn where_there_is_no_legacy_any_more_everybody_is_new() {
    for events in [
        vec![],
        vec![wanted(3)],
        vec![wanted(3), set(Owner::New, 1), released(4, false)],
    ] {
        let mut alone = after(events);
        alone.step(Event::NoLegacy, NOW);
        assert_eq!((alone.stage, alone.owner()), (Stage::New, Owner::New));
    }
}

#[test]
fn a_sandbox_that_lets_nobody_in_is_not_shown_as_running() {
    let shown = |events: &[Event]| {
        let mut view = crate::sandbox::Sandbox::default().view();
        view.lifecycle = Lifecycle::Running;
        after(events.iter().cloned()).show(&mut view);
        (view.lifecycle, view.phase, view.placement.unwrap().owner)
    };
    let there = [wanted(3), set(Owner::New, 1)];
    assert_eq!(
        shown(&there[..1]),
        (Lifecycle::Starting, Some(Phase::Fence), Owner::Legacy)
    );
    assert_eq!(shown(&there), (Lifecycle::Running, None, Owner::New));
    let leaving = [&there[..], &[released(3, false)]].concat();
    assert_eq!(shown(&leaving), (Lifecycle::Stopping, None, Owner::New));
}

#[test]
fn what_ran_while_nobody_looked_is_kept_when_legacy_comes_back() {
    let mut again = after([wanted(3), set(Owner::New, 1), Event::NoLegacy]);
    again.step(released(9, false), NOW);
    assert_eq!(again.stage, Stage::New);
    assert!(again.placement().refused.is_some());
}

#[test]
fn what_he_made_is_written_for_legacy_before_it_serves_him_again() {
    let back = |discard_disk| Event::Released {
        rank: rank(2),
        discard_disk,
        exportable: true,
        fenced: None,
    };
    let exported = |outcome| Event::Exported { epoch: 2, outcome };
    let here = || after([wanted(1), set(Owner::New, 1), Event::Ran]);
    let mut own = here();
    own.step(back(false), NOW);
    assert_eq!((own.stage, own.due(NOW)), (Stage::Stopping, Some(Work::StopSandbox)));
    own.step(Event::Gone, NOW);
    assert_eq!(
        (own.stage, own.due(NOW), own.owner()),
        (Stage::Exporting, Some(Work::Export { epoch: 2 }), Owner::New)
    );
    own.step(exported(Err(("R2 is away.".into(), true))), NOW);
    assert_eq!(
        (own.stage, own.due(NOW)),
        (Stage::Exporting, None),
        "tried again, later"
    );
    own.step(
        Event::Exported {
            epoch: 1,
            outcome: Ok(()),
        },
        NOW,
    );
    assert_eq!(own.stage, Stage::Exporting, "of another move");
    own.step(exported(Ok(())), NOW);
    assert_eq!((own.stage, own.ran), (Stage::Unfencing, false));

    let mut own = here();
    own.step(back(false), NOW);
    own.step(Event::Gone, NOW);
    own.step(exported(Err(("It is damaged.".into(), false))), NOW);
    assert_eq!(
        (own.stage, own.owner(), own.ran),
        (Stage::New, Owner::New, true),
        "he stays"
    );
    assert!(
        own.refused
            .as_ref()
            .is_some_and(|refused| refused.why.contains("It is damaged."))
    );
    own.step(set(Owner::New, 2), NOW);
    assert!(own.may_run());
    own.step(back(false), NOW);
    assert_eq!(own.stage, Stage::New, "not at once again");
    own.step(back(false), NOW.plus(super::EXPORT_PAUSE_MS));
    assert_eq!(own.stage, Stage::Stopping);

    let mut own = here();
    own.step(back(false), NOW);
    own.step(Event::Gone, NOW);
    own.step(back(true), NOW);
    assert_eq!(own.stage, Stage::Unfencing, "who gives it up does not wait");
}

#[test]
fn an_export_that_is_never_heard_of_again_counts() {
    let mut own = after([
        wanted(1),
        set(Owner::New, 1),
        Event::Ran,
        Event::Released {
            rank: rank(2),
            discard_disk: false,
            exportable: true,
            fenced: None,
        },
        Event::Gone,
    ]);
    let mut begun = 0;
    while own.stage == Stage::Exporting {
        assert_eq!(
            own.due(NOW),
            Some(Work::Export { epoch: 2 }),
            "at once: nothing failed that anybody knows of"
        );
        own.step(Event::ExportBegun { epoch: 1 }, NOW);
        own.step(Event::ExportBegun { epoch: 2 }, NOW);
        begun += 1;
        assert!(begun < 9, "for ever");
    }
    // The first and three more, and the one that was refused.
    assert_eq!((begun, own.stage, own.ran), (5, Stage::New, true));
    let why = own.refused.map(|refused| refused.why).unwrap_or_default();
    assert!(why.contains("It broke off every time."), "{why}");
    assert!(own.export_again_at > NOW);
}
