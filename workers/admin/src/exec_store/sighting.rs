//! What the sandbox last said of itself, for all commands that wait for it: one asks for all of them. Plain data in the object's memory.
//!
//! Nothing rests on it being true now. A hand-over to a generation that has ended meanwhile is answered as such, is certainly not made, and the
//! command waits again.

use molt_common::sandbox_call::{Lifecycle, SandboxView};
use molt_common::time::Millis;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A sandbox that runs is taken to run for so long.
const RUNS_MS: u64 = 1_000;
/// One that does not run yet is asked again after this long, however many wait.
pub const WAKE_PACE_MS: u64 = 250;
/// No call takes so long: whoever began one was dropped with his event.
const ABANDONED_MS: u64 = 9_000;

#[derive(Default)]
struct Seen {
    /// When it was asked, and what it said, or why it could not be asked.
    last: RefCell<Option<(Millis, Result<SandboxView, String>)>>,
    /// Since when somebody asks.
    asking: Cell<Option<Millis>>,
    answers: Cell<u64>,
}

/// What was seen; a copy is the same.
#[derive(Clone, Default)]
pub struct Sighting {
    seen: Rc<Seen>,
}

/// What somebody who waits for the sandbox is to do.
pub enum Wanted {
    /// Take this as its answer.
    Take(Box<Result<SandboxView, String>>),
    /// Wait until [`Sighting::answers`] is no longer this: somebody asks just now.
    Wait(u64),
    /// Ask; who waits for that waits until this is dropped.
    Ask(Asking),
}

/// The right to ask.
pub struct Asking {
    of: Sighting,
    since: Millis,
}

impl Sighting {
    /// What to do about a sandbox that is needed.
    pub fn wanted(&self, now: Millis) -> Wanted {
        if let Some(answer) = self.recent(now) {
            return Wanted::Take(Box::new(answer));
        }
        if self
            .seen
            .asking
            .get()
            .is_some_and(|since| now.since(since) < ABANDONED_MS)
        {
            return Wanted::Wait(self.answers());
        }
        self.seen.asking.set(Some(now));
        Wanted::Ask(Asking {
            of: self.clone(),
            since: now,
        })
    }

    fn recent(&self, now: Millis) -> Option<Result<SandboxView, String>> {
        let last = self.seen.last.borrow();
        let (at, answer) = last.as_ref()?;
        let holds = match answer {
            Ok(view) if view.lifecycle == Lifecycle::Running => RUNS_MS,
            _ => WAKE_PACE_MS,
        };
        (now.since(*at) < holds).then(|| answer.clone())
    }

    /// Another number after each answer, and after each question without one.
    pub fn answers(&self) -> u64 {
        self.seen.answers.get()
    }

    /// A command's supervisor answered in this generation to a question of that time, so it ran then.
    pub fn runs(&self, generation: u64, asked_at: Millis) {
        if let Some((at, Ok(view))) = self.seen.last.borrow_mut().as_mut()
            && view.lifecycle == Lifecycle::Running
            && view.generation == generation
        {
            *at = asked_at.max(*at);
        }
    }

    /// A generation has ended, or does not answer as one that runs.
    pub fn doubt(&self, generation: u64) {
        self.seen
            .last
            .borrow_mut()
            .take_if(|(_, answer)| answer.as_ref().is_ok_and(|view| view.generation <= generation));
    }
}

impl Asking {
    /// It answered at that time, or could not be asked.
    pub fn answered(self, answer: Result<SandboxView, String>, now: Millis) {
        // A question that failed was perhaps long on its way; the next is not asked at once for that.
        let at = if answer.is_ok() { self.since } else { now };
        *self.of.seen.last.borrow_mut() = Some((at, answer));
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let seen = &self.of.seen;
        // Not the question of somebody who has taken this one for abandoned.
        if seen.asking.get() == Some(self.since) {
            seen.asking.set(None);
        }
        seen.answers.set(seen.answers.get().wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(lifecycle: Lifecycle, generation: u64) -> SandboxView {
        SandboxView {
            lifecycle,
            generation,
            ..SandboxView::never_started(1)
        }
    }

    fn asks(sighting: &Sighting, at: u64) -> Option<Asking> {
        match sighting.wanted(Millis(at)) {
            Wanted::Ask(asking) => Some(asking),
            _ => None,
        }
    }

    fn taken(sighting: &Sighting, at: u64) -> Option<u64> {
        match sighting.wanted(Millis(at)) {
            Wanted::Take(answer) => answer.ok().map(|view| view.generation),
            _ => None,
        }
    }

    fn hear(sighting: &Sighting, at: u64, lifecycle: Lifecycle, generation: u64) {
        let asking = asks(sighting, at);
        assert!(asking.is_some(), "it is asked at {at}");
        if let Some(asking) = asking {
            asking.answered(Ok(view(lifecycle, generation)), Millis(at));
        }
    }

    /// How often it is asked in ten seconds when 64 look every 10 ms and an answer takes 30 ms.
    fn asked(answer: &Result<SandboxView, String>) -> u32 {
        let sighting = Sighting::default();
        let mut asked = 0;
        let mut asking: Option<(u64, Asking)> = None;
        for now in (0..10_000).step_by(10) {
            if let Some((_, right)) = asking.take_if(|(at, _)| now >= *at + 30) {
                right.answered(answer.clone(), Millis(now));
            }
            for _ in 0..64 {
                if let Wanted::Ask(right) = sighting.wanted(Millis(now)) {
                    asked += 1;
                    asking = Some((now, right));
                }
            }
        }
        asked
    }

    #[test]
    fn however_many_wait_one_asks_and_all_take_the_answer() {
        assert_eq!(asked(&Ok(view(Lifecycle::Starting, 1))), 40, "four in a second");
        assert_eq!(asked(&Err("away".into())), 36, "fewer when it cannot be asked");
    }

    #[test]
    fn who_waits_sees_that_there_is_an_answer_or_none() {
        let sighting = Sighting::default();
        let asking = asks(&sighting, 0);
        let Wanted::Wait(seen) = sighting.wanted(Millis(1)) else {
            unreachable!("somebody asks")
        };
        assert_eq!(sighting.answers(), seen);
        drop(asking);
        assert_ne!(sighting.answers(), seen);
        assert!(asks(&sighting, 2).is_some(), "no answer came of it");
    }

    #[test]
    fn a_question_that_was_dropped_with_its_event_holds_nobody_up() {
        let sighting = Sighting::default();
        let first = asks(&sighting, 0);
        assert!(asks(&sighting, ABANDONED_MS - 1).is_none());
        let second = asks(&sighting, ABANDONED_MS);
        assert!(second.is_some());
        drop(first);
        assert!(asks(&sighting, ABANDONED_MS + 1).is_none(), "the second goes on");
    }

    #[test]
    fn what_runs_is_taken_to_run_for_a_second_after_its_last_sign() {
        let sighting = Sighting::default();
        hear(&sighting, 0, Lifecycle::Running, 3);
        assert_eq!(taken(&sighting, 999), Some(3));
        sighting.runs(3, Millis(900));
        sighting.runs(2, Millis(5_000));
        assert_eq!(taken(&sighting, 1_899), Some(3));
        hear(&sighting, 1_900, Lifecycle::Starting, 4);
        sighting.runs(4, Millis(2_149));
        assert_eq!(taken(&sighting, 2_149), Some(4));
        assert!(asks(&sighting, 2_150).is_some(), "it was not seen to run");
    }

    #[test]
    fn what_ended_is_asked_for_at_once() {
        let sighting = Sighting::default();
        hear(&sighting, 0, Lifecycle::Running, 3);
        sighting.doubt(2);
        assert_eq!(taken(&sighting, 1), Some(3), "an older one");
        sighting.doubt(3);
        assert!(asks(&sighting, 1).is_some());
    }
}
