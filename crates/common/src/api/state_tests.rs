use super::{LiveState, Probe, SandboxState, StateWord};
use crate::id::UserId;
use crate::sandbox_call::{Lifecycle, Probed, SandboxView};
use crate::time::Millis;
use serde_json::{Value, json};

const NOW: Millis = Millis(1_800_000_000_000);

fn ada() -> UserId {
    UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap()
}

fn running() -> SandboxView {
    SandboxView {
        lifecycle: Lifecycle::Running,
        generation: 3,
        since: Millis(NOW.0 - 60_000),
        observed_at: Some(Millis(NOW.0 - 1_500)),
        sleeps_at: Some(Millis(NOW.0 + 1_000)),
        ..SandboxView::never_started(2)
    }
}

fn probed(phase: Option<&str>, container: bool) -> Probe {
    let status = phase.map(|phase| {
        let status = json!({"bootId": "b", "generation": 3, "phase": phase, "cause": null, "agent": "echo", "agentPid": 7, "agentRestarts": 1,
            "openSockets": 2, "lastRequestAt": null, "lastClientFrameAt": null, "runningCommands": 0, "logTail": [], "now": NOW.0,
            "lastActiveAt": NOW.0, "busy": ["command"]});
        serde_json::from_value(status).unwrap()
    });
    Probe::new(&Probed {
        view: running(),
        container,
        status,
        latency_ms: 12,
    })
}

#[test]
fn words_go_both_ways() {
    for word in StateWord::ALL {
        assert_eq!(serde_json::to_value(word).unwrap(), word.word());
        assert_eq!(StateWord::parse(word.word()), Some(word));
        assert_eq!(StateWord::from(word.lifecycle()), word);
    }
    assert_eq!(StateWord::parse("running"), None);
}

#[test]
fn a_state_says_how_old_it_is() {
    let state = serde_json::to_value(SandboxState::new(ada(), running(), NOW)).unwrap();
    assert_eq!((&state["state"], &state["ageMs"]), (&json!("active"), &json!(1_500)));
    assert_eq!(state["sleepsAt"], Millis(NOW.0 + 1_000).iso());
    assert_eq!(state["keepAlive"], json!({"policy": "default"}));
    assert_eq!(state.get("probe"), None);
    let never = serde_json::to_value(SandboxState::new(ada(), SandboxView::never_started(1), NOW)).unwrap();
    assert_eq!((&never["since"], &never["ageMs"]), (&Value::Null, &Value::Null));
}

#[test]
fn the_older_form_tells_of_the_observation_unless_a_probe_was_answered() {
    let stored = LiveState::new(ada(), &running(), None, 4, NOW);
    assert_eq!(
        (stored.gateway_healthy, stored.latency_ms, stored.age_ms),
        (Some(true), 4, Some(1_500))
    );
    let asked = LiveState::new(ada(), &running(), Some(probed(Some("agent"), true)), 4, NOW);
    assert_eq!(
        (asked.gateway_healthy, asked.latency_ms, asked.age_ms),
        (Some(false), 12, Some(0))
    );
    let silent = LiveState::new(ada(), &running(), Some(probed(None, true)), 4, NOW);
    assert_eq!(
        (silent.gateway_healthy, silent.latency_ms, silent.age_ms),
        (Some(false), 4, Some(1_500))
    );
    let gone = LiveState::new(ada(), &running(), Some(probed(None, false)), 4, NOW);
    assert_eq!((gone.gateway_healthy, gone.probe.unwrap().latency_ms), (None, None));
    let never = LiveState::new(ada(), &SandboxView::never_started(1), None, 4, NOW);
    assert_eq!((never.gateway_healthy, never.checked_at), (None, None));
}

#[test]
fn a_probe_tells_what_the_supervisor_said() {
    let probe = serde_json::to_value(probed(Some("ready"), true)).unwrap();
    for (name, value) in [
        ("reachable", json!(true)),
        ("phase", json!("ready")),
        ("agentPid", json!(7)),
        ("openSockets", json!(2)),
        ("busy", json!(["command"])),
        ("lastActiveAt", json!(NOW.iso())),
        ("latencyMs", json!(12)),
    ] {
        assert_eq!(probe[name], value, "{name}");
    }
}
