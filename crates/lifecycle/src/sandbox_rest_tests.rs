use super::sleep::{LocalUse, SHORTEST_SLEEP_MS, WAKE_PATIENCE_MS, idle_sleep_ms};
use super::tests::{T0, needed, running, silent, status};
use super::*;
use molt_common::control::SupervisorPhase;
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::KeepAlive;

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
    sandbox.step(Event::StopWanted(BeforeStop::Save), at);
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
    stopped.step(Event::StopWanted(BeforeStop::Save), T0);
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
