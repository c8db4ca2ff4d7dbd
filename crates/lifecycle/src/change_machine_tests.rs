//! Changes on the real machine of the sandbox, at random: whatever happens, an end is true, and in a world that is well again every change ends.

use super::{Ask, Before, Change, Observation, Reply, Seen, Standing, Step, Told, Verdict, admit};
use crate::sandbox::disk::BeforeStop;
use crate::sandbox::sleep::LocalUse;
use crate::sandbox::{Action, Event, Refusal, Rest, Sandbox, Stage};
use molt_common::api::JobState;
use molt_common::control::{AgentRestart, SupervisorPhase, SupervisorStatus};
use molt_common::id::{ExecId, UserId};
use molt_common::sandbox_call::Lifecycle;
use molt_common::sandbox_change::{RestartScope, Wanted};
use molt_common::time::Millis;
use proptest::prelude::*;

const ADA: &str = "ada00000-0000-4000-8000-000000000001";
const TIMEOUT_MS: u64 = 120_000;

/// What really is there.
#[derive(Clone, Debug)]
struct Container {
    generation: u64,
    agent: u32,
    ready: bool,
    restart: Option<bool>,
    told_to_stop: bool,
}

#[derive(Clone, Debug)]
struct World {
    machine: Sandbox,
    change: Option<Change>,
    container: Option<Container>,
    observation: Option<Observation>,
    /// What the newest look found.
    found: Option<Container>,
    call: Option<u32>,
    agents: u32,
    agents_before: u32,
    engine_refuses: bool,
    /// The change had something stopped.
    stopped: bool,
    /// Somebody else did.
    others_stopped: bool,
    now: Millis,
}

impl World {
    fn new() -> Self {
        Self {
            machine: Sandbox::default(),
            change: None,
            container: None,
            observation: None,
            found: None,
            call: None,
            agents: 0,
            agents_before: 0,
            engine_refuses: false,
            stopped: false,
            others_stopped: false,
            now: Millis(1_000_000),
        }
    }

    fn tell(&mut self, event: Event) {
        let actions = self.machine.step(event, self.now);
        for action in actions {
            match action {
                Action::Destroy => self.container = None,
                Action::Terminate => {
                    if let Some(container) = &mut self.container {
                        container.told_to_stop = true;
                    }
                }
                Action::Start | Action::Abort | Action::KeepAlive | Action::Announce | Action::Begin | Action::Save => {
                }
            }
        }
    }

    fn need(&mut self) {
        let owner = UserId::parse(ADA).unwrap();
        self.tell(Event::Needed { owner, tier: 1 });
    }

    fn launch(&mut self) {
        self.tell(Event::Due);
        if self.container.is_some() || !self.machine.launches(self.now) {
            return;
        }
        self.tell(Event::Launching);
        if self.engine_refuses {
            let (cause, refusal) = ("It refused.".into(), Refusal::Engine);
            return self.tell(Event::StartRefused { cause, refusal });
        }
        self.agents += 1;
        self.container = Some(Container {
            generation: self.machine.generation,
            agent: self.agents,
            ready: false,
            restart: None,
            told_to_stop: false,
        });
    }

    fn look(&mut self, answers: bool) {
        let status = self
            .container
            .as_ref()
            .filter(|_| answers)
            .map(|container| self.status(container));
        self.observation = Some(Observation {
            at: self.now,
            container: self.container.is_some(),
            told: status.as_ref().map(Told::from),
        });
        self.found = self.container.clone().filter(|_| answers);
        self.tell(Event::Probed {
            container: self.container.is_some(),
            status: status.map(Box::new),
            local: LocalUse::default(),
        });
    }

    fn status(&self, container: &Container) -> SupervisorStatus {
        SupervisorStatus {
            boot_id: format!("boot-{}", container.generation),
            generation: container.generation,
            phase: match (container.told_to_stop, container.ready) {
                (true, _) => SupervisorPhase::Stopping,
                (false, true) => SupervisorPhase::Ready,
                (false, false) => SupervisorPhase::Agent,
            },
            cause: None,
            agent: "echo".into(),
            agent_pid: Some(container.agent),
            agent_restarts: 0,
            open_sockets: 0,
            last_request_at: None,
            last_client_frame_at: None,
            running_commands: 0,
            last_active_at: None,
            busy: vec![],
            next_wake_at: None,
            restart: container.restart.map(|done| AgentRestart {
                id: "c".into(),
                done,
                error: None,
            }),
            snapshots: None,
            config: None,
            providers: None,
            log_tail: vec![],
            now: self.now.0,
        }
    }

    fn seen(&self) -> Seen {
        Seen::of(&self.machine.view(), self.observation.clone())
    }

    fn ask(&mut self, wanted: Wanted) {
        let ask = Ask {
            id: ExecId::parse("c").unwrap(),
            wanted,
            parent: None,
            discard_disk: true,
            timeout_ms: TIMEOUT_MS,
            scheduled: false,
        };
        let standing = Standing {
            disk_since: self.machine.has_disk_since(),
            ..Standing::default()
        };
        if let Verdict::Accepted(change) = admit(&ask, Before::default(), &self.seen(), &standing, self.now) {
            self.agents_before = self.agents;
            self.change = Some(*change);
        }
    }

    fn drive(&mut self) {
        let seen = self.seen();
        let Some(change) = &mut self.change else { return };
        let ended_before = change.state.is_terminal();
        let step = change.step(&seen, self.now);
        if let (false, Some(generation)) = (ended_before, change.withdraws()) {
            return self.tell(Event::StopWithdrawn { generation });
        }
        self.stopped |= matches!(step, Step::Stop(_) | Step::Kill) && self.machine.lives(self.machine.generation);
        match step {
            Step::Need => self.need(),
            Step::Stop(before) => self.tell(Event::StopWanted(before)),
            Step::Kill => self.tell(Event::KillWanted),
            Step::RestartAgent { attempt } => self.call = Some(attempt),
            Step::Save { .. } | Step::Upkeep { .. } | Step::Wait { .. } | Step::Nothing => {}
        }
    }

    fn arrive(&mut self, answered: bool) {
        let Some(attempt) = self.call.take() else { return };
        let reply = match &mut self.container {
            Some(container) if container.told_to_stop => Reply::NotNow,
            Some(container) => {
                container.restart.get_or_insert(false);
                Reply::Taken
            }
            None => Reply::Unreachable,
        };
        let reply = if answered { reply } else { Reply::Unreachable };
        if let Some(change) = &mut self.change {
            change.replied(attempt, reply, self.now);
        }
    }

    /// What goes on in the container by itself.
    fn goes_on(&mut self) {
        let Some(container) = &mut self.container else { return };
        if container.told_to_stop {
            self.container = None;
        } else if container.restart == Some(false) {
            self.agents += 1;
            (container.agent, container.ready, container.restart) = (self.agents, false, Some(true));
        } else {
            container.ready = true;
        }
    }

    fn act(&mut self, action: u8) {
        match action {
            0..=4 => {
                self.launch();
                self.look(action > 0);
                self.drive();
                // The alarm of a change does not rest for long.
                self.now = self.now.plus(150);
            }
            5..=8 => self.goes_on(),
            9 | 10 => self.arrive(action == 9),
            11 => self.need(),
            12 => {
                self.others_stopped = true;
                self.tell(Event::StopWanted(BeforeStop::Save));
            }
            13 => self.container = None,
            14 => {
                self.agents += 1;
                if let Some(container) = &mut self.container {
                    (container.agent, container.ready) = (self.agents, false);
                }
            }
            15 => {
                if let Some(container) = &mut self.container {
                    container.restart = None;
                }
            }
            16 => self.engine_refuses = !self.engine_refuses,
            17 => self.observation = None,
            18 => self.now = self.now.plus(3_000),
            _ => self.now = self.now.plus(31_000),
        }
    }

    /// Whether the change promised that it is up again, and left it where only somebody who asks starts it.
    fn left_stopped(&self, change: &Change) -> bool {
        let promised = change.state != JobState::Succeeded && change.wanted != Wanted::Destroy;
        let wanted = self.machine.rest == Rest::Wanted && self.machine.generation == change.generation_before;
        let at_rest = matches!(self.machine.stage, Stage::Stopping { .. } | Stage::Stopped);
        promised && self.stopped && !self.others_stopped && wanted && at_rest
    }

    fn is_true(&self, change: &Change) -> bool {
        let ready = self
            .found
            .as_ref()
            .filter(|found| found.ready && found.generation == self.machine.generation);
        let newer = change.generation > change.generation_before;
        match (change.state, &change.wanted) {
            (JobState::Succeeded, Wanted::Tier { .. }) if change.started_at.is_none() => {
                !matches!(change.found, Lifecycle::Running | Lifecycle::Starting)
            }
            (JobState::Succeeded, Wanted::Wake) => ready.is_some(),
            (
                JobState::Succeeded,
                Wanted::Restart {
                    scope: RestartScope::Agent,
                },
            ) => ready.is_some_and(|found| found.agent > self.agents_before),
            (JobState::Succeeded, Wanted::Destroy) => self
                .container
                .as_ref()
                .is_none_or(|container| container.generation > change.generation_before),
            (JobState::Succeeded, _) => ready.is_some() && newer,
            (JobState::TimedOut, _) => self.now >= change.deadline(),
            _ => change.error.is_some(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn on_the_real_machine_every_end_is_true_and_comes(
        which in 0_usize..6,
        before in prop::collection::vec(0_u8..20, 0..40),
        after in prop::collection::vec(0_u8..20, 0..60),
    ) {
        let wanted = [
            Wanted::Wake,
            Wanted::Restart { scope: RestartScope::Agent },
            Wanted::Restart { scope: RestartScope::Sandbox },
            Wanted::EmergencyReset,
            Wanted::Destroy,
            Wanted::Tier { tier: 2 },
        ][which].clone();
        let mut world = World::new();
        for action in before {
            world.act(action);
        }
        world.ask(wanted);
        let mut ended = false;
        for action in after {
            world.act(action);
            let change = world.change.clone().expect("it was accepted");
            if change.state.is_terminal() && !ended {
                prop_assert!(world.is_true(&change), "{change:?} {world:?}");
                prop_assert!(!world.left_stopped(&change), "{change:?} {world:?}");
                ended = true;
            }
        }
        // All is well from now on, except that the machine may still wait for what it was backing off from.
        world.engine_refuses = false;
        while !ended {
            world.launch();
            world.look(true);
            world.drive();
            world.arrive(true);
            world.goes_on();
            world.now = world.now.plus(500);
            let change = world.change.clone().expect("it was accepted");
            if change.state.is_terminal() {
                // The container has moved on since the look.
                prop_assert!(change.state != JobState::Succeeded || change.error.is_none());
                ended = true;
            }
            prop_assert!(ended || world.now < change.deadline().plus(1_000), "{change:?} {world:?}");
        }
    }
}

#[test]
fn a_restart_that_takes_too_long_leaves_nothing_stopped_for_good() {
    let mut world = World::new();
    world.need();
    while world.machine.stage != Stage::Running {
        world.launch();
        world.look(true);
        world.goes_on();
    }
    world.ask(Wanted::Restart {
        scope: RestartScope::Sandbox,
    });
    world.look(true);
    world.drive();
    assert!(world.stopped);
    world.now = world.now.plus(TIMEOUT_MS);
    world.drive();
    let change = world.change.clone().unwrap();
    assert_eq!(change.state, JobState::TimedOut);
    assert!(!world.left_stopped(&change), "{world:?}");
}
