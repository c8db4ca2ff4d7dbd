//! A model of the children's stores and of a network that loses, delays and repeats answers, with evictions, cancels and commands that end when they
//! like. A call arrives at most once: nothing between objects sends a request twice.

use super::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    /// Ask for steps; they are on their way.
    Next,
    /// A call on its way arrives, and its answer is on its way.
    Arrive(usize),
    /// An answer arrives; it may arrive again.
    Answer(usize, bool),
    LoseCall(usize),
    LoseAnswer(usize),
    /// The object is gone, and with it whoever waited for answers.
    Evict,
    Cancel,
    /// A child's command ends by itself.
    End(usize, bool),
    /// A sandbox takes nothing (and then does).
    Full(usize),
    Pass(u64),
}

#[derive(Debug, Default)]
struct Store {
    state: Option<JobState>,
    full: bool,
    runs: u32,
}

#[derive(Debug)]
struct World {
    job: BulkJob,
    /// A submission does the work itself, and so is not repeated after a cancel.
    at_once: bool,
    now: Millis,
    stores: BTreeMap<usize, Store>,
    /// With the time from which it can no longer arrive.
    calls: Vec<(Step, Millis)>,
    answers: Vec<(Step, ChildAnswer)>,
}

impl World {
    fn new(children: usize, concurrency: u32, stop: Option<u32>, at_once: bool) -> Self {
        Self {
            job: bulk(children, concurrency, stop),
            at_once,
            now: T0,
            stores: (0..children).map(|index| (index, Store::default())).collect(),
            calls: vec![],
            answers: vec![],
        }
    }

    fn arrive(&mut self, step: &Step) {
        let index = child_of(step);
        let store = self.stores.get_mut(&index).unwrap();
        let answer = match (step, store.state) {
            (Step::Submit { cancelled: true, .. }, _) if self.at_once => ChildAnswer::Refused {
                error: "cancelled".into(),
            },
            (Step::Submit { .. }, None) if store.full => ChildAnswer::NotNow {
                error: "full".into(),
                retry_after_ms: 1_000,
            },
            (Step::Submit { .. }, state) if self.at_once => {
                store.runs += u32::from(state.is_none());
                let state = *store.state.get_or_insert(JobState::Succeeded);
                ChildAnswer::Ended { state, error: None }
            }
            (Step::Submit { .. }, None) => {
                store.runs += 1;
                store.state = Some(JobState::Running);
                stands(index, JobState::Running)
            }
            (Step::Cancel { .. }, Some(JobState::Running)) => {
                store.state = Some(JobState::Cancelled);
                stands(index, JobState::Cancelled)
            }
            (_, Some(state)) => stands(index, state),
            (_, None) => ChildAnswer::Gone,
        };
        self.answers.push((step.clone(), answer));
    }

    fn apply(&mut self, op: Op) {
        let at = |index: usize, len: usize| index.checked_rem(len);
        match op {
            Op::Next => {
                let steps = calls(&mut self.job, self.now);
                let until = self.now.plus(CALL_LEASE_MS);
                self.calls.extend(steps.into_iter().map(|step| (step, until)));
            }
            Op::Arrive(index) => {
                if let Some(index) = at(index, self.calls.len()) {
                    let (step, _) = self.calls.remove(index);
                    self.arrive(&step);
                }
            }
            Op::Answer(index, again) => {
                if let Some(index) = at(index, self.answers.len()) {
                    let (step, answer) = self.answers[index].clone();
                    if !again {
                        self.answers.remove(index);
                    }
                    self.job.answered(&step, answer, 0, self.now);
                }
            }
            Op::LoseCall(index) => drop(at(index, self.calls.len()).map(|index| self.calls.remove(index))),
            Op::LoseAnswer(index) => {
                if let Some(index) = at(index, self.answers.len()) {
                    let (step, _) = self.answers.remove(index);
                    let lost = ChildAnswer::Unreachable { error: "lost".into() };
                    self.job.answered(&step, lost, 0, self.now);
                }
            }
            Op::Evict => {
                self.job = serde_json::from_str(&serde_json::to_string(&self.job).unwrap()).unwrap();
                self.job.resumed(self.now);
            }
            Op::Cancel => self.job.cancel(self.now),
            Op::End(index, well) => {
                let len = self.stores.len();
                let store = self.stores.get_mut(&at(index, len).unwrap()).unwrap();
                if store.state == Some(JobState::Running) {
                    store.state = Some(if well { JobState::Succeeded } else { JobState::Failed });
                }
            }
            Op::Full(index) => {
                let len = self.stores.len();
                let store = self.stores.get_mut(&at(index, len).unwrap()).unwrap();
                store.full = !store.full;
            }
            Op::Pass(ms) => {
                self.now = self.now.plus(ms);
                let now = self.now;
                self.calls.retain(|(_, until)| now < *until);
            }
        }
        self.check();
    }

    fn check(&self) {
        // One that is lost may go on where nobody can see it.
        let both = self.job.children().iter().zip(self.stores.values());
        let under_way = both
            .filter(|(child, store)| child.state != JobState::Lost && store.state == Some(JobState::Running))
            .count();
        assert!(
            under_way <= self.job.limits().concurrency as usize,
            "too many at once: {self:?}"
        );
        for (child, store) in self.job.children().iter().zip(self.stores.values()) {
            assert!(store.runs <= 1, "a key ran twice");
            match child.state {
                JobState::Cancelled | JobState::Rejected => {
                    assert!(store.state.is_none() || store.state == Some(child.state), "{self:?}");
                    let may_arrive = |(step, _): &(Step, Millis)| {
                        matches!(step, Step::Submit { .. }) && self.job.children()[child_of(step)].user == child.user
                    };
                    assert!(
                        store.state.is_some() || !self.calls.iter().any(may_arrive),
                        "called unbegun with a submission on its way: {self:?}"
                    );
                }
                JobState::Succeeded | JobState::Failed => assert_eq!(store.state, Some(child.state), "{self:?}"),
                _ => {}
            }
        }
        let all = self.job.children().iter().all(|child| child.state.is_terminal());
        assert_eq!(self.job.state.is_terminal(), all, "{self:?}");
        if self.job.state == JobState::Succeeded {
            assert!(
                self.stores
                    .values()
                    .all(|store| store.state == Some(JobState::Succeeded))
            );
        }
    }

    /// Everything answers from now on.
    fn settle(&mut self) {
        for store in self.stores.values_mut() {
            store.full = false;
        }
        for _ in 0..200 {
            self.apply(Op::Next);
            while !self.calls.is_empty() {
                self.apply(Op::Arrive(0));
            }
            for index in 0..self.stores.len() {
                self.apply(Op::End(index, index % 3 != 0));
            }
            while !self.answers.is_empty() {
                self.apply(Op::Answer(0, false));
            }
            self.apply(Op::Pass(2_000));
        }
    }

    /// From now on every call is slower than whoever waits for it: an end of a step, an eviction or the lease comes first.
    fn starve(&mut self, patience_ms: u64, evicted: bool) {
        let children = self.stores.len() as u64;
        let longest = self
            .now
            .plus((SILENCE_MS + 2 * CALL_LEASE_MS) * children + SUBMIT_DEADLINE_MS);
        while !self.job.state.is_terminal() {
            assert!(self.now < longest, "for ever: {self:?}");
            self.apply(Op::Next);
            self.apply(Op::Pass(patience_ms));
            while !self.calls.is_empty() {
                self.apply(Op::Arrive(0));
            }
            if evicted {
                self.apply(Op::Evict);
            }
            // Their answers come, and nobody waits for them.
            while !self.answers.is_empty() {
                self.apply(Op::Answer(0, false));
            }
        }
    }
}

fn ops() -> impl Strategy<Value = Op> {
    let any_index = any::<usize>;
    prop_oneof![
        8 => Just(Op::Next),
        8 => any_index().prop_map(Op::Arrive),
        8 => (any_index(), prop::bool::weighted(0.2)).prop_map(|(index, again)| Op::Answer(index, again)),
        1 => any_index().prop_map(Op::LoseCall),
        2 => any_index().prop_map(Op::LoseAnswer),
        1 => Just(Op::Evict),
        1 => Just(Op::Cancel),
        4 => (any_index(), any::<bool>()).prop_map(|(index, well)| Op::End(index, well)),
        1 => any_index().prop_map(Op::Full),
        4 => prop_oneof![Just(1_000_u64), Just(CALL_LEASE_MS + 1_000), 1..3_000_u64].prop_map(Op::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn every_child_runs_at_most_once_and_every_job_tells_the_truth(
        children in 1_usize..6,
        concurrency in 1_u32..4,
        stop in prop::option::of(1_u32..3),
        at_once: bool,
        history in prop::collection::vec(ops(), 0..120),
    ) {
        let mut world = World::new(children, concurrency, stop, at_once);
        for op in history {
            world.apply(op);
        }
        world.settle();
        prop_assert!(world.job.state.is_terminal(), "{world:?}");
        let counts = world.job.progress();
        prop_assert_eq!(counts.succeeded + counts.failed, counts.total);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn calls_that_are_always_slower_than_whoever_waits_end_too(
        children in 1_usize..4,
        concurrency in 1_u32..3,
        at_once: bool,
        (patience_ms, evicted) in prop_oneof![Just((6_500, true)), Just((40_000, true)), Just((CALL_LEASE_MS, false))],
        history in prop::collection::vec(ops(), 0..40),
    ) {
        let mut world = World::new(children, concurrency, None, at_once);
        for op in history {
            world.apply(op);
        }
        world.starve(patience_ms, evicted);
    }
}
