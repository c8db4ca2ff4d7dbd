//! The world in which a job is driven: a sandbox with generations, its supervisor, one process, calls and answers on their way, an object that may be
//! evicted between any two steps, and a clock.

use super::told::{answer, start, view};
use crate::exec::{CALL_LEASE_MS, ExecJob, HAND_OVER_WINDOW_MS, Next, SILENCE_MS, TRUTH_MARGIN_MS, Turn};
use molt_common::time::Millis;
use std::collections::BTreeSet;

pub const T0: Millis = Millis(1_000_000);
/// Time limit and grace of the command.
pub const LIMIT_MS: u64 = 1_000;
/// The supervisor forgets a result so long after its end.
const FORGOTTEN_MS: u64 = 600_000;

/// What has become of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Process {
    Never,
    Runs {
        since: Millis,
        told_to_stop: bool,
    },
    /// Ended while somebody watched.
    Ended {
        how: End,
        at: Millis,
    },
    /// Its sandbox went away under it.
    Vanished,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    Exit(i32),
    TimedOut,
    Stopped,
}

/// The sandbox as its object sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Stopped,
    Starting,
    Running,
    Stopping,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    Sandbox(Stage, u64),
    /// A report of the process as it was.
    Report(Process),
    Ended,
    Unknown,
    NotNow,
    Nothing,
}

/// How often what makes the world large may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub turns: u8,
    pub losses: u8,
    pub repeats: u8,
    pub ends: u8,
    pub passes: u8,
    pub cancels: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The object asks for a turn, stores the job and makes the call. Whoever made the one before may be gone.
    Turn,
    /// A call reaches the sandbox.
    Arrive(usize),
    /// A call, or the answer to one, is lost, and the caller is told so.
    LoseCall(usize),
    LoseAnswer(usize),
    /// An answer reaches the object; or does, and will again.
    Answer(usize),
    AnswerAndAgain(usize),
    Cancel,
    Exit,
    StopTakesEffect,
    SandboxReady,
    SandboxBusy(bool),
    SandboxStops,
    SandboxGone,
    /// The container dies and its object does not know.
    ContainerDies,
    Forget,
    Pass(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub job: ExecJob,
    pub now: Millis,
    pub process: Process,
    /// With which code it exits when nobody stops it.
    pub will_exit: i32,
    /// Times the process was started, in all generations.
    pub starts: u8,
    pub stage: Stage,
    pub generation: u64,
    /// The container of this generation is there and answers.
    pub alive: bool,
    pub busy: bool,
    /// The supervisor of this generation knows the command.
    pub knows: bool,
    /// With the time from which it no longer arrives.
    pub calls: Vec<(Turn, Millis)>,
    pub answers: Vec<(Turn, Told)>,
    /// Hand-overs in the generation that the job is bound to of which the job was not told that they were refused.
    pub untold: BTreeSet<u32>,
    /// The job as it was when it ended, and whether somebody could have told how the command stood.
    pub ended: Option<(ExecJob, bool)>,
    pub left: Budget,
}

fn take<T>(all: &mut Vec<T>, index: usize) -> Option<T> {
    (index < all.len()).then(|| all.remove(index))
}

impl World {
    pub fn new(left: Budget) -> Self {
        Self {
            job: ExecJob::new(T0),
            now: T0,
            process: Process::Never,
            will_exit: 0,
            starts: 0,
            stage: Stage::Stopped,
            generation: 0,
            alive: false,
            busy: false,
            knows: false,
            calls: vec![],
            answers: vec![],
            untold: BTreeSet::new(),
            ended: None,
            left,
        }
    }

    /// What may happen now.
    pub fn actions(&self, actions: &mut Vec<Action>) {
        actions.extend((0..self.calls.len()).map(Action::Arrive));
        actions.extend((0..self.answers.len()).map(Action::Answer));
        if let Process::Runs { told_to_stop, .. } = self.process {
            actions.push(Action::Exit);
            actions.extend(told_to_stop.then_some(Action::StopTakesEffect));
        }
        // Once the job has ended, only what was on its way could still make that untrue.
        if self.job.state.is_terminal() {
            return;
        }
        let left = self.left;
        if left.turns > 0 && self.calls.len() + self.answers.len() < 2 {
            actions.push(Action::Turn);
        }
        if left.cancels > 0 && !self.job.cancel_wanted {
            actions.push(Action::Cancel);
        }
        if left.losses > 0 {
            actions.extend((0..self.calls.len()).map(Action::LoseCall));
            actions.extend((0..self.answers.len()).map(Action::LoseAnswer));
        }
        if left.repeats > 0 {
            let told = |index: &usize| self.answers.get(*index).is_some_and(|(_, told)| *told != Told::Nothing);
            actions.extend((0..self.answers.len()).filter(told).map(Action::AnswerAndAgain));
        }
        if self.knows && matches!(self.process, Process::Ended { at, .. } if self.now.since(at) >= FORGOTTEN_MS) {
            actions.push(Action::Forget);
        }
        match self.stage {
            Stage::Starting => actions.push(Action::SandboxReady),
            Stage::Stopping => actions.push(Action::SandboxGone),
            Stage::Running if !self.alive => actions.push(Action::SandboxGone),
            Stage::Running if left.ends > 0 => {
                actions.extend([
                    Action::SandboxStops,
                    Action::ContainerDies,
                    Action::SandboxBusy(!self.busy),
                ]);
            }
            _ => {}
        }
        if left.passes > 0 {
            let deadline = LIMIT_MS + TRUTH_MARGIN_MS;
            actions.extend([CALL_LEASE_MS, deadline + SILENCE_MS, HAND_OVER_WINDOW_MS, FORGOTTEN_MS].map(Action::Pass));
        }
    }

    pub fn apply(&mut self, action: Action) -> bool {
        match action {
            Action::Turn => {
                self.left.turns -= 1;
                self.turn();
            }
            Action::Arrive(index) => {
                let Some((turn, _)) = take(&mut self.calls, index) else {
                    return false;
                };
                let told = self.arrive(&turn);
                self.answers.push((turn, told));
            }
            Action::LoseCall(index) => {
                let Some((turn, _)) = take(&mut self.calls, index) else {
                    return false;
                };
                self.left.losses -= 1;
                self.answers.push((turn, Told::Nothing));
            }
            Action::LoseAnswer(index) => {
                let Some(answer) = self.answers.get_mut(index) else {
                    return false;
                };
                if answer.1 == Told::Nothing {
                    return false;
                }
                self.left.losses -= 1;
                answer.1 = Told::Nothing;
            }
            Action::Answer(index) => {
                let Some((turn, told)) = take(&mut self.answers, index) else {
                    return false;
                };
                self.tell(&turn, &told);
            }
            Action::AnswerAndAgain(index) => {
                let Some((turn, told)) = self.answers.get(index).cloned() else {
                    return false;
                };
                self.left.repeats -= 1;
                self.tell(&turn, &told);
            }
            Action::Cancel => {
                self.left.cancels -= 1;
                self.job.cancel(self.now);
            }
            Action::Exit => self.end_process(End::Exit(self.will_exit), self.now),
            Action::StopTakesEffect => self.end_process(End::Stopped, self.now),
            Action::SandboxReady => self.stage = Stage::Running,
            Action::SandboxBusy(busy) => {
                self.left.ends -= 1;
                self.busy = busy;
            }
            Action::SandboxStops => {
                self.left.ends -= 1;
                self.stage = Stage::Stopping;
                self.stop_process();
            }
            Action::SandboxGone => {
                self.vanish();
                self.stage = Stage::Stopped;
            }
            Action::ContainerDies => {
                self.left.ends -= 1;
                self.vanish();
            }
            Action::Forget => self.knows = false,
            Action::Pass(ms) => {
                self.left.passes -= 1;
                self.pass(ms);
            }
        }
        if self.ended.is_none() && self.job.state.is_terminal() {
            let bound = self.job.generation == Some(self.generation) && self.stage != Stage::Stopped;
            self.ended = Some((self.job.clone(), bound && self.alive && self.knows));
        }
        true
    }

    pub fn turn(&mut self) {
        let turn = self.job.turn(&start(), self.now);
        if matches!(turn.next, Next::Start(_)) {
            self.untold.extend(turn.attempt);
        }
        if turn.next != Next::Nothing {
            self.calls.push((turn, self.now.plus(CALL_LEASE_MS)));
        }
    }

    fn arrive(&mut self, turn: &Turn) -> Told {
        let generation = match turn.next {
            Next::Wake => {
                if self.stage == Stage::Stopped {
                    self.stage = Stage::Starting;
                    self.generation += 1;
                    (self.alive, self.busy, self.knows) = (true, false, false);
                }
                return Told::Sandbox(self.stage, self.generation);
            }
            Next::Start(generation) | Next::Read(generation) | Next::Cancel(generation) => generation,
            Next::Nothing => return Told::Nothing,
        };
        if generation != self.generation || self.stage == Stage::Stopped {
            return Told::Ended;
        }
        if !self.alive {
            return Told::Nothing;
        }
        match turn.next {
            Next::Start(_) if !self.knows && (self.busy || self.stage == Stage::Stopping) => return Told::NotNow,
            Next::Start(_) if !self.knows => {
                self.knows = true;
                self.starts += 1;
                self.process = Process::Runs {
                    since: self.now,
                    told_to_stop: false,
                };
            }
            Next::Cancel(_) => self.stop_process(),
            _ => {}
        }
        if self.knows {
            Told::Report(self.process)
        } else {
            Told::Unknown
        }
    }

    fn stop_process(&mut self) {
        if let Process::Runs { told_to_stop, .. } = &mut self.process {
            *told_to_stop = true;
        }
    }

    fn end_process(&mut self, how: End, at: Millis) {
        self.process = Process::Ended { how, at };
    }

    fn vanish(&mut self) {
        self.alive = false;
        self.knows = false;
        if let Process::Runs { .. } = self.process {
            self.process = Process::Vanished;
        }
    }

    pub fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        let now = self.now;
        self.calls.retain(|(_, until)| now < *until);
        if let Process::Runs { since, .. } = self.process
            && now.since(since) >= LIMIT_MS
        {
            self.end_process(End::TimedOut, since.plus(LIMIT_MS));
        }
    }

    pub fn tell(&mut self, turn: &Turn, told: &Told) {
        let unsettled = turn
            .attempt
            .filter(|attempt| self.job.hand_over.lease.clone().settle(*attempt).is_some());
        if matches!(told, Told::NotNow | Told::Ended)
            && let Some(attempt) = unsettled
        {
            self.untold.remove(&attempt);
        }
        match told {
            Told::Sandbox(stage, generation) => self.job.sandbox(&view(*stage, *generation), self.now),
            Told::Nothing => self.job.unreachable("lost", self.now),
            told => self.job.answered(turn, &answer(told, self.now), self.now),
        }
    }
}
