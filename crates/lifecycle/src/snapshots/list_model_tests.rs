//! Every order of a small world, checked with `stateright`: two boots that publish, one perhaps over, operators who choose, release and delete, and a
//! prune whose list may be older than the list. What was published is never lost by it, and the list never goes backward.

use super::{Boot, List, fixtures};
use molt_common::sandbox_change::ChangeOutcome;
use molt_common::snapshot::{Manifest, ObjectId, PublishAnswer, PublishRequest, SaveReason, SnapshotId, Standing};
use molt_common::snapshot_call::Decision;
use molt_common::time::Millis;
use stateright::{Checker, Model, Property};
use std::collections::BTreeSet;

const HOUR_MS: u64 = 3_600_000;

fn id(number: u8) -> SnapshotId {
    ObjectId::new([number; 32])
}

/// Somebody in a container that publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Writer {
    generation: u64,
    head: Option<SnapshotId>,
    /// What it has written and asks to publish, with its size.
    written: Option<(u8, u64)>,
    /// Everything that it wrote.
    saved: BTreeSet<SnapshotId>,
    /// What it was told of that.
    told: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    list: List,
    generation: u64,
    lives: bool,
    now: Millis,
    writers: [Writer; 2],
    next: u8,
    /// What was written and verified, though it may count for nothing.
    repository: BTreeSet<SnapshotId>,
    /// What a prune that is on its way keeps, and the generation that makes it.
    prune: Option<(u64, BTreeSet<SnapshotId>)>,
    broken: Option<&'static str>,
    left: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// A container begins with a new generation; the older one may go on, cut off.
    Begin,
    Ends,
    /// A writer has a snapshot of so many files in the repository.
    Write(usize, u64),
    /// Its request arrives; perhaps once more.
    Publish(usize),
    Decide(u8, Decision),
    Choose(u8),
    AskPrune,
    Prune,
    Hour,
}

struct Worlds(u8);

impl Model for Worlds {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            list: List::default(),
            generation: 0,
            lives: false,
            now: Millis(1_800_000_000_000),
            writers: [Writer::default(), Writer::default()],
            next: 1,
            repository: BTreeSet::new(),
            prune: None,
            broken: None,
            left: self.0,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.left == 0 {
            return;
        }
        actions.extend([Action::Begin, Action::Hour]);
        if world.lives {
            actions.push(Action::Ends);
        }
        for (place, writer) in world.writers.iter().enumerate() {
            if writer.generation > 0 && world.next < 5 {
                actions.extend([Action::Write(place, 1_000), Action::Write(place, 1)]);
            }
            if writer.written.is_some() {
                actions.push(Action::Publish(place));
            }
        }
        for number in 1..world.next {
            if let Some(listed) = world.list.get(id(number)) {
                actions.push(Action::Decide(number, Decision::Delete));
                actions.push(match listed.standing {
                    Standing::Published => Action::Choose(number),
                    Standing::Quarantined => Action::Decide(number, Decision::Release),
                });
            }
        }
        actions.push(if world.prune.is_some() {
            Action::Prune
        } else {
            Action::AskPrune
        });
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.left -= 1;
        next.apply(action);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no promise is broken", |_, world: &World| world.broken.is_none()),
            Property::always("the head counts, and its data is there", |_, world: &World| {
                world.list.keeping.head.is_none_or(|head| {
                    let listed = world.list.get(head);
                    listed.is_some_and(|one| one.standing == Standing::Published) && world.repository.contains(&head)
                })
            }),
            Property::always("everything on the list is in the repository", |_, world: &World| {
                world
                    .list
                    .snapshots
                    .iter()
                    .all(|one| world.repository.contains(&one.id))
            }),
            Property::always("the next start restores what counts", |_, world: &World| {
                let keeping = &world.list.keeping;
                let point = keeping.restore_point(world.generation + 1);
                let counts = |id| {
                    world
                        .list
                        .get(id)
                        .is_some_and(|one| one.standing == Standing::Published)
                };
                point.is_none_or(counts) && (point.is_some() || keeping.published == 0)
            }),
            Property::always("numbers grow and are used once", |_, world: &World| {
                let numbers: Vec<u64> = world.list.snapshots.iter().map(|one| one.sequence).collect();
                numbers.windows(2).all(|pair| pair[0] < pair[1])
                    && numbers
                        .last()
                        .is_none_or(|last| *last <= world.list.keeping.last_sequence)
            }),
            Property::sometimes("kept apart", |_, world: &World| world.list.keeping.quarantined > 0),
            Property::sometimes("another one was first", |_, world: &World| {
                world.writers.iter().any(|writer| writer.told == Some("head moved"))
            }),
            Property::sometimes("its generation was over", |_, world: &World| {
                world.writers.iter().any(|writer| writer.told == Some("over"))
            }),
            Property::sometimes("a branch from an older point", |_, world: &World| {
                world
                    .list
                    .keeping
                    .branch
                    .as_ref()
                    .is_some_and(|branch| branch.restore != branch.head)
            }),
            Property::sometimes("pruned", |_, world: &World| world.list.keeping.pruned_at.is_some()),
        ]
    }
}

impl World {
    fn apply(&mut self, action: Action) {
        let before = self.list.clone();
        match action {
            Action::Begin => {
                self.generation += 1;
                self.lives = true;
                let branch = self.list.keeping.begin(self.generation);
                self.writers.swap(0, 1);
                self.writers[0] = Writer {
                    generation: self.generation,
                    head: branch.head,
                    ..Writer::default()
                };
            }
            Action::Ends => self.lives = false,
            Action::Write(place, files) => {
                self.writers[place].written = Some((self.next, files));
                self.writers[place].told = None;
                self.writers[place].saved.insert(id(self.next));
                self.repository.insert(id(self.next));
                self.next += 1;
            }
            Action::Publish(place) => self.publish(place),
            Action::Decide(number, decision) => {
                self.list.decide(id(number), decision, self.now);
            }
            Action::Choose(number) => {
                let _ = self.list.choose(id(number), self.generation);
            }
            Action::AskPrune => {
                self.list.keeping.prune_asked(self.now);
                self.prune = Some((self.generation, self.list.kept_by_prune().into_iter().collect()));
            }
            Action::Prune => {
                // The edge lets no generation remove anything that is over.
                let order = self.prune.take();
                if let Some((_, keep)) = order.filter(|(generation, _)| self.lives && *generation == self.generation) {
                    // Its supervisor leaves what it has written itself, since the order may be older than that.
                    let own = &self.writers[0].saved;
                    self.repository.retain(|one| keep.contains(one) || own.contains(one));
                    self.list.pruned(&ChangeOutcome::default(), self.now);
                }
            }
            Action::Hour => self.now = self.now.plus(HOUR_MS),
        }
        let head = |list: &List| list.head().map_or(0, |head| head.sequence);
        if head(&self.list) < head(&before) {
            self.broken = Some("the list went backward");
        }
        if self.list.keeping.last_sequence < before.keeping.last_sequence {
            self.broken = Some("a number was given twice");
        }
        if !matches!(action, Action::Publish(_) | Action::Decide(..)) && self.list.keeping.head != before.keeping.head {
            self.broken = Some("the head moved by itself");
        }
    }

    fn publish(&mut self, place: usize) {
        let writer = self.writers[place].clone();
        let Some((number, files)) = writer.written else { return };
        let request = PublishRequest {
            manifest: Manifest {
                files,
                ..fixtures::manifest(id(number), self.now)
            },
            reason: SaveReason::Interval,
            head: writer.head,
            import: None,
        };
        let newest = Boot {
            generation: self.generation,
            lives: self.lives,
        };
        let (before, known) = (self.list.keeping.head, self.list.get(id(number)).is_some());
        let answer = self.list.publish(writer.generation, &request, newest, self.now);
        let over = writer.generation != self.generation || !self.lives;
        if over && !known && self.list.keeping.head != before {
            self.broken = Some("a generation that is over moved the head");
        }
        if known && self.list.keeping.head != before {
            self.broken = Some("a request counted twice");
        }
        let writer = &mut self.writers[place];
        writer.told = Some(match answer {
            PublishAnswer::Published { .. } => {
                // A repetition tells nothing of what came after it.
                if !known {
                    writer.head = Some(id(number));
                }
                "published"
            }
            PublishAnswer::Quarantined { .. } => "kept apart",
            PublishAnswer::HeadMoved { head } => {
                if head == writer.head {
                    self.broken = Some("it was told of no other head");
                }
                "head moved"
            }
            PublishAnswer::GenerationOver { generation } => {
                if generation == writer.generation && self.lives {
                    self.broken = Some("its generation is not over");
                }
                "over"
            }
            PublishAnswer::Incomplete { .. } => "incomplete",
        });
    }
}

fn check(depth: u8) {
    let checker = Worlds(depth).checker().threads(2).spawn_bfs().join();
    println!("{depth}: {} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn no_order_of_events_loses_what_was_published() {
    check(8);
}

/// Minutes: `cargo test --release -p molt-lifecycle -- --ignored model`.
#[test]
#[ignore = "takes minutes"]
fn no_order_of_more_events_loses_what_was_published() {
    check(11);
}
