//! What a person is told while a sandbox is not ready: by the boot page, by `GET /_molt/boot`, and by its stream of events.

mod call;
mod places;
mod start_times;
mod words;

pub use call::{GetBoot, NotWatched, WatchBoot};
pub use places::{Place, Places};
pub use start_times::{Start, StartTimes};

use crate::control::LAST_LINES;
use crate::id::hex;
use crate::ownership::Owner;
use crate::redaction;
use crate::sandbox_call::{Lifecycle, Phase, SandboxView};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Last lines of the agent's output that are shown, ...
const LOG_LINES: usize = 20;
/// ... and characters of each.
const LINE_CHARS: usize = 300;

/// What whoever looks at it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Next {
    /// Go on looking: something is under way.
    Watch,
    /// Open the agent.
    Open,
    /// Nothing happens by itself: a request of a page begins the next start.
    Retry,
}

/// How a phase of a start stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Over.
    Done,
    /// Under way.
    Current,
    /// The start ended in it.
    Failed,
    /// To come.
    Waiting,
}

impl StepState {
    /// As in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Current => "current",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
        }
    }
}

/// One phase of a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which.
    pub phase: Phase,
    /// For people.
    pub label: String,
    /// How it stands.
    pub state: StepState,
    /// Milliseconds that it took, when it is over.
    pub took_ms: Option<u64>,
    /// Milliseconds that it usually takes here: the median of the last starts; `None` before the first.
    pub usual_ms: Option<u64>,
}

/// How far a sandbox is, for its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootView {
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// How far a start is.
    pub phase: Option<Phase>,
    /// Number of starts so far.
    pub generation: u64,
    /// Heading and title.
    pub title: String,
    /// What happens now.
    pub text: String,
    /// Why it is not there, if it is not by itself; without secrets.
    pub cause: Option<String>,
    /// Last lines of the agent's output; without secrets.
    pub log_tail: Vec<String>,
    /// The phases of a start, in order; empty while there is none.
    pub steps: Vec<Step>,
    /// What to do next.
    pub next: Next,
    /// Milliseconds since it began.
    pub elapsed_ms: Option<u64>,
    /// Milliseconds that a whole start usually takes here.
    pub usual_ms: Option<u64>,
    /// Milliseconds until a failed start may be tried again.
    pub retry_in_ms: Option<u64>,
    /// What ran before serves the user: nothing will start here.
    pub elsewhere: bool,
    /// Names this state: two answers with the same one differ in times alone.
    pub event: String,
}

impl BootView {
    /// Of what the object knows at `now`.
    #[must_use]
    pub fn of(view: &SandboxView, times: &StartTimes, now: Millis) -> Self {
        let elsewhere = view.lifecycle == Lifecycle::Stopped
            && view
                .placement
                .as_ref()
                .is_some_and(|placement| placement.owner == Owner::Legacy);
        let next = next(view, elsewhere);
        let start = times.current().filter(|start| start.generation == view.generation);
        let said = words::of(view, start.map(|start| start.from));
        let steps = steps(view, times, start);
        let log_from = view.log_tail.len().saturating_sub(LOG_LINES);
        let mut boot = Self {
            lifecycle: view.lifecycle,
            phase: view.phase,
            generation: view.generation,
            title: said.title.into(),
            text: words::restored(view).unwrap_or_else(|| said.text.into()),
            cause: view.cause.as_deref().map(|cause| clean(alone(cause, &view.log_tail))),
            log_tail: view.log_tail.iter().skip(log_from).map(|line| clean(line)).collect(),
            usual_ms: usual(&steps, start),
            elapsed_ms: elapsed(view, start, now),
            retry_in_ms: view.retry_at.map(|at| at.since(now)),
            steps,
            next,
            elsewhere,
            event: String::new(),
        };
        boot.event = boot.name(view);
        boot
    }

    /// Nothing that changes with the clock alone goes into it.
    fn name(&self, view: &SandboxView) -> String {
        let told = serde_json::json!([
            self.title,
            self.text,
            self.generation,
            self.cause,
            self.log_tail,
            self.steps,
            self.next,
            view.since,
            view.retry_at,
        ]);
        let digest = Sha256::digest(told.to_string().as_bytes());
        hex(digest.get(..8).unwrap_or_default())
    }
}

fn next(view: &SandboxView, elsewhere: bool) -> Next {
    let moving = view.placement.as_ref().is_some_and(|placement| placement.moving);
    match view.lifecycle {
        _ if elsewhere && !moving => Next::Open,
        _ if moving => Next::Watch,
        Lifecycle::Running if view.change.is_none() => Next::Open,
        Lifecycle::Running | Lifecycle::Starting | Lifecycle::Stopping => Next::Watch,
        // It is started as soon as there is room, or by the change.
        _ if view.waits_for_capacity || view.change.is_some() => Next::Watch,
        Lifecycle::Failed | Lifecycle::Stopped | Lifecycle::Sleeping => Next::Retry,
    }
}

fn elapsed(view: &SandboxView, start: Option<&Start>, now: Millis) -> Option<u64> {
    let since = match view.lifecycle {
        Lifecycle::Starting => start.and_then(Start::began).unwrap_or(view.since),
        Lifecycle::Stopping => view.since,
        _ => return None,
    };
    Some(now.since(since))
}

fn steps(view: &SandboxView, times: &StartTimes, start: Option<&Start>) -> Vec<Step> {
    let (reached, at_it) = match (view.lifecycle, view.phase) {
        (Lifecycle::Starting, Some(phase)) => (phase, StepState::Current),
        (Lifecycle::Starting, None) => (Phase::Container, StepState::Current),
        (Lifecycle::Failed, _) => match start.and_then(Start::reached) {
            Some(phase) => (phase, StepState::Failed),
            None => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let shown = |phase: &Phase| match phase {
        // Most starts have neither.
        Phase::Fence | Phase::Restore => reached == *phase || start.is_some_and(|start| start.took(*phase).is_some()),
        // It is over as soon as it is reached.
        Phase::Ready => false,
        Phase::Container | Phase::Configure | Phase::Agent => true,
    };
    let all = [
        Phase::Fence,
        Phase::Container,
        Phase::Restore,
        Phase::Configure,
        Phase::Agent,
    ];
    let step = |phase: Phase| Step {
        phase,
        label: words::label(phase).into(),
        state: match phase.cmp(&reached) {
            std::cmp::Ordering::Less => StepState::Done,
            std::cmp::Ordering::Equal => at_it,
            std::cmp::Ordering::Greater => StepState::Waiting,
        },
        took_ms: start.and_then(|start| start.took(phase)),
        usual_ms: times.usual(phase),
    };
    all.into_iter().filter(shown).map(step).collect()
}

/// What a start usually takes from where this one began: an agent that comes back needs no container. A phase that was never seen was too short for
/// it, but without the agent's nothing is known.
fn usual(steps: &[Step], start: Option<&Start>) -> Option<u64> {
    let began = start.and_then(|start| start.entered.first()).map(|(phase, _)| *phase);
    let own = steps
        .iter()
        .filter(|step| began.is_none_or(|began| step.phase >= began));
    let agent = steps.iter().find(|step| step.phase == Phase::Agent)?;
    agent.usual_ms?;
    Some(own.filter_map(|step| step.usual_ms).sum())
}

/// A cause without the agent's last lines, which are shown below it.
fn alone<'a>(cause: &'a str, log_tail: &[String]) -> &'a str {
    match cause.split_once(LAST_LINES) {
        Some((what, _)) if !log_tail.is_empty() => what,
        _ => cause,
    }
}

/// What an agent writes is shown to its owner alone, but a page is copied into mails and screenshots.
fn clean(line: &str) -> String {
    let clean = redaction::text(line);
    match clean.char_indices().nth(LINE_CHARS) {
        Some((end, _)) => format!("{}…", clean.get(..end).unwrap_or_default()),
        None => clean.into_owned(),
    }
}

/// Seconds until a client may come again: at least `least`, spread evenly over `spread` more, so that many who were refused together do not
/// come back together. `random` is any number.
#[must_use]
pub const fn come_back(least: u32, spread: u32, random: u32) -> u32 {
    least.saturating_add(random % spread.saturating_add(1))
}

#[cfg(test)]
#[path = "boot_tests.rs"]
mod tests;
