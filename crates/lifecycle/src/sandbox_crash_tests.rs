use super::sleep::LocalUse;
use super::tests::{T0, needed, running, silent, status};
use super::*;
use molt_common::control::{AgentRestart, SupervisorPhase};
use molt_common::sandbox_call::Lifecycle;

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
    sandbox.step(Event::KillWanted, at);
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
