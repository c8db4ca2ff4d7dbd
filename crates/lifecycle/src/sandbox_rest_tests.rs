use super::capacity::{INTEREST_MS, is_no_room};
use super::sleep::{LocalUse, SHORTEST_SLEEP_MS, WAKE_PATIENCE_MS, idle_sleep_ms};
use super::tests::{T0, needed, running, silent, status};
use super::*;
use molt_common::control::{AgentRestart, SupervisorPhase};
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::{ImageChoice, KeepAlive};

const IDLE_MS: u64 = 60_000;

/// A ready sandbox as it tells of itself, under a deployment that lets it sleep.
fn told(change: impl FnOnce(&mut SupervisorStatus, &mut LocalUse)) -> Event {
    let mut status = status(1, SupervisorPhase::Ready, "b");
    let mut local = LocalUse {
        idle_sleep_ms: Some(IDLE_MS),
        ..LocalUse::default()
    };
    change(&mut status, &mut local);
    Event::Probed {
        container: true,
        status: Some(status),
        local,
    }
}

fn asleep(wake: Option<u64>) -> Sandbox {
    let mut sandbox = running();
    let at = T0.plus(IDLE_MS);
    sandbox.step(told(|status, _| status.next_wake_at = wake.map(|ms| T0.plus(ms).0)), at);
    sandbox.step(silent(false), at);
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Sleeping);
    sandbox
}

#[test]
fn it_sleeps_on_time_and_not_before() {
    let mut sandbox = running();
    sandbox.step(told(|_, _| {}), T0.plus(1));
    assert_eq!(sandbox.view().sleeps_at, Some(T0.plus(IDLE_MS)));
    // The alarm comes then, if the heartbeat does not come before.
    let late = T0.plus(IDLE_MS - 5_000);
    assert_eq!(sandbox.next_alarm(late, false), Some(T0.plus(IDLE_MS)));
    assert_eq!(
        sandbox.step(told(|_, _| {}), T0.plus(IDLE_MS - 1)),
        vec![Action::KeepAlive]
    );
    let slept = sandbox.step(told(|_, _| {}), T0.plus(IDLE_MS));
    assert_eq!(slept, vec![Action::Terminate, Action::Announce]);
}

#[test]
fn whatever_is_going_on_keeps_it_awake() {
    let late = T0.plus(10 * IDLE_MS);
    let awake: [fn(&mut SupervisorStatus, &mut LocalUse); 6] = [
        |status, _| status.busy = vec!["agent".into()],
        |status, _| status.running_commands = 1,
        |status, _| status.last_active_at = Some(T0.plus(10 * IDLE_MS - 1).0),
        |_, local| local.in_flight = 1,
        |_, local| local.used_at = Some(T0.plus(10 * IDLE_MS - 1)),
        |_, local| local.idle_sleep_ms = None,
    ];
    for change in awake {
        assert_eq!(running().step(told(change), late), vec![Action::KeepAlive]);
    }
    let soon = told(|status, _| status.next_wake_at = Some(T0.plus(10 * IDLE_MS + SHORTEST_SLEEP_MS - 1).0));
    assert_eq!(running().step(soon, late), vec![Action::KeepAlive]);
}

#[test]
fn what_an_open_page_does_by_itself_does_not() {
    let late = T0.plus(10 * IDLE_MS);
    let open = told(|status, _| {
        status.open_sockets = 3;
        status.last_request_at = Some(late.0);
        status.last_client_frame_at = Some(late.0);
    });
    assert!(running().step(open, late).contains(&Action::Terminate));
}

#[test]
fn keep_alive_overrules_the_deployment() {
    let mut always = running();
    always.set_keep_alive(KeepAlive::Always);
    assert_eq!(
        always.step(told(|_, _| {}), T0.plus(100 * IDLE_MS)),
        vec![Action::KeepAlive]
    );
    assert_eq!(always.view().sleeps_at, None);
    let mut longer = running();
    longer.set_keep_alive(KeepAlive::Idle { seconds: 120 });
    assert_eq!(longer.step(told(|_, _| {}), T0.plus(119_999)), vec![Action::KeepAlive]);
    assert!(
        longer
            .step(told(|_, _| {}), T0.plus(120_000))
            .contains(&Action::Terminate)
    );
}

#[test]
fn a_sleeper_wakes_when_its_agent_planned_to() {
    let mut sandbox = asleep(Some(IDLE_MS + 300_000));
    let at = T0.plus(IDLE_MS + 300_000);
    assert_eq!(
        (sandbox.view().wakes_at, sandbox.next_alarm(T0, false)),
        (Some(at), Some(at))
    );
    assert_eq!(
        sandbox.step(Event::Due, at.plus(0)),
        vec![Action::Start, Action::Announce]
    );
    // A start that fails is tried again, and in the end given up.
    sandbox.step(Event::Launching, at);
    sandbox.step(silent(false), at);
    let Stage::Failed { retry_at } = sandbox.stage else {
        panic!("{:?}", sandbox.stage)
    };
    assert_eq!(sandbox.next_alarm(at, false), Some(retry_at));
    assert!(sandbox.step(Event::Due, retry_at).contains(&Action::Start));
    sandbox.step(Event::Launching, retry_at);
    sandbox.step(silent(false), at.plus(WAKE_PATIENCE_MS));
    assert_eq!(sandbox.next_alarm(at, false), None);
    assert_eq!(asleep(None).next_alarm(T0, false), None);
}

#[test]
fn a_plan_beyond_all_times_is_none() {
    for far in [u64::MAX, 8_640_000_000_000_001, 32_503_680_000_000] {
        let mut sandbox = running();
        sandbox.step(told(|status, _| status.next_wake_at = Some(far)), T0);
        sandbox.step(silent(false), T0);
        assert_eq!(
            (sandbox.view().wakes_at, sandbox.next_alarm(T0, false)),
            (None, None),
            "{far}"
        );
    }
}

#[test]
fn whoever_comes_while_it_goes_to_sleep_is_served_after_it() {
    let mut sandbox = running();
    let at = T0.plus(IDLE_MS);
    sandbox.step(told(|_, _| {}), at);
    assert_eq!(sandbox.step(needed(), at), vec![]);
    sandbox.step(silent(false), at);
    assert_eq!(sandbox.next_alarm(at, false), Some(at));
    assert!(sandbox.step(Event::Due, at).contains(&Action::Start));
    // Not so when somebody had it stopped.
    let mut sandbox = running();
    sandbox.step(Event::StopWanted, at);
    sandbox.step(needed(), at);
    sandbox.step(silent(false), at);
    assert_eq!(
        (sandbox.next_alarm(at, false), sandbox.step(Event::Due, at)),
        (None, vec![])
    );
}

#[test]
fn what_is_kept_alive_comes_back_by_itself() {
    let mut sandbox = running();
    sandbox.set_keep_alive(KeepAlive::Always);
    sandbox.step(silent(false), T0);
    assert!(sandbox.step(Event::Due, T0).contains(&Action::Start));
    let mut stopped = running();
    stopped.set_keep_alive(KeepAlive::Always);
    stopped.step(Event::StopWanted, T0);
    stopped.step(silent(false), T0);
    assert_eq!(stopped.step(Event::Due, T0), vec![]);
}

#[test]
fn nothing_starts_by_itself_while_its_owner_is_shut_out() {
    let mut kept = running();
    kept.set_keep_alive(KeepAlive::Always);
    kept.step(silent(false), T0);
    for (mut sandbox, at) in [
        (kept, T0),
        (asleep(Some(IDLE_MS + 300_000)), T0.plus(IDLE_MS + 300_000)),
    ] {
        assert!(sandbox.would_start_by_itself(at));
        sandbox.step(Event::Barred { for_ms: 60_000 }, at);
        let again = at.plus(60_000);
        assert!(!sandbox.would_start_by_itself(at.plus(59_999)));
        assert_eq!(sandbox.step(Event::Due, at.plus(59_999)), vec![]);
        assert_eq!(sandbox.next_alarm(at, false), Some(again), "it is asked about again");
        // A request was let in by whoever admitted it.
        let mut asked_for = sandbox.clone();
        assert!(asked_for.step(needed(), at).contains(&Action::Start));
        assert!(sandbox.would_start_by_itself(again));
        assert!(sandbox.step(Event::Due, again).contains(&Action::Start));
        assert_eq!(sandbox.barred_until, None);
    }
    // Somebody came while it went to sleep: nobody is asked about him again.
    let mut sandbox = running();
    let at = T0.plus(IDLE_MS);
    sandbox.step(told(|_, _| {}), at);
    sandbox.step(needed(), at);
    sandbox.step(silent(false), at);
    assert!(!sandbox.would_start_by_itself(at) && sandbox.step(Event::Due, at).contains(&Action::Start));
}

#[test]
fn a_slip_in_the_time_of_sleep_puts_nobody_to_sleep() {
    for never in ["", "0", "-5", "15m", "1e3", "0.5", "off", "99999999999999999999"] {
        assert_eq!(idle_sleep_ms(Some(never)), None, "{never}");
    }
    assert_eq!(idle_sleep_ms(None), None);
    assert_eq!(idle_sleep_ms(Some(" 900 ")), Some(900_000));
    // In milliseconds it would begin again at a few of them.
    assert_eq!(idle_sleep_ms(Some("18446744073709552")), Some(u64::MAX));
}

#[test]
fn five_ends_of_a_running_one_open_the_breaker() {
    let mut sandbox = Sandbox::default();
    let mut at = T0;
    let mut run_and_end = |sandbox: &mut Sandbox, ms: u64| {
        let started = sandbox.step(needed(), at);
        assert!(started.contains(&Action::Start), "{:?}", sandbox.stage);
        sandbox.step(Event::Launching, at);
        let ready = status(sandbox.generation, SupervisorPhase::Ready, "b");
        let (container, local) = (true, LocalUse::default());
        sandbox.step(
            Event::Probed {
                container,
                status: Some(ready.clone()),
                local,
            },
            at,
        );
        at = at.plus(ms);
        sandbox.step(
            Event::Probed {
                container,
                status: Some(ready),
                local,
            },
            at,
        );
        sandbox.step(silent(false), at);
        match sandbox.stage {
            Stage::Failed { retry_at } => {
                let pause = retry_at.since(at);
                assert_eq!(sandbox.step(needed(), at.plus(pause - 1)), vec![]);
                at = retry_at;
                Some(pause)
            }
            _ => None,
        }
    };
    let pauses: Vec<_> = (0..7).map(|_| run_and_end(&mut sandbox, 1_000)).collect();
    assert_eq!(
        pauses,
        [None, None, None, None, Some(30_000), Some(60_000), Some(120_000)]
    );
    // A long healthy run closes it.
    assert_eq!(run_and_end(&mut sandbox, breaker::HEALTHY_MS), None);
    sandbox.forgive();
    assert_eq!(sandbox.breaker, Breaker::default());
}

/// Looks at an agent that was started again so often, perhaps because somebody asked for it.
fn agent(sandbox: &mut Sandbox, phase: SupervisorPhase, restarts: u32, asked: Option<&str>, at: Millis) {
    let mut status = status(1, phase, "b");
    status.agent_restarts = restarts;
    status.restart = asked.map(|id| AgentRestart {
        id: id.into(),
        done: phase == SupervisorPhase::Ready,
        error: None,
    });
    sandbox.step(
        Event::Probed {
            container: true,
            status: Some(status),
            local: LocalUse::default(),
        },
        at,
    );
}

#[test]
fn an_agent_that_is_ready_for_a_moment_and_ends_again_has_not_come_up() {
    let (last, ready, failed) = (
        AGENT_RESTARTS_TO_GIVE_UP,
        SupervisorPhase::Ready,
        SupervisorPhase::Failed,
    );
    // Seen ready in the middle of its crashes, for so long.
    let seen_ready_for = |ms: u64| {
        let mut sandbox = running();
        agent(&mut sandbox, failed, last - 2, None, T0.plus(1));
        agent(&mut sandbox, ready, last - 1, None, T0.plus(2));
        let at = T0.plus(2 + ms);
        agent(&mut sandbox, ready, last - 1, None, at);
        agent(&mut sandbox, failed, last - 1, None, at);
        assert_eq!(sandbox.view().lifecycle, Lifecycle::Starting);
        agent(&mut sandbox, failed, last, None, at.plus(1));
        sandbox
    };
    let given_up = seen_ready_for(AGENT_SETTLED_MS - 1);
    assert_eq!(given_up.view().lifecycle, Lifecycle::Failed);
    assert_eq!(given_up.view().cause.as_deref(), Some("exit code 1"));
    // One that had come up is tried as often as any other.
    assert_eq!(seen_ready_for(AGENT_SETTLED_MS).view().lifecycle, Lifecycle::Starting);
}

#[test]
fn a_restart_that_was_asked_for_is_no_crash() {
    let mut sandbox = running();
    for restart in 1..=2 * AGENT_RESTARTS_TO_GIVE_UP {
        let (id, at) = (restart.to_string(), T0.plus(u64::from(restart)));
        agent(&mut sandbox, SupervisorPhase::Agent, restart, Some(&id), at);
        agent(&mut sandbox, SupervisorPhase::Ready, restart, Some(&id), at);
        assert_eq!(sandbox.view().lifecycle, Lifecycle::Running);
        let mut crashed = sandbox.clone();
        agent(&mut crashed, SupervisorPhase::Failed, restart + 1, Some(&id), at);
        agent(
            &mut crashed,
            SupervisorPhase::Failed,
            restart + 1,
            Some(&id),
            at.plus(1),
        );
        assert_eq!(crashed.view().lifecycle, Lifecycle::Starting, "after {restart}");
    }
}

#[test]
fn an_agent_that_hangs_and_goes_on_has_not_ended() {
    let mut sandbox = running();
    for n in 1..=4 * breaker::ENDS_TO_OPEN as u64 {
        let at = T0.plus(n);
        agent(&mut sandbox, SupervisorPhase::Agent, 0, None, at);
        assert_eq!(sandbox.view().lifecycle, Lifecycle::Starting, "after {n}");
        agent(&mut sandbox, SupervisorPhase::Ready, 0, None, at);
    }
    // Ends count, seen in their pause or after it.
    for n in 1..breaker::ENDS_TO_OPEN as u32 {
        let (phase, restarts) = match n % 2 {
            0 => (SupervisorPhase::Agent, n),
            _ => (SupervisorPhase::Failed, n - 1),
        };
        agent(&mut sandbox, phase, restarts, None, T0.plus(100));
        assert_eq!(sandbox.view().lifecycle, Lifecycle::Starting, "after {n}");
        agent(&mut sandbox, SupervisorPhase::Ready, n, None, T0.plus(100));
    }
    let last = breaker::ENDS_TO_OPEN as u32;
    agent(&mut sandbox, SupervisorPhase::Agent, last, None, T0.plus(100));
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Failed);
}

#[test]
fn want_of_room_is_told_and_tried_again_as_long_as_somebody_waits() {
    let mut sandbox = Sandbox::default();
    sandbox.step(needed(), T0);
    let refuse = |sandbox: &mut Sandbox, at| {
        assert!(sandbox.launches(at));
        sandbox.step(Event::Launching, at);
        let (cause, refusal) = ("no room".to_owned(), Refusal::Capacity);
        sandbox.step(Event::StartRefused { cause, refusal }, at)
    };
    assert_eq!(refuse(&mut sandbox, T0), vec![Action::Announce]);
    let view = sandbox.view();
    assert_eq!(
        (
            view.lifecycle,
            view.waits_for_capacity,
            view.cause.as_deref(),
            view.generation
        ),
        (Lifecycle::Starting, true, Some("no room"), 1)
    );
    let retry = view.retry_at.unwrap();
    assert!((1_000..1_500).contains(&retry.since(T0)), "{}", retry.since(T0));
    assert!(!sandbox.launches(Millis(retry.0 - 1)));
    assert_eq!(sandbox.next_alarm(T0, false), Some(retry));
    let mut at = retry;
    for _ in 0..20 {
        sandbox.step(needed(), at);
        assert_eq!(sandbox.step(Event::Due, at), vec![]);
        assert_eq!(refuse(&mut sandbox, at), vec![]);
        at = sandbox.view().retry_at.unwrap();
    }
    assert_eq!(sandbox.breaker, Breaker::default());
    // Nobody asks any more.
    sandbox.step(Event::Due, at.plus(INTEREST_MS));
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Stopped);
    assert_eq!(sandbox.view().cause.as_deref(), Some("no room"));
}

#[test]
fn the_platforms_words_for_no_room_are_known() {
    for text in [
        "Error: Maximum number of running container instances exceeded. Try again later, or try configuring a higher value for max_instances",
        "There is no container instance that can be provided to this Durable Object, try again later",
        "you are requesting too many containers per second",
    ] {
        assert!(is_no_room(text), "{text}");
    }
    assert!(!is_no_room("Network connection lost."));
}

#[test]
fn a_choice_counts_for_the_next_start_and_can_be_gone_back_to() {
    let mut sandbox = running();
    sandbox.set_tier(3);
    let canary = ImageChoice {
        name: "canary".into(),
        pinned: None,
    };
    assert_eq!(sandbox.previous_image(), None);
    sandbox.set_image(Some(canary.clone()));
    let view = sandbox.view();
    assert_eq!((view.tier, view.next_tier, view.next_image), (1, Some(3), Some(canary)));
    assert_eq!(sandbox.previous_image(), Some(None));
    assert!(sandbox.has_disk_since().is_some());
    sandbox.step(Event::KillWanted, T0);
    assert_eq!(sandbox.has_disk_since(), None);
    sandbox.step(needed(), T0);
    assert_eq!(sandbox.tier, 3);
}

#[test]
fn a_launch_that_was_never_made_is_made_again() {
    let mut sandbox = Sandbox::default();
    sandbox.step(needed(), T0);
    sandbox.step(Event::Launching, T0);
    assert!(!sandbox.launches(T0));
    sandbox.step(Event::NeverLaunched, T0);
    assert!(sandbox.launches(T0));
}
