//! A model of `LEGACY`, the sandbox, routers of any rank and a network that loses, repeats and delays.

use super::super::{Event, Gate, Ownership, Reply, Stage, Work};
use super::rank;
use molt_common::ownership::{Fence, Owner};
use molt_common::time::Millis;
use proptest::prelude::*;

/// Something on its way.
#[derive(Clone, Debug)]
enum Message {
    Call { owner: Owner, epoch: u64 },
    Reply { owner: Owner, epoch: u64, reply: Reply },
}

#[derive(Debug)]
struct World {
    own: Ownership,
    now: Millis,
    /// A container is there.
    container: bool,
    /// What `LEGACY` keeps.
    fence: (Owner, u64),
    agent: bool,
    network: Vec<Message>,
}

#[derive(Clone, Debug)]
enum Op {
    /// The user comes to `LEGACY`.
    LegacyRequest,
    Want(u64),
    Release(u64, bool),
    /// A router passes on what `LEGACY` told it.
    ReleaseFenced(u64),
    Alarm,
    Start,
    /// The sandbox's container ends by itself.
    ContainerEnds,
    /// The old agent does what it was told.
    AgentStops,
    /// A message arrives; it may arrive again.
    Deliver(usize, bool),
    Lose(usize),
    /// The object and every answer to it are gone; what is stored stays.
    Crash,
    Pass(u64),
}

impl World {
    fn new() -> Self {
        Self {
            own: Ownership::unrecorded(false),
            now: Millis(1),
            container: false,
            fence: (Owner::Legacy, 0),
            agent: false,
            network: vec![],
        }
    }

    fn step(&mut self, event: Event) {
        let before = self.own.clone();
        let discards = matches!(event, Event::Released { discard_disk: true, .. });
        let written = matches!(event, Event::Exported { outcome: Ok(()), .. });
        self.own.step(event, self.now);
        let let_go = before.stage == Stage::Exporting && self.own.stage == Stage::Unfencing;
        assert!(!let_go || discards || written, "nothing of it was written: {before:?}");
        assert!(self.own.epoch >= before.epoch, "epochs only grow");
        assert!(self.own.decided >= before.decided, "decisions only get newer");
    }

    fn alarm(&mut self) {
        match self.own.due(self.now) {
            Some(Work::SetOwner { owner, epoch }) => self.network.push(Message::Call { owner, epoch }),
            Some(Work::StopSandbox) if self.container => self.container = false,
            Some(Work::StopSandbox) => self.step(Event::Gone),
            Some(Work::Export { epoch }) => {
                assert!(!self.container, "written while it is changed");
                self.step(Event::ExportBegun { epoch });
                // Some do not succeed, and of some nothing is ever heard.
                if self.now.0.is_multiple_of(5) || self.own.stage != Stage::Exporting {
                    return;
                }
                let outcome = match self.now.0 % 4 {
                    0 => Err(("no".to_owned(), true)),
                    1 => Err(("never".to_owned(), false)),
                    _ => Ok(()),
                };
                self.step(Event::Exported { epoch, outcome });
            }
            None => {}
        }
    }

    /// As docs/legacy-contract.md says.
    fn set(&mut self, owner: Owner, epoch: u64) -> Reply {
        let (held, at) = self.fence;
        let later = epoch < at || (epoch == at && owner != held);
        if !later {
            self.fence = (owner, epoch);
        }
        let fence = Fence {
            owner: self.fence.0,
            epoch: self.fence.1,
            agent_running: self.agent,
            state_bytes: None,
        };
        if later { Reply::Later(fence) } else { Reply::Set(fence) }
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Call { owner, epoch } => {
                let reply = self.set(owner, epoch);
                self.network.push(Message::Reply { owner, epoch, reply });
            }
            Message::Reply { owner, epoch, reply } => self.step(Event::Answered { owner, epoch, reply }),
        }
    }

    fn take(&mut self, index: usize, again: bool) -> Option<Message> {
        let index = index.checked_rem(self.network.len())?;
        Some(if again {
            self.network[index].clone()
        } else {
            self.network.remove(index)
        })
    }

    fn start(&mut self) {
        if self.own.gate() == Gate::Open && self.own.may_run() {
            self.container = true;
            self.step(Event::Ran);
        }
    }

    fn router(&mut self, event: Event, version: u64) {
        let before = self.own.clone();
        let towards_new = |own: &Ownership| matches!(own.stage, Stage::Fencing | Stage::New);
        let used = before.ran
            && matches!(
                event,
                Event::Released {
                    discard_disk: false,
                    ..
                }
            );
        self.step(event);
        let turned = towards_new(&before) != towards_new(&self.own);
        assert!(
            !(turned && rank(version) < before.decided),
            "older flags turned {before:?}"
        );
        assert!(
            !(turned && used && !self.own.exports),
            "a used disk was discarded without a word: {before:?}"
        );
    }

    fn apply(&mut self, op: Op) {
        let released = |version, discard_disk, fenced| Event::Released {
            rank: rank(version),
            discard_disk,
            exportable: version % 2 == 1,
            fenced,
        };
        match op {
            Op::LegacyRequest => self.agent |= self.fence.0 == Owner::Legacy,
            Op::Want(version) => self.router(
                Event::Wanted {
                    rank: rank(version),
                    tier: 1,
                },
                version,
            ),
            Op::Release(version, discard) => self.router(released(version, discard, None), version),
            Op::ReleaseFenced(version) if self.fence.0 == Owner::New => {
                self.step(released(version, false, Some(self.fence.1)));
            }
            Op::ReleaseFenced(_) => {}
            Op::Alarm => self.alarm(),
            Op::Start => self.start(),
            Op::ContainerEnds => self.container = false,
            Op::AgentStops => self.agent &= self.fence.0 != Owner::New,
            Op::Deliver(index, again) => {
                if let Some(message) = self.take(index, again) {
                    self.deliver(message);
                }
            }
            Op::Lose(index) => drop(self.take(index, false)),
            Op::Crash => self.network.retain(|message| matches!(message, Message::Call { .. })),
            Op::Pass(ms) => self.now = self.now.plus(ms),
        }
        assert!(!(self.agent && self.container), "two agents: {self:?}");
        assert!(
            !(self.own.may_run() && self.agent),
            "the sandbox may start beside the old agent: {self:?}"
        );
    }

    /// Everything answers from now on and nobody wants anything new.
    fn settle(&mut self) {
        for _ in 0..40 {
            self.apply(Op::AgentStops);
            self.apply(Op::Alarm);
            while !self.network.is_empty() {
                self.apply(Op::AgentStops);
                self.apply(Op::Deliver(0, false));
            }
            self.apply(Op::Pass(60_000));
        }
    }
}

fn ops() -> impl Strategy<Value = Op> {
    let version = || 0_u64..6;
    prop_oneof![
        2 => Just(Op::LegacyRequest),
        3 => version().prop_map(Op::Want),
        3 => (version(), any::<bool>()).prop_map(|(version, discard)| Op::Release(version, discard)),
        1 => version().prop_map(Op::ReleaseFenced),
        6 => Just(Op::Alarm),
        3 => Just(Op::Start),
        1 => Just(Op::ContainerEnds),
        3 => Just(Op::AgentStops),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(index, again)| Op::Deliver(index, again)),
        1 => any::<usize>().prop_map(Op::Lose),
        1 => Just(Op::Crash),
        2 => prop_oneof![Just(1_u64), 500..70_000_u64].prop_map(Op::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn no_user_ever_has_two_agents_and_every_move_ends(history in proptest::collection::vec(ops(), 0..120)) {
        let mut world = World::new();
        for op in history {
            world.apply(op);
        }
        world.settle();
        prop_assert!(matches!(world.own.stage, Stage::Legacy | Stage::New), "{world:?}");
        prop_assert_eq!(world.own.next_alarm(), None, "{:?}", world);
        prop_assert_eq!(world.own.owner(), world.fence.0, "{:?}", world);
        world.start();
        prop_assert_eq!(world.container, world.own.owner() == Owner::New, "{:?}", world);
        world.apply(Op::LegacyRequest);
        prop_assert_eq!(world.agent, world.own.owner() == Owner::Legacy, "{:?}", world);
    }
}
