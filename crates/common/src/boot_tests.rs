use super::{BootView, Next, StartTimes, StepState, come_back};
use crate::id::{ExecId, UserId};
use crate::job_id::JobId;
use crate::ownership::{Owner, Placement};
use crate::sandbox_call::{Lifecycle, Phase, SandboxView};
use crate::time::Millis;
use proptest::prelude::*;

const NOW: Millis = Millis(1_800_000_000_000);

fn view(lifecycle: Lifecycle, phase: Option<Phase>) -> SandboxView {
    SandboxView {
        lifecycle,
        phase,
        generation: 3,
        since: NOW,
        ..SandboxView::never_started(1)
    }
}

fn boot(view: &SandboxView) -> BootView {
    BootView::of(view, &StartTimes::default(), NOW.plus(4_000))
}

fn change() -> Option<JobId> {
    let user = UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap();
    Some(JobId::lifecycle(user, ExecId::parse("c1").unwrap()))
}

#[test]
fn a_restore_says_how_far_it_is() {
    let restoring = |bytes, total_bytes| {
        let mut view = view(Lifecycle::Starting, Some(Phase::Restore));
        view.disk = Some(Box::new(crate::disk_view::DiskView {
            restoring: Some(crate::disk_view::RestoringView { bytes, total_bytes }),
            ..Default::default()
        }));
        BootView::of(&view, &StartTimes::default(), Millis(0)).text
    };
    let mib = 1024 * 1024;
    assert_eq!(restoring(0, None), "Your files are being restored.");
    assert_eq!(
        restoring(5 * mib / 2, None),
        "Your files are being restored: 2.5 MiB so far."
    );
    let of = restoring(1_331 * mib, Some(2_048 * mib));
    assert_eq!(of, "Your files are being restored: 1.2 GiB of 2.0 GiB.");
}

#[test]
fn a_start_shows_its_steps_with_what_is_usual() {
    let mut times = StartTimes::default();
    for (generation, agent_ms) in [(2, 9_000), (3, 0)] {
        let at = NOW.plus(if generation == 2 { 0 } else { 100_000 });
        let mut from = Lifecycle::Sleeping;
        for (phase, after) in [(Phase::Container, 0), (Phase::Configure, 600), (Phase::Agent, 800)] {
            times.observe(from, Lifecycle::Starting, Some(phase), generation, at.plus(after));
            from = Lifecycle::Starting;
        }
        if generation == 2 {
            times.observe(from, Lifecycle::Running, Some(Phase::Ready), 2, at.plus(800 + agent_ms));
        }
    }
    let boot = BootView::of(
        &view(Lifecycle::Starting, Some(Phase::Agent)),
        &times,
        NOW.plus(103_000),
    );
    let steps: Vec<_> = boot
        .steps
        .iter()
        .map(|step| (step.phase, step.state, step.took_ms, step.usual_ms))
        .collect();
    assert_eq!(
        steps,
        [
            (Phase::Container, StepState::Done, Some(600), Some(600)),
            (Phase::Configure, StepState::Done, Some(200), Some(200)),
            (Phase::Agent, StepState::Current, None, Some(9_000)),
        ]
    );
    assert_eq!((boot.usual_ms, boot.elapsed_ms), (Some(9_800), Some(3_000)));
    assert_eq!((boot.title.as_str(), boot.next), ("Waking your sandbox", Next::Watch));

    // An agent that comes back needs no container.
    let mut back = StartTimes::default();
    back.clone_from(&times);
    back.observe(Lifecycle::Starting, Lifecycle::Running, None, 3, NOW.plus(109_800));
    back.observe(
        Lifecycle::Running,
        Lifecycle::Starting,
        Some(Phase::Agent),
        3,
        NOW.plus(120_000),
    );
    let returning = BootView::of(&view(Lifecycle::Starting, Some(Phase::Agent)), &back, NOW.plus(121_000));
    assert_eq!(
        (returning.usual_ms, returning.title.as_str()),
        (Some(9_000), "Restarting your agent")
    );

    // It failed there.
    let failed = SandboxView {
        retry_at: Some(NOW.plus(108_000)),
        ..view(Lifecycle::Failed, None)
    };
    times.observe(Lifecycle::Starting, Lifecycle::Failed, None, 3, NOW.plus(103_000));
    let boot = BootView::of(&failed, &times, NOW.plus(103_000));
    assert_eq!(boot.steps.last().map(|step| step.state), Some(StepState::Failed));
    assert_eq!((boot.retry_in_ms, boot.next), (Some(5_000), Next::Retry));
}

#[test]
fn nothing_is_usual_before_it_was_measured() {
    let boot = boot(&view(Lifecycle::Starting, Some(Phase::Container)));
    assert_eq!((boot.usual_ms, boot.elapsed_ms), (None, Some(4_000)));
    assert_eq!(boot.steps.len(), 3);
    // Nor where there is no start.
    assert_eq!(self::boot(&view(Lifecycle::Running, Some(Phase::Ready))).usual_ms, None);
}

#[test]
fn what_to_do_next_follows_from_where_it_stands() {
    for (lifecycle, next) in [
        (Lifecycle::Starting, Next::Watch),
        (Lifecycle::Stopping, Next::Watch),
        (Lifecycle::Running, Next::Open),
        (Lifecycle::Failed, Next::Retry),
        (Lifecycle::Stopped, Next::Retry),
        (Lifecycle::Sleeping, Next::Retry),
    ] {
        assert_eq!(boot(&view(lifecycle, None)).next, next, "{lifecycle:?}");
        let changing = SandboxView {
            change: change(),
            ..view(lifecycle, None)
        };
        assert_eq!(boot(&changing).next, Next::Watch, "{lifecycle:?} while it is changed");
    }
    let waiting = SandboxView {
        waits_for_capacity: true,
        ..view(Lifecycle::Failed, None)
    };
    let boot = boot(&waiting);
    assert_eq!((boot.next, boot.title.as_str()), (Next::Watch, "Waiting for a place"));
}

#[test]
fn whoever_is_with_what_ran_before_is_opened_there_once_he_has_arrived() {
    for (moving, next) in [(false, Next::Open), (true, Next::Watch)] {
        let elsewhere = SandboxView {
            placement: Some(Placement {
                owner: Owner::Legacy,
                epoch: 1,
                moving,
                refused: None,
            }),
            ..view(Lifecycle::Stopped, None)
        };
        let boot = boot(&elsewhere);
        assert_eq!((boot.next, boot.elsewhere), (next, true));
    }
}

#[test]
fn no_secret_of_the_log_is_shown_and_only_its_end() {
    let planted = format!("{}-ant-api03-{}", "sk", "A".repeat(40));
    let mut log_tail: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
    log_tail.push(format!("loaded ANTHROPIC_API_KEY={planted}"));
    log_tail.push("ä".repeat(1_000));
    let failed = SandboxView {
        cause: Some(format!("Bad key {planted}")),
        log_tail,
        ..view(Lifecycle::Failed, None)
    };
    let boot = boot(&failed);
    let told = serde_json::to_string(&boot).unwrap();
    assert!(!told.contains("AAAAAAAA"), "{told}");
    assert_eq!(boot.log_tail.len(), 20);
    assert_eq!(boot.log_tail.last().unwrap().chars().count(), 301);
}

#[test]
fn the_agents_last_lines_are_shown_once() {
    let cause = |log_tail: &[&str]| {
        boot(&SandboxView {
            cause: Some("exit code 3; last lines: no such file; last lines: 7".into()),
            log_tail: log_tail.iter().map(ToString::to_string).collect(),
            ..view(Lifecycle::Failed, None)
        })
        .cause
    };
    assert_eq!(cause(&["no such file; last lines: 7"]).as_deref(), Some("exit code 3"));
    // Without a log they are all there is.
    assert_eq!(
        cause(&[]).as_deref(),
        Some("exit code 3; last lines: no such file; last lines: 7")
    );
}

#[test]
fn an_events_name_changes_with_what_is_told_and_not_with_the_clock() {
    let seen = view(Lifecycle::Starting, Some(Phase::Agent));
    let times = StartTimes::default();
    let name = |view: &SandboxView, after| BootView::of(view, &times, NOW.plus(after)).event;
    assert_eq!(name(&seen, 0), name(&seen, 60_000));
    let mut logged = seen.clone();
    logged.log_tail.push("hello".into());
    assert_ne!(name(&seen, 0), name(&logged, 0));
    assert_ne!(
        name(&seen, 0),
        name(&view(Lifecycle::Starting, Some(Phase::Configure)), 0)
    );
}

proptest! {
    #[test]
    fn nobody_comes_back_too_early_or_too_late(least in 0_u32..100, spread in 0_u32..100, random: u32) {
        let seconds = come_back(least, spread, random);
        prop_assert!((least..=least + spread).contains(&seconds));
    }
}

#[test]
fn those_who_were_refused_together_are_spread() {
    let mut counts = [0_u32; 6];
    (0_u32..6_000).for_each(|random| counts[(come_back(2, 5, random.wrapping_mul(2_654_435_761)) - 2) as usize] += 1);
    assert!(counts.iter().all(|count| (800..=1_200).contains(count)), "{counts:?}");
}
