//! The world in which a sandbox lives: an engine with or without room, a container that starts, crashes and ends, requests, an agent with a
//! schedule, an object that may be evicted between any two steps, and a clock. The object does here what the worker's alarm does.

use crate::sandbox::disk::BeforeStop;
use crate::sandbox::sleep::LocalUse;
use crate::sandbox::{Event, Refusal, Sandbox, Stage};
use molt_common::id::UserId;
use molt_common::time::Millis;

pub const T0: Millis = Millis(1_000_000_000);
/// Time without activity after which the sandbox of this world sleeps.
pub const IDLE_MS: u64 = 10_000;
/// When the agent of this world has something to do by itself, after its boot.
const SCHEDULE_MS: u64 = 400_000;

/// How far the inside of a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inside {
    /// Nothing answers yet.
    Silent,
    Configure,
    Agent,
    Ready,
    /// The agent ended and is about to be started again.
    Failed,
    Stopping,
}

/// What really runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    pub generation: u64,
    pub inside: Inside,
    pub restarts: u32,
    pub active_at: Option<Millis>,
    pub busy: bool,
    pub wake_at: Option<Millis>,
}

/// How often what makes the world large may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub needs: u8,
    pub alarms: u8,
    pub crashes: u8,
    pub evictions: u8,
    pub stops: u8,
    pub refusals: u8,
    pub passes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A request or job comes. Where the agent admits traffic it is under way until it is answered; else it waits.
    Need,
    Answered,
    /// The alarm runs once; the engine does what it is asked for.
    Alarm,
    /// The same, and the engine has no room, or fails.
    AlarmRefused(Refusal),
    /// The process ends between the note of a launch and the launch.
    AlarmCut,
    /// The container comes one step further.
    Advance,
    Busy(bool),
    ContainerEnds,
    AgentEnds,
    Stop,
    Kill,
    Evict,
    Pass(u64),
    /// Until the alarm is due.
    PassToAlarm,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub sandbox: Sandbox,
    pub now: Millis,
    pub container: Option<Container>,
    /// The object's memory has seen the container of this generation.
    pub seen: bool,
    pub in_flight: bool,
    pub used_at: Option<Millis>,
    /// Somebody needed it and was not served yet, and nobody had it stopped since.
    pub waits: bool,
    /// The first promise that was broken.
    pub broken: Option<&'static str>,
    pub slept: bool,
    pub woke_by_schedule: bool,
    pub relaunched: bool,
    pub left: Budget,
}

pub fn owner() -> UserId {
    UserId::parse("0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11").expect("an id")
}

fn spend(left: &mut u8) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

impl World {
    pub fn new(left: Budget) -> Self {
        Self {
            sandbox: Sandbox::default(),
            now: T0,
            container: None,
            seen: false,
            in_flight: false,
            used_at: None,
            waits: false,
            broken: None,
            slept: false,
            woke_by_schedule: false,
            relaunched: false,
            left,
        }
    }

    /// One whose agent admits traffic; `ends` unexpected ends are behind it.
    pub fn running(left: Budget, ends: u8) -> Self {
        let mut world = Self::new(left);
        for _ in 0..ends {
            world.need();
            world.alarm(None, false);
            world.container = None;
            world.alarm(None, false);
            world.pass_to_alarm_or(60_000);
        }
        world.need();
        while world.sandbox.stage != Stage::Running {
            world.alarm(None, false);
            world.advance();
        }
        world.waits = false;
        world
    }

    pub fn actions(&self, actions: &mut Vec<Action>) {
        let left = &self.left;
        let mut may = |times: u8, action: Action| {
            if times > 0 {
                actions.push(action);
            }
        };
        may(left.needs, Action::Need);
        may(u8::from(self.in_flight), Action::Answered);
        may(left.alarms, Action::Alarm);
        if self.sandbox.launches(self.now) && left.alarms > 0 {
            may(left.refusals, Action::AlarmRefused(Refusal::Capacity));
            may(left.refusals, Action::AlarmRefused(Refusal::Engine));
            may(left.evictions, Action::AlarmCut);
        }
        if let Some(container) = &self.container {
            may(1, Action::Advance);
            may(left.crashes, Action::ContainerEnds);
            if container.inside == Inside::Ready {
                may(left.crashes, Action::AgentEnds);
                may(left.needs, Action::Busy(!container.busy));
            }
        }
        may(left.stops, Action::Stop);
        may(left.stops, Action::Kill);
        may(left.evictions, Action::Evict);
        may(left.passes, Action::Pass(1_000));
        may(left.passes, Action::Pass(IDLE_MS));
        may(left.passes, Action::PassToAlarm);
    }

    pub fn apply(&mut self, action: Action) -> bool {
        match action {
            Action::Need => spend(&mut self.left.needs) && self.need(),
            Action::Answered => std::mem::take(&mut self.in_flight),
            Action::Alarm => spend(&mut self.left.alarms) && self.alarm(None, false),
            Action::AlarmRefused(refusal) => {
                spend(&mut self.left.alarms) && spend(&mut self.left.refusals) && self.alarm(Some(refusal), false)
            }
            Action::AlarmCut => {
                spend(&mut self.left.alarms) && spend(&mut self.left.evictions) && self.alarm(None, true)
            }
            Action::Advance => self.advance(),
            Action::Busy(busy) => {
                let now = self.now;
                spend(&mut self.left.needs)
                    && self.inside(|container| {
                        container.busy = busy;
                        container.active_at = Some(now);
                    })
            }
            Action::ContainerEnds => {
                self.in_flight = false;
                spend(&mut self.left.crashes) && self.container.take().is_some()
            }
            Action::AgentEnds => {
                self.in_flight = false;
                spend(&mut self.left.crashes)
                    && self.inside(|container| {
                        container.inside = Inside::Failed;
                        container.restarts += 1;
                        container.busy = false;
                    })
            }
            Action::Stop => spend(&mut self.left.stops) && self.told(Event::StopWanted(BeforeStop::Save)),
            Action::Kill => spend(&mut self.left.stops) && self.told(Event::KillWanted),
            Action::Evict => {
                let evicted = spend(&mut self.left.evictions) && !self.in_flight;
                if evicted {
                    self.forget();
                }
                evicted
            }
            Action::Pass(ms) => {
                let passes = spend(&mut self.left.passes);
                self.now = self.now.plus(ms);
                passes
            }
            Action::PassToAlarm => spend(&mut self.left.passes) && self.pass_to_alarm_or(0),
        }
    }

    fn forget(&mut self) {
        // A fresh object sees the container that the engine says is there.
        self.seen = self.container.is_some();
        self.used_at = None;
        self.in_flight = false;
    }

    fn inside(&mut self, change: impl FnOnce(&mut Container)) -> bool {
        self.container.as_mut().map(change).is_some()
    }

    pub fn pass_to_alarm_or(&mut self, ms: u64) -> bool {
        let at = self
            .sandbox
            .next_alarm(self.now, self.in_flight)
            .filter(|at| *at > self.now);
        let failed = match self.sandbox.stage {
            Stage::Failed { retry_at } => Some(retry_at),
            _ => None,
        };
        let to = at.or(failed).unwrap_or_else(|| self.now.plus(ms));
        let moved = to > self.now;
        self.now = self.now.max(to);
        moved
    }

    pub fn advance(&mut self) -> bool {
        let now = self.now;
        let Some(container) = &mut self.container else {
            return false;
        };
        container.inside = match container.inside {
            Inside::Silent => Inside::Configure,
            Inside::Configure | Inside::Failed => Inside::Agent,
            Inside::Agent => {
                container.wake_at = Some(now.plus(SCHEDULE_MS));
                Inside::Ready
            }
            Inside::Ready => return false,
            Inside::Stopping => {
                self.container = None;
                return true;
            }
        };
        true
    }

    pub fn need(&mut self) -> bool {
        self.used_at = Some(self.now);
        self.step(Event::Needed {
            owner: owner(),
            tier: 1,
        });
        self.waits = true;
        if self.sandbox.stage == Stage::Running
            && let Some(container) = &mut self.container
            && container.inside == Inside::Ready
        {
            container.active_at = Some(self.now);
            self.in_flight = true;
            self.waits = false;
        }
        true
    }

    fn told(&mut self, event: Event) -> bool {
        self.step(event);
        self.waits = false;
        true
    }

    /// One run of the alarm, as the worker makes it.
    pub fn alarm(&mut self, refused: Option<Refusal>, cut: bool) -> bool {
        self.step(Event::Due);
        if self.container.is_none() && self.sandbox.launches(self.now) {
            self.step(Event::Launching);
            if cut {
                self.forget();
                return true;
            }
            if let Some(refusal) = refused {
                self.refuse(refusal);
                return true;
            }
            self.launch();
        }
        let asked_for = self.sandbox.launched_at.is_some() || self.sandbox.boot_id.is_some();
        if self.container.is_none() && asked_for && !self.seen && self.sandbox.boot_id.is_none() {
            self.relaunched |= matches!(self.sandbox.stage, Stage::Starting { .. });
            if matches!(self.sandbox.stage, Stage::Starting { .. }) {
                self.step(Event::NeverLaunched);
                return true;
            }
        }
        let local = LocalUse {
            in_flight: u32::from(self.in_flight),
            used_at: self.used_at,
            idle_sleep_ms: Some(IDLE_MS),
        };
        self.step(Event::Probed {
            container: self.container.is_some(),
            status: self.status().map(Box::new),
            local,
        });
        true
    }

    fn refuse(&mut self, refusal: Refusal) {
        let before = self.sandbox.breaker.clone();
        self.step(Event::StartRefused {
            cause: "refused".into(),
            refusal,
        });
        if before != self.sandbox.breaker {
            self.broken = Some("a refusal is no crash");
        }
        if refusal == Refusal::Engine {
            self.forget();
        }
    }

    fn launch(&mut self) {
        if self.container.is_some() {
            self.broken = Some("two containers");
        }
        if self.sandbox.boot_id.is_some() {
            self.broken = Some("a generation that has booted is started again");
        }
        self.seen = true;
        self.container = Some(Container {
            generation: self.sandbox.generation,
            inside: Inside::Silent,
            restarts: 0,
            active_at: None,
            busy: false,
            wake_at: None,
        });
    }

    fn step(&mut self, event: Event) {
        use crate::sandbox::Action as Deed;
        let before = self.sandbox.clone();
        let by_itself = event == Event::Due;
        let by_force = event == Event::KillWanted;
        let deeds = self.sandbox.step(event, self.now);
        self.check(&before, by_itself, by_force);
        for deed in deeds {
            match deed {
                Deed::Terminate => {
                    self.inside(|container| container.inside = Inside::Stopping);
                }
                Deed::Destroy => {
                    self.container = None;
                    self.in_flight = false;
                }
                Deed::Start | Deed::Abort | Deed::KeepAlive | Deed::Announce | Deed::Begin | Deed::Save => {}
            }
        }
        if self.sandbox.stage == Stage::Running {
            self.waits = false;
        }
    }
}
