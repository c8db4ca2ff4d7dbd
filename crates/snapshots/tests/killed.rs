//! Work that is killed at any moment harms nothing.

mod support;

use molt_common::control::snapshot::Upkeep;
use molt_common::snapshot::SnapshotId;
use molt_snapshots::order::{Outcome, Work};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};
use support::process::{outcome, start};
use support::{Sandbox, tree};

/// Seed of the random choices; printed, and taken from the environment to repeat a run.
const SEED: &str = "SNAPSHOTS_TEST_SEED";

/// Kills it after `delay`, unless it ends by itself.
fn kill_after(mut child: Child, delay: Duration) -> Option<Outcome> {
    let until = Instant::now() + delay;
    while Instant::now() < until && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    outcome(child)
}

struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let seed = std::env::var(SEED)
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| RandomState::new().hash_one(0));
        println!("{SEED}={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn bytes(&mut self, count: u64) -> Vec<u8> {
        std::iter::repeat_with(|| self.below(256) as u8)
            .take(usize::try_from(count).unwrap())
            .collect()
    }
}

fn change(sandbox: &Sandbox, chance: &mut Chance) {
    for _ in 0..30 {
        let path = sandbox.at(&format!("folder-{}/file-{}", chance.below(4), chance.below(20)));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = std::fs::remove_file(&path);
        match chance.below(8) {
            0 => std::os::unix::fs::symlink(format!("file-{}", chance.below(20)), &path).unwrap(),
            1 => {
                let other = sandbox.at(&format!("folder-{}/file-{}", chance.below(4), chance.below(20)));
                let _ = std::fs::hard_link(other, &path);
            }
            2 => {}
            3 => std::fs::write(&path, chance.bytes(2_000_000)).unwrap(),
            _ => {
                let size = chance.below(60_000);
                std::fs::write(&path, chance.bytes(size)).unwrap();
            }
        }
    }
}

fn compare(sandbox: &Sandbox, id: SnapshotId, then: &BTreeMap<PathBuf, tree::Entry>) {
    let disk = sandbox.restored(id).unwrap();
    let mut found = tree::read(&disk.path().join("home"));
    assert!(found.remove(&PathBuf::from("state.db")).is_some());
    tree::assert_same(then, &found);
    let database = Connection::open(disk.path().join("home/state.db")).unwrap();
    let whole: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
}

fn files(sandbox: &Sandbox) -> BTreeMap<PathBuf, tree::Entry> {
    // Never opened here: closing it would take the locks of this process's own connection away.
    tree::read_but(&sandbox.home(), "state.db")
}

#[test]
fn saves_that_are_killed_at_any_moment_leave_every_saved_point_whole() {
    let sandbox = Sandbox::new();
    let mut chance = Chance::new();
    let database = Connection::open(sandbox.at("state.db")).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
    let mut saved: Vec<(SnapshotId, BTreeMap<PathBuf, tree::Entry>)> = Vec::new();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                database.execute("INSERT INTO t VALUES (randomblob(2000))", []).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let cycles = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..5 {
                let mut took = Duration::from_millis(1500);
                for _ in 0..4 {
                    change(&sandbox, &mut chance);
                    let parent = saved.last().map(|(id, _)| *id);
                    let order = sandbox.order(Work::Save {
                        parent,
                        tags: Vec::new(),
                    });
                    let delay = Duration::from_millis(chance.below(took.as_millis() as u64));
                    if let Some(Outcome::Saved { manifest }) = kill_after(start(&order), delay) {
                        saved.push((manifest.snapshot, files(&sandbox)));
                    }
                }
                let began = Instant::now();
                let order = sandbox.order(Work::Save {
                    parent: saved.last().map(|(id, _)| *id),
                    tags: Vec::new(),
                });
                let Some(Outcome::Saved { manifest }) = outcome(start(&order)) else {
                    panic!("nothing was saved")
                };
                took = began.elapsed();
                println!("a whole save takes {took:?}");
                assert_eq!(
                    (manifest.databases, manifest.unreadable_count),
                    (1, 0),
                    "{:?}",
                    manifest.unreadable
                );
                saved.push((manifest.snapshot, files(&sandbox)));
                for (id, then) in &saved {
                    compare(&sandbox, *id, then);
                }
            }
        }));
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        cycles.unwrap();
    });
}

#[test]
fn a_prune_that_is_killed_at_any_moment_loses_nothing_that_is_kept() {
    let sandbox = Sandbox::new();
    let mut chance = Chance::new();
    Connection::open(sandbox.at("state.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (x BLOB)")
        .unwrap();
    let mut saved: Vec<(SnapshotId, BTreeMap<PathBuf, tree::Entry>)> = Vec::new();
    for _ in 0..8 {
        change(&sandbox, &mut chance);
        let manifest = sandbox.save(saved.last().map(|(id, _)| *id));
        saved.push((manifest.snapshot, files(&sandbox)));
    }
    while saved.len() > 2 {
        let gone = usize::try_from(chance.below(saved.len() as u64)).unwrap();
        saved.remove(gone);
        let keep: Vec<SnapshotId> = saved.iter().map(|(id, _)| *id).collect();
        let order = sandbox.order(Work::Upkeep {
            upkeep: Upkeep::Prune { keep: keep.clone() },
        });
        for _ in 0..4 {
            kill_after(start(&order), Duration::from_millis(chance.below(250)));
        }
        // What was marked goes at once, which is when it would be missed.
        molt_snapshots::prune(&order.repository, &keep, Duration::ZERO).unwrap();
        for (id, then) in &saved {
            compare(&sandbox, *id, then);
        }
    }
}

#[test]
fn a_restore_that_is_killed_is_begun_again_on_a_clean_disk() {
    let sandbox = Sandbox::new();
    let mut chance = Chance::new();
    Connection::open(sandbox.at("state.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (x BLOB)")
        .unwrap();
    change(&sandbox, &mut chance);
    let manifest = sandbox.save(None);
    let then = tree::read(&sandbox.home());
    std::fs::remove_dir_all(sandbox.home()).unwrap();
    std::fs::create_dir(sandbox.home()).unwrap();
    let order = sandbox.order(Work::Restore {
        snapshot: manifest.snapshot,
    });
    let mut killed = 0;
    for delay in (0..400).step_by(20) {
        killed += u32::from(kill_after(start(&order), Duration::from_millis(delay)).is_none());
        if !sandbox.work_dir().join("restoring").exists() && std::fs::read_dir(sandbox.home()).unwrap().next().is_some()
        {
            break;
        }
    }
    assert!(killed > 0);
    if sandbox.work_dir().join("restoring").exists() || std::fs::read_dir(sandbox.home()).unwrap().next().is_none() {
        assert!(matches!(outcome(start(&order)), Some(Outcome::Restored { .. })));
    }
    tree::assert_same(&then, &tree::read(&sandbox.home()));
}
