//! Whether the agent is at work by itself, and when it has something to do next: what the sandbox's sleep depends on, beside its user.
//!
//! The agent is asked every few seconds, so that a question about the sandbox costs nothing. Where it does not answer though it has admitted traffic, it
//! counts as working: it is never put to sleep because it was not understood.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use molt_common::control::SupervisorPhase;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::AgentState;
use super::link::{Link, LinkError};
use super::schedule;
use crate::clock::now_ms;
use crate::settings::{AgentKind, Settings};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// Between two looks at the schedule of an agent that does nothing.
const LOOK_AT_SCHEDULE: Duration = Duration::from_secs(15);
/// After a look that failed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a look counts. Older, and nothing is known.
const FRESH: Duration = Duration::from_secs(20);
/// What is due so soon is not worth sleeping for, and what was due is about to run; milliseconds.
const SOON_MS: u64 = 30_000;
/// What should have run so long ago does not run; milliseconds.
const MISSED_MS: u64 = 600_000;
/// More than the echo agent answers.
const MAX_ANSWER: usize = 64 * 1024;

/// One look at the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    /// Something is under way.
    working: bool,
    /// And it is more than the agent's looking after its own house.
    for_somebody: bool,
    /// Epoch milliseconds of what is due next.
    next_wake_at: Option<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// The agent's process that has admitted traffic.
    admitted: Option<u32>,
    look: Look,
    looked: Option<Instant>,
    last_active_at: Option<u64>,
}

/// What is known of the agent's work.
#[derive(Debug, Default)]
pub struct AgentWork {
    state: Mutex<State>,
}

/// [`AgentWork`] at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkNow {
    /// It must not be put to sleep.
    pub busy: bool,
    /// Epoch milliseconds of its last work for somebody.
    pub last_active_at: Option<u64>,
    /// Epoch milliseconds of what is due next by its own schedule.
    pub next_wake_at: Option<u64>,
}

impl AgentWork {
    /// Every change is one assignment, so a lock that a panic has poisoned is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is now, with the agent as the supervisor sees it.
    pub fn now(&self, agent: &AgentState) -> WorkNow {
        self.state().now(agent, Instant::now(), now_ms())
    }

    fn note(&self, look: Look) {
        let mut state = self.state();
        if look.for_somebody {
            state.last_active_at = Some(now_ms());
        }
        (state.look, state.looked) = (look, Some(Instant::now()));
    }
}

impl State {
    fn now(&self, agent: &AgentState, instant: Instant, now_ms: u64) -> WorkNow {
        // A process that never admitted anything has nothing to do for anybody.
        let there = agent.phase == SupervisorPhase::Ready || (agent.pid.is_some() && agent.pid == self.admitted);
        let known = self
            .looked
            .is_some_and(|at| instant.saturating_duration_since(at) < FRESH);
        let next_wake_at = self
            .look
            .next_wake_at
            .filter(|at| at.saturating_add(MISSED_MS) > now_ms);
        let due = next_wake_at.is_some_and(|at| at <= now_ms.saturating_add(SOON_MS));
        WorkNow {
            busy: there && (!known || self.look.working || due),
            last_active_at: self.last_active_at,
            next_wake_at,
        }
    }
}

/// Looks for as long as `agent` is watched.
pub async fn observe(settings: Settings, mut agent: watch::Receiver<AgentState>, work: Arc<AgentWork>) {
    loop {
        let ready = agent.wait_for(|state| state.phase == SupervisorPhase::Ready).await;
        let Ok(pid) = ready.map(|state| state.pid) else {
            return;
        };
        {
            let mut state = work.state();
            if state.admitted != pid {
                (state.admitted, state.looked) = (pid, None);
            }
        }
        let looking = async {
            match settings.agent {
                AgentKind::Openclaw => look_at_openclaw(&settings, &work).await,
                AgentKind::Echo => look_at_echo(&settings, &work).await,
            }
        };
        let error = tokio::select! {
            outcome = looking => outcome.err(),
            _ = agent.wait_for(|state| state.pid != pid || state.phase == SupervisorPhase::Failed) => None,
        };
        if let Some(error) = error {
            tracing::debug!(%error, "the agent does not tell what it does");
            // What it refuses it refuses again.
            let refused = matches!(error, LinkError::Refused { .. });
            sleep(if refused { LOOK_AT_SCHEDULE } else { LOOK_AGAIN }).await;
        }
    }
}

/// Asks over one connection for as long as it lasts. Never returns but with an error.
async fn look_at_openclaw(settings: &Settings, work: &AgentWork) -> Result<(), LinkError> {
    let mut link = Link::open(&settings.layout).await?;
    let mut schedule_looked: Option<Instant> = None;
    let mut next_wake_at = None;
    loop {
        let preflight = link.call("gateway.restart.preflight", json!({})).await?;
        let working = schedule::is_working(&preflight)
            .ok_or_else(|| LinkError::Gone("it does not count its work as known".to_owned()))?;
        let mut for_somebody = working && schedule::is_more_than_requests(&preflight);
        if for_somebody || schedule_looked.is_none_or(|at| at.elapsed() >= LOOK_AT_SCHEDULE) {
            let jobs = jobs(&mut link).await?;
            next_wake_at = jobs.as_ref().and_then(schedule::next_wanted);
            for_somebody &= !jobs.is_some_and(|jobs| schedule::only_housekeeping(&preflight, &jobs));
            schedule_looked = Some(Instant::now());
        }
        work.note(Look {
            working,
            for_somebody,
            next_wake_at,
        });
        link.rest(LOOK).await?;
    }
}

/// The agent's jobs; `None` when its scheduler waits for nothing.
async fn jobs(link: &mut Link) -> Result<Option<Value>, LinkError> {
    let status = link.call("cron.status", json!({})).await?;
    if !schedule::has_schedule(&status) {
        return Ok(None);
    }
    let list = match link
        .call("cron.list", json!({ "includeDeliveryPreviews": false }))
        .await
    {
        // An older release knows no such parameter.
        Err(LinkError::Refused { .. }) => link.call("cron.list", json!({})).await?,
        other => other?,
    };
    Ok(Some(list))
}

/// Asks the stand-in, which says it in one document.
async fn look_at_echo(settings: &Settings, work: &AgentWork) -> Result<(), LinkError> {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http();
    let address = format!("http://127.0.0.1:{}/agent-work", settings.layout.agent_port);
    loop {
        let request = Request::get(&address).body(Empty::new());
        let request = request.map_err(|error| LinkError::Gone(error.to_string()))?;
        let gone = |error: &dyn std::fmt::Display| LinkError::Gone(error.to_string());
        let answer = timeout(FRESH, client.request(request))
            .await
            .map_err(|error| gone(&error))?;
        let body = Limited::new(answer.map_err(|error| gone(&error))?.into_body(), MAX_ANSWER);
        let body = body.collect().await.map_err(|error| gone(&error))?.to_bytes();
        let told: Value = serde_json::from_slice(&body).map_err(|error| gone(&error))?;
        let working = told["busy"]
            .as_bool()
            .ok_or_else(|| gone(&"it does not say whether it is busy"))?;
        work.note(Look {
            working,
            for_somebody: working,
            next_wake_at: told["nextWakeAt"].as_u64(),
        });
        // The stand-in answers in no time, and its tests want to see at once what they have done.
        sleep(LOOK_AGAIN / 4).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 10_000_000;

    fn agent(phase: SupervisorPhase, pid: Option<u32>) -> AgentState {
        AgentState {
            phase,
            cause: None,
            pid,
            restarts: 0,
            last_lines: Vec::new(),
        }
    }

    fn told(look: Look, age: Duration) -> (State, Instant) {
        let looked = Instant::now();
        let state = State {
            admitted: Some(7),
            look,
            looked: Some(looked),
            last_active_at: Some(5),
        };
        (state, looked + age)
    }

    #[test]
    fn what_is_not_known_is_work_as_long_as_there_is_an_agent() {
        let idle = Look::default();
        let busy = |look, age, phase, pid| {
            let (state, at) = told(look, age);
            state.now(&agent(phase, pid), at, NOW).busy
        };
        let (fresh, old) = (Duration::from_secs(1), FRESH);
        assert!(!busy(idle, fresh, SupervisorPhase::Ready, Some(7)));
        assert!(
            busy(idle, old, SupervisorPhase::Ready, Some(7)),
            "it has not answered for long"
        );
        assert!(
            busy(idle, old, SupervisorPhase::Agent, Some(7)),
            "it is not ready just now"
        );
        assert!(
            !busy(idle, old, SupervisorPhase::Agent, Some(8)),
            "a new one that has never been"
        );
        assert!(!busy(idle, old, SupervisorPhase::Failed, None));
        let working = Look { working: true, ..idle };
        assert!(busy(working, fresh, SupervisorPhase::Ready, Some(7)));
        assert!(
            !busy(working, fresh, SupervisorPhase::Failed, None),
            "what has ended does not work"
        );
        let state = State::default();
        assert!(
            state
                .now(&agent(SupervisorPhase::Ready, Some(7)), Instant::now(), NOW)
                .busy
        );
    }

    #[test]
    fn what_is_about_to_run_is_waited_for_and_what_never_ran_is_not() {
        let due = |at: u64| {
            let (state, now) = told(
                Look {
                    next_wake_at: Some(at),
                    ..Look::default()
                },
                Duration::from_secs(1),
            );
            let now = state.now(&agent(SupervisorPhase::Ready, Some(7)), now, NOW);
            (now.busy, now.next_wake_at)
        };
        assert_eq!(due(NOW + SOON_MS + 1), (false, Some(NOW + SOON_MS + 1)));
        assert_eq!(due(NOW + SOON_MS), (true, Some(NOW + SOON_MS)));
        assert_eq!(due(NOW - 1), (true, Some(NOW - 1)));
        assert_eq!(due(NOW - MISSED_MS), (false, None));
    }
}
