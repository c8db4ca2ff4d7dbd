//! The world in which a change is driven: a machine with its container, the agent in it, a supervisor that may forget, calls on their way, other
//! people, an object that may be evicted between any two steps, and a clock.

use super::parts::{Action, Budget, Came, Container, Look, seen_of};
use crate::change::{Ask, Before, CALL_LEASE_MS, Change, Reply, Seen, Standing, Step, Verdict, admit};
use molt_common::id::ExecId;
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::Wanted;
use molt_common::time::Millis;

pub const T0: Millis = Millis(1_000_000);
pub const TIMEOUT_MS: u64 = 60_000;
/// Back-off of the machine after a failed start.
const BACKOFF_MS: u64 = 5_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub change: Change,
    pub now: Millis,
    pub lifecycle: Lifecycle,
    pub generation: u64,
    pub retry_at: Option<Millis>,
    pub container: Option<Container>,
    pub agents: u8,
    pub look: Option<Look>,
    pub call: Option<(u32, u64)>,
    pub answer: Option<(u32, Came)>,
    /// When the change was asked for.
    pub agents_before: u8,
    /// The supervisor of the generation that was found took the restart.
    pub taken: bool,
    /// Something went wrong, or somebody stopped something, since then.
    pub troubled: bool,
    /// A start that began after the change was stopped or killed by it.
    pub undone: bool,
    /// As it was when it ended, and what was there.
    pub ended: Option<(Change, Option<Look>)>,
    pub left: Budget,
}

impl World {
    /// A stopped sandbox with a container that is left of it, of which this is wanted.
    pub fn leftover(wanted: Wanted, left: Budget) -> Self {
        let container = Self::new(wanted.clone(), Lifecycle::Running, left).container;
        Self {
            container,
            ..Self::new(wanted, Lifecycle::Stopped, left)
        }
    }

    /// A sandbox that stands there, of which this is wanted.
    pub fn new(wanted: Wanted, lifecycle: Lifecycle, left: Budget) -> Self {
        let up = matches!(
            lifecycle,
            Lifecycle::Running | Lifecycle::Starting | Lifecycle::Stopping
        );
        let container = up.then_some(Container {
            generation: 1,
            agent: 1,
            ready: lifecycle == Lifecycle::Running,
            restart: None,
        });
        let retry_at = (lifecycle == Lifecycle::Failed).then_some(T0.plus(BACKOFF_MS));
        let ask = Ask {
            id: ExecId::parse("c").unwrap(),
            wanted,
            parent: None,
            discard_disk: true,
            timeout_ms: TIMEOUT_MS,
            scheduled: false,
        };
        let standing = Standing {
            newest_is_wanted: false,
            ..Standing::default()
        };
        let mut seen = seen_of(lifecycle, 1, None, None);
        seen.retry_at = retry_at;
        let Verdict::Accepted(change) = admit(&ask, Before::default(), &seen, &standing, T0) else {
            panic!("not accepted");
        };
        Self {
            change: *change,
            now: T0,
            lifecycle,
            generation: 1,
            retry_at,
            container,
            agents: 1,
            look: None,
            call: None,
            answer: None,
            agents_before: 1,
            taken: false,
            troubled: false,
            undone: false,
            ended: None,
            left,
        }
    }

    pub fn seen(&self) -> Seen {
        let mut seen = seen_of(self.lifecycle, self.generation, self.retry_at, self.look);
        seen.cause = self.troubled.then(|| "It broke.".into());
        seen
    }

    pub fn actions(&self, actions: &mut Vec<Action>) {
        if self.call.is_some() {
            actions.push(Action::Arrive);
        }
        if self.answer.is_some() {
            actions.push(Action::Answer);
        }
        if self.change.state.is_terminal() {
            return;
        }
        let left = self.left;
        if left.steps > 0 {
            actions.extend([Action::Look(true), Action::Drive]);
        }
        if left.cancels > 0 {
            actions.push(Action::Cancel);
        }
        match (self.lifecycle, self.container) {
            (Lifecycle::Starting, None) => actions.push(Action::ContainerStarts),
            (Lifecycle::Stopping, Some(_)) => actions.push(Action::StopTakesEffect),
            _ => {}
        }
        if let Some(container) = self.container {
            if container.restart == Some(false) {
                actions.push(Action::AgentExists);
            } else if !container.ready && self.lifecycle != Lifecycle::Stopping {
                actions.push(Action::AgentReady);
            }
        }
        if left.troubles > 0 {
            if left.steps > 0 && self.container.is_some() {
                actions.push(Action::Look(false));
            }
            if self.call.is_some() {
                actions.push(Action::LoseCall);
            }
            if self.answer.is_some() {
                actions.push(Action::LoseAnswer);
            }
            if self.call.is_some() || self.answer.is_some() || self.look.is_some() {
                actions.push(Action::Evict);
            }
            if self.lifecycle == Lifecycle::Starting && self.container.is_none() {
                actions.push(Action::StartFails);
            }
            if let Some(container) = self.container {
                actions.push(Action::ContainerDies);
                if container.ready {
                    actions.push(Action::AgentCrashes);
                }
                if container.restart.is_some() {
                    actions.push(Action::SupervisorForgets);
                }
            }
        }
        if left.others > 0 {
            if self.may_start() {
                actions.push(Action::OthersNeed);
            }
            if self.lifecycle == Lifecycle::Running {
                actions.push(Action::OthersStop);
            }
        }
        if left.passes > 0 {
            actions.extend([CALL_LEASE_MS, TIMEOUT_MS].map(Action::Pass));
        }
    }

    fn may_start(&self) -> bool {
        match self.lifecycle {
            Lifecycle::Stopped | Lifecycle::Sleeping => true,
            Lifecycle::Failed => self.retry_at.is_none_or(|at| self.now >= at),
            _ => false,
        }
    }

    pub fn apply(&mut self, action: Action) {
        let left = &mut self.left;
        match action {
            Action::Look(answered) => {
                left.steps -= 1;
                if !answered {
                    left.troubles -= 1;
                }
                self.look(answered);
            }
            Action::Drive => {
                left.steps -= 1;
                self.drive();
            }
            Action::Evict => {
                left.troubles -= 1;
                (self.look, self.answer) = (None, None);
            }
            Action::Arrive => self.arrive(),
            Action::LoseCall => {
                left.troubles -= 1;
                self.answer = self.call.take().map(|(attempt, _)| (attempt, Came::Nothing));
            }
            Action::Answer => self.answered(),
            Action::LoseAnswer => {
                left.troubles -= 1;
                self.answer = self.answer.map(|(attempt, _)| (attempt, Came::Nothing));
            }
            Action::Cancel => {
                left.cancels -= 1;
                self.change.cancel("Cancelled on request.", self.now);
            }
            Action::OthersNeed => {
                left.others -= 1;
                self.need();
            }
            Action::OthersStop => {
                left.others -= 1;
                self.troubled = true;
                self.lifecycle = Lifecycle::Stopping;
            }
            Action::StartFails => {
                left.troubles -= 1;
                self.fail();
            }
            Action::AgentCrashes => {
                left.troubles -= 1;
                self.crash();
            }
            Action::ContainerDies => {
                left.troubles -= 1;
                (self.container, self.troubled) = (None, true);
            }
            Action::SupervisorForgets => {
                left.troubles -= 1;
                if let Some(container) = &mut self.container {
                    container.restart = None;
                }
            }
            Action::Pass(ms) => {
                left.passes -= 1;
                self.now = self.now.plus(ms);
                // What is that late does not arrive any more.
                self.call = None;
            }
            Action::ContainerStarts => self.launch(),
            Action::AgentExists => {
                self.agents += 1;
                if let Some(container) = &mut self.container {
                    (container.agent, container.ready, container.restart) = (self.agents, false, Some(true));
                }
            }
            Action::AgentReady => {
                if let Some(container) = &mut self.container {
                    container.ready = true;
                }
            }
            Action::StopTakesEffect => self.container = None,
        }
        if self.ended.is_none() && self.change.state.is_terminal() {
            self.ended = Some((self.change.clone(), self.look));
        }
    }

    fn launch(&mut self) {
        self.agents += 1;
        self.container = Some(Container {
            generation: self.generation,
            agent: self.agents,
            ready: false,
            restart: None,
        });
    }

    fn crash(&mut self) {
        self.agents += 1;
        self.troubled = true;
        if let Some(container) = &mut self.container {
            container.agent = self.agents;
            container.ready = false;
        }
    }

    fn fail(&mut self) {
        self.troubled = true;
        self.lifecycle = Lifecycle::Failed;
        self.retry_at = Some(self.now.plus(BACKOFF_MS));
    }

    fn need(&mut self) {
        if self.may_start() {
            self.generation += 1;
            self.lifecycle = Lifecycle::Starting;
            self.retry_at = None;
        }
    }

    /// As the machine does.
    pub fn look(&mut self, answered: bool) {
        let answered = answered && self.container.is_some();
        self.look = Some(Look {
            at: self.now,
            found: self.container,
            answered,
        });
        let told = self.container.filter(|_| answered);
        match self.lifecycle {
            Lifecycle::Stopped | Lifecycle::Sleeping | Lifecycle::Failed => self.container = None,
            // Another boot than that of this generation.
            _ if told.is_some_and(|told| told.generation != self.generation) => {
                (self.container, self.lifecycle, self.troubled) = (None, Lifecycle::Stopped, true);
            }
            Lifecycle::Starting if told.is_some_and(|told| told.ready) => self.lifecycle = Lifecycle::Running,
            Lifecycle::Running if self.container.is_none() => self.lifecycle = Lifecycle::Stopped,
            Lifecycle::Running if told.is_some_and(|told| !told.ready) => self.lifecycle = Lifecycle::Starting,
            Lifecycle::Stopping if self.container.is_none() => self.lifecycle = Lifecycle::Stopped,
            _ => {}
        }
    }

    pub fn drive(&mut self) -> Step {
        let step = self.change.step(&self.seen(), self.now);
        match step {
            Step::Need => self.need(),
            Step::Stop(_) | Step::Kill => {
                let up = matches!(
                    self.lifecycle,
                    Lifecycle::Running | Lifecycle::Starting | Lifecycle::Stopping
                );
                self.undone |= up && self.generation > self.change.generation_before;
                if step == Step::Kill {
                    (self.container, self.retry_at) = (None, None);
                    self.lifecycle = Lifecycle::Stopped;
                } else if matches!(self.lifecycle, Lifecycle::Running | Lifecycle::Starting) {
                    self.lifecycle = Lifecycle::Stopping;
                }
            }
            Step::RestartAgent { attempt } => self.call = Some((attempt, self.generation)),
            Step::Save { .. } | Step::Upkeep { .. } | Step::Wait { .. } | Step::Nothing => {}
        }
        step
    }

    fn arrive(&mut self) {
        let Some((attempt, generation)) = self.call.take() else {
            return;
        };
        let told = match &mut self.container {
            Some(container) if container.generation == generation => {
                if self.lifecycle == Lifecycle::Stopping && container.restart.is_none() {
                    Came::NotNow
                } else {
                    // The old agent admits traffic until it has ended.
                    container.restart.get_or_insert(false);
                    self.taken |= generation == self.change.generation_before;
                    Came::Taken
                }
            }
            _ => Came::Nothing,
        };
        self.answer = Some((attempt, told));
    }

    fn answered(&mut self) {
        let Some((attempt, told)) = self.answer.take() else {
            return;
        };
        let reply = match told {
            Came::Taken => Reply::Taken,
            Came::NotNow => Reply::NotNow,
            Came::Nothing => Reply::Unreachable,
        };
        self.change.replied(attempt, reply, self.now);
    }
}
