use super::*;
use molt_common::control::SupervisorPhase;
use molt_common::sandbox_call::Lifecycle;
use proptest::prelude::*;

pub const T0: Millis = Millis(1_800_000_000_000);

fn owner() -> UserId {
    UserId::parse("0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11").unwrap()
}

pub fn needed() -> Event {
    Event::Needed {
        owner: owner(),
        tier: 1,
    }
}

pub fn status(generation: u64, phase: SupervisorPhase, boot: &str) -> Box<SupervisorStatus> {
    Box::new(SupervisorStatus {
        boot_id: boot.into(),
        generation,
        phase,
        cause: (phase == SupervisorPhase::Failed).then(|| "exit code 1".into()),
        agent: "echo".into(),
        agent_pid: None,
        agent_restarts: 0,
        open_sockets: 0,
        last_request_at: None,
        last_client_frame_at: None,
        running_commands: 0,
        last_active_at: None,
        busy: vec![],
        next_wake_at: None,
        restart: None,
        snapshots: None,
        config: None,
        providers: None,
        log_tail: vec!["line".into()],
        now: T0.0,
    })
}

fn probed(generation: u64, phase: SupervisorPhase) -> Event {
    Event::Probed {
        container: true,
        status: Some(status(generation, phase, "b")),
        local: LocalUse::default(),
    }
}

pub fn silent(container: bool) -> Event {
    Event::Probed {
        container,
        status: None,
        local: LocalUse::default(),
    }
}

pub fn running() -> Sandbox {
    let mut sandbox = Sandbox::default();
    sandbox.step(needed(), T0);
    sandbox.step(Event::Launching, T0);
    sandbox.step(probed(1, SupervisorPhase::Ready), T0);
    assert_eq!(sandbox.stage, Stage::Running);
    sandbox
}

#[test]
fn many_needs_make_one_start() {
    let mut sandbox = Sandbox::default();
    assert_eq!(sandbox.step(needed(), T0), vec![Action::Start, Action::Announce]);
    for _ in 0..50 {
        assert_eq!(sandbox.step(needed(), T0), vec![]);
    }
    assert_eq!(sandbox.generation, 1);
}

#[test]
fn phases_lead_to_running() {
    let mut sandbox = Sandbox::default();
    sandbox.step(needed(), T0);
    sandbox.step(Event::Launching, T0);
    assert_eq!(sandbox.step(silent(true), T0), vec![]);
    assert_eq!(
        sandbox.step(probed(1, SupervisorPhase::Configure), T0),
        vec![Action::Announce]
    );
    assert_eq!(sandbox.view().phase, Some(Phase::Configure));
    sandbox.step(probed(1, SupervisorPhase::Agent), T0);
    assert_eq!(
        sandbox.step(probed(1, SupervisorPhase::Ready), T0),
        vec![Action::KeepAlive, Action::Announce]
    );
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Running);
}

#[test]
fn a_silent_container_fails_with_a_cause_and_backs_off() {
    let mut sandbox = Sandbox::default();
    let mut at = T0;
    let mut waits = vec![];
    for _ in 0..8 {
        sandbox.step(needed(), at);
        sandbox.step(Event::Launching, at);
        let late = at.plus(CONTAINER_DEADLINE_MS);
        assert!(sandbox.step(silent(true), late).contains(&Action::Destroy));
        let Stage::Failed { retry_at } = sandbox.stage else {
            panic!("{:?}", sandbox.stage)
        };
        assert!(sandbox.cause.as_deref().unwrap().contains("did not answer"));
        assert_eq!(sandbox.step(needed(), late), vec![], "not before retry_at");
        waits.push(retry_at.since(late));
        at = retry_at;
    }
    // From the fifth on it is the breaker's pause.
    assert_eq!(waits, vec![1000, 2000, 4000, 8000, 30000, 60000, 120_000, 240_000]);
    assert_eq!(sandbox.generation, 8);
}

#[test]
fn a_refused_start_aborts_the_object() {
    let mut sandbox = Sandbox::default();
    sandbox.step(needed(), T0);
    let actions = sandbox.step(
        Event::StartRefused {
            cause: "no engine".into(),
            refusal: Refusal::Engine,
        },
        T0,
    );
    assert_eq!(actions.last(), Some(&Action::Abort));
    assert_eq!(sandbox.view().cause.as_deref(), Some("no engine"));
}

#[test]
fn a_vanished_container_ends_the_generation() {
    let mut sandbox = running();
    sandbox.step(silent(false), T0);
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Stopped);
    assert!(!sandbox.lives(1));
    sandbox.step(needed(), T0);
    assert_eq!(sandbox.generation, 2);
}

#[test]
fn one_missed_answer_is_forgiven_long_silence_is_not() {
    let mut sandbox = running();
    sandbox.step(silent(true), T0);
    assert_eq!(sandbox.next_alarm(T0, false), Some(T0.plus(1000)));
    sandbox.step(probed(1, SupervisorPhase::Ready), T0.plus(SILENCE_TO_GIVE_UP_MS));
    // What was missed before that answer does not count.
    let again = T0.plus(SILENCE_TO_GIVE_UP_MS + 1);
    for ms in [0, SILENCE_TO_GIVE_UP_MS - 1] {
        assert_eq!(sandbox.step(silent(true), again.plus(ms)), vec![]);
    }
    let given_up = sandbox.step(silent(true), again.plus(SILENCE_TO_GIVE_UP_MS));
    assert!(given_up.contains(&Action::Destroy));
    assert!(!sandbox.lives(1));
}

#[test]
fn many_missed_answers_at_once_are_one_silence() {
    // Every call that fails has it asked: sixty-four commands do that within milliseconds while `serve` is started again.
    let mut sandbox = running();
    for ms in 0..64 {
        assert_eq!(sandbox.step(silent(true), T0.plus(ms * 80)), vec![]);
    }
    assert_eq!(
        sandbox.step(probed(1, SupervisorPhase::Ready), T0.plus(5_200)),
        vec![Action::KeepAlive]
    );
    assert!(sandbox.lives(1));
}

#[test]
fn another_boot_or_generation_in_its_place_ends_it() {
    let mut sandbox = running();
    let other = Event::Probed {
        container: true,
        status: Some(status(1, SupervisorPhase::Ready, "other")),
        local: LocalUse::default(),
    };
    assert!(sandbox.step(other, T0).contains(&Action::Destroy));
    let mut sandbox = running();
    assert!(
        sandbox
            .step(probed(7, SupervisorPhase::Ready), T0)
            .contains(&Action::Destroy)
    );
}

#[test]
fn a_crashed_agent_is_starting_again_in_the_same_generation() {
    let mut sandbox = running();
    sandbox.step(probed(1, SupervisorPhase::Failed), T0);
    assert_eq!(sandbox.view().lifecycle, Lifecycle::Starting);
    assert_eq!(sandbox.view().cause.as_deref(), Some("exit code 1"));
    assert!(sandbox.lives(1));
    sandbox.step(probed(1, SupervisorPhase::Ready), T0);
    assert_eq!((sandbox.generation, sandbox.view().lifecycle), (1, Lifecycle::Running));
}

#[test]
fn a_stop_is_bounded() {
    let mut sandbox = running();
    assert_eq!(
        sandbox.step(Event::StopWanted(BeforeStop::Save), T0),
        vec![Action::Terminate, Action::Announce]
    );
    assert_eq!(sandbox.step(silent(true), T0.plus(STOP_DEADLINE_MS - 1)), vec![]);
    assert!(
        sandbox
            .step(silent(true), T0.plus(STOP_DEADLINE_MS))
            .contains(&Action::Destroy)
    );
    assert_eq!(sandbox.stage, Stage::Stopped);
}

#[test]
fn state_written_by_an_older_version_is_read() {
    let old = r#"{"stage":{"stage":"stopped"},"generation":4,"since":1,"owner":null,"tier":2}"#;
    let sandbox: Sandbox = serde_json::from_str(old).unwrap();
    assert_eq!((sandbox.generation, sandbox.tier), (4, 2));
}

fn any_event() -> impl Strategy<Value = Event> {
    let phase = prop_oneof![
        Just(SupervisorPhase::Configure),
        Just(SupervisorPhase::Agent),
        Just(SupervisorPhase::Ready),
        Just(SupervisorPhase::Failed),
        Just(SupervisorPhase::Stopping),
    ];
    prop_oneof![
        Just(needed()),
        prop_oneof![
            Just(Refusal::Engine),
            Just(Refusal::Capacity),
            Just(Refusal::Deployment)
        ]
        .prop_map(|refusal| Event::StartRefused {
            cause: "x".into(),
            refusal
        }),
        Just(Event::Launching),
        Just(Event::NeverLaunched),
        Just(Event::Due),
        Just(Event::KillWanted),
        Just(Event::StopWanted(BeforeStop::Save)),
        any::<bool>().prop_map(silent),
        (0_u64..4, phase, prop_oneof![Just("b"), Just("c")]).prop_map(|(generation, phase, boot)| Event::Probed {
            container: true,
            status: Some(status(generation, phase, boot)),
            local: LocalUse::default(),
        }),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_in_whatever_order(events in prop::collection::vec((any_event(), 0_u64..200_000), 0..60)) {
        let mut sandbox = Sandbox::default();
        let mut now = T0;
        for (event, wait) in events {
            now = now.plus(wait);
            let before = sandbox.clone();
            let actions = sandbox.step(event, now);
            // A start happens only from rest, and each has a number of its own.
            let starts = actions.iter().filter(|action| **action == Action::Start).count();
            prop_assert!(starts <= 1);
            prop_assert_eq!(sandbox.generation, before.generation + starts as u64);
            if starts == 1 {
                let at_rest = matches!(before.stage, Stage::Stopped | Stage::Failed { .. });
                prop_assert!(at_rest);
            }
            // Whoever gives up a container that may be there removes it.
            let asked = before.launched_at.is_some() || before.boot_id.is_some();
            let gave_up = matches!(before.stage, Stage::Running | Stage::Starting { .. }) && !sandbox.lives(before.generation);
            if gave_up && asked {
                prop_assert!(actions.contains(&Action::Destroy));
            }
            // A failure says why, and something is always scheduled while something goes on.
            if matches!(sandbox.stage, Stage::Failed { .. }) {
                prop_assert!(sandbox.cause.is_some());
            }
            prop_assert!(sandbox.next_alarm(now, false).is_some() || !sandbox.lives(sandbox.generation));
            let stored = serde_json::to_string(&sandbox).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sandbox>(&stored).unwrap(), sandbox.clone());
        }
    }
}
