//! Databases that are written to while they are saved.

mod support;

use molt_common::snapshot::{Manifest, SnapshotId};
use molt_snapshots::order::{Outcome, Work};
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use support::Sandbox;
use support::process::{outcome, start};

fn save_on(sandbox: &Sandbox, parent: Option<SnapshotId>) -> Outcome {
    outcome(start(&sandbox.order(Work::Save {
        parent,
        tags: Vec::new(),
    })))
    .unwrap()
}

fn save(sandbox: &Sandbox, parent: Option<SnapshotId>) -> Manifest {
    match save_on(sandbox, parent) {
        Outcome::Saved { manifest } => manifest,
        other => panic!("{other:?}"),
    }
}

fn open(path: &Path, mode: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    connection.pragma_update(None, "journal_mode", mode).unwrap();
    connection
        .execute_batch("CREATE TABLE IF NOT EXISTS pairs (a INTEGER, b INTEGER, filler BLOB)")
        .unwrap();
    connection
}

/// Two rows in one transaction: a copy that holds an odd number of them is torn.
fn write_pair(connection: &mut Connection, number: u64) {
    let transaction = connection.transaction().unwrap();
    for _ in 0..2 {
        transaction
            .execute(
                "INSERT INTO pairs VALUES (?1, ?1, randomblob(3000))",
                [number.cast_signed()],
            )
            .unwrap();
    }
    transaction.commit().unwrap();
}

fn count_whole(path: &Path) -> u64 {
    let connection = Connection::open(path).unwrap();
    let found: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, "ok");
    let odd: u64 = connection
        .query_row(
            "SELECT count(*) FROM (SELECT a FROM pairs GROUP BY a HAVING count(*) <> 2)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(odd, 0, "a transaction is torn");
    connection
        .query_row("SELECT count(*) / 2 FROM pairs", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn databases_under_load_are_saved_whole_and_hold_what_was_committed_before() {
    let sandbox = Sandbox::new();
    let over = AtomicBool::new(false);
    let modes = [("wal.db", "WAL"), ("no ending", "DELETE")];
    let committed: Vec<AtomicU64> = modes.iter().map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for ((name, mode), committed) in modes.iter().zip(&committed) {
            let (path, over) = (sandbox.at(name), &over);
            scope.spawn(move || {
                let mut connection = open(&path, mode);
                for number in 1.. {
                    write_pair(&mut connection, number);
                    committed.store(number, Ordering::SeqCst);
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        while committed.iter().any(|count| count.load(Ordering::SeqCst) < 50) {
            std::thread::yield_now();
        }
        let mut parent = None;
        for _ in 0..5 {
            let before: Vec<u64> = committed.iter().map(|count| count.load(Ordering::SeqCst)).collect();
            let manifest = save(&sandbox, parent);
            parent = Some(manifest.snapshot);
            assert_eq!(
                (manifest.databases, manifest.unreadable_count),
                (2, 0),
                "{:?}",
                manifest.unreadable
            );
            let disk = sandbox.restored(manifest.snapshot).unwrap();
            let names: Vec<_> = std::fs::read_dir(disk.path().join("home"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(names.len(), 2, "journals stand beside the copies: {names:?}");
            for ((name, _), before) in modes.iter().zip(before) {
                let found = count_whole(&disk.path().join("home").join(name));
                assert!(found >= before, "{name}: {found} of {before}");
            }
        }
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_database_that_nobody_has_open_is_saved_once_and_its_folder_left_as_it_is() {
    let sandbox = Sandbox::new();
    let mut connection = open(&sandbox.at("state.db"), "WAL");
    write_pair(&mut connection, 1);
    drop(connection);
    std::fs::set_permissions(
        sandbox.at("state.db"),
        std::os::unix::fs::PermissionsExt::from_mode(0o640),
    )
    .unwrap();
    let before = support::tree::read(&sandbox.home());
    let first = save(&sandbox, None);
    assert_eq!(first.databases, 1);
    support::tree::assert_same(&before, &support::tree::read(&sandbox.home()));
    assert_eq!(
        save_on(&sandbox, Some(first.snapshot)),
        Outcome::Unchanged {
            snapshot: first.snapshot
        }
    );
    let disk = sandbox.restored(first.snapshot).unwrap();
    let restored = support::tree::read(&disk.path().join("home"));
    let (live, copy) = (&before[Path::new("state.db")], &restored[Path::new("state.db")]);
    assert_eq!((live.mode, live.mtime, live.owner), (copy.mode, copy.mtime, copy.owner));
    assert_eq!(count_whole(&disk.path().join("home/state.db")), 1);
}

#[test]
fn what_merely_has_a_journals_name_is_saved() {
    let sandbox = Sandbox::new();
    let mut connection = open(&sandbox.at("notes"), "DELETE");
    write_pair(&mut connection, 1);
    drop(connection);
    std::fs::copy(sandbox.at("notes"), sandbox.at("other")).unwrap();
    std::fs::create_dir(sandbox.at("other-shm")).unwrap();
    std::fs::write(sandbox.at("other-shm/in"), b"in").unwrap();
    std::fs::write(sandbox.at("notes-wal"), b"what I think of walls").unwrap();
    std::fs::write(sandbox.at("notes-journal"), b"Dear diary").unwrap();
    let mut before = support::tree::read(&sandbox.home());
    let manifest = save(&sandbox, None);
    assert_eq!(
        (manifest.databases, manifest.unreadable_count),
        (2, 0),
        "{:?}",
        manifest.unreadable
    );
    let disk = sandbox.restored(manifest.snapshot).unwrap();
    let mut after = support::tree::read(&disk.path().join("home"));
    for tree in [&mut before, &mut after] {
        for database in ["notes", "other"] {
            assert!(tree.remove(Path::new(database)).is_some());
        }
    }
    support::tree::assert_same(&before, &after);
    for text in ["notes-wal", "notes-journal"] {
        std::fs::remove_file(disk.path().join("home").join(text)).unwrap();
    }
    assert_eq!(count_whole(&disk.path().join("home/notes")), 1);
}

#[test]
fn one_that_is_open_and_idle_is_unchanged_and_a_write_to_its_journal_alone_is_a_change() {
    let sandbox = Sandbox::new();
    let mut connection = open(&sandbox.at("state.db"), "WAL");
    write_pair(&mut connection, 1);
    let first = save(&sandbox, None);
    assert_eq!(
        save_on(&sandbox, Some(first.snapshot)),
        Outcome::Unchanged {
            snapshot: first.snapshot
        }
    );
    write_pair(&mut connection, 2);
    let second = save(&sandbox, Some(first.snapshot));
    let disk = sandbox.restored(second.snapshot).unwrap();
    assert_eq!(count_whole(&disk.path().join("home/state.db")), 2);
    // What was seen last is lost with the supervisor's folder: it costs copies, and changes nothing.
    std::fs::remove_dir_all(sandbox.work_dir()).unwrap();
    assert_eq!(
        save_on(&sandbox, Some(second.snapshot)),
        Outcome::Unchanged {
            snapshot: second.snapshot
        }
    );
}

#[test]
fn a_journal_that_a_killed_writer_left_is_taken_in() {
    for mode in ["WAL", "DELETE"] {
        let sandbox = Sandbox::new();
        let other = tempfile::tempdir().unwrap();
        let mut connection = open(&other.path().join("state.db"), mode);
        write_pair(&mut connection, 1);
        connection.pragma_update(None, "cache_size", 1).unwrap();
        let transaction = connection.transaction().unwrap();
        // More than its cache holds: the file itself is written to before the end.
        for _ in 0..2000 {
            transaction
                .execute("INSERT INTO pairs VALUES (9, 9, randomblob(3000))", [])
                .unwrap();
        }
        for entry in std::fs::read_dir(other.path()).unwrap() {
            let entry = entry.unwrap();
            if !entry.file_name().to_str().unwrap().ends_with("-shm") {
                std::fs::copy(entry.path(), sandbox.home().join(entry.file_name())).unwrap();
            }
        }
        drop(transaction);
        let manifest = save(&sandbox, None);
        assert_eq!(
            (manifest.databases, manifest.files),
            (1, 1),
            "{mode}: {:?}",
            manifest.unreadable
        );
        let disk = sandbox.restored(manifest.snapshot).unwrap();
        assert_eq!(count_whole(&disk.path().join("home/state.db")), 1, "{mode}");
    }
}

#[test]
fn one_that_is_damaged_or_locked_is_saved_byte_for_byte_and_named() {
    let sandbox = Sandbox::new();
    let mut connection = open(&sandbox.at("damaged.db"), "DELETE");
    (0..100).for_each(|number| write_pair(&mut connection, number));
    drop(connection);
    let mut bytes = std::fs::read(sandbox.at("damaged.db")).unwrap();
    bytes[4096..40_000].fill(0x5a);
    std::fs::write(sandbox.at("damaged.db"), &bytes).unwrap();
    let locked = open(&sandbox.at("locked.db"), "DELETE");
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    std::fs::write(sandbox.at("only-in-name.db"), b"no database").unwrap();

    let manifest = save(&sandbox, None);
    assert_eq!(
        (manifest.databases, manifest.unreadable_count, manifest.files),
        (0, 2, 3),
        "{:?}",
        manifest.unreadable
    );
    for (name, why) in [("damaged.db", "byte for byte"), ("locked.db", "locked")] {
        assert!(
            manifest
                .unreadable
                .iter()
                .any(|text| text.starts_with(name) && text.contains(why)),
            "{:?}",
            manifest.unreadable
        );
    }
    let disk = sandbox.restored(manifest.snapshot).unwrap();
    assert_eq!(std::fs::read(disk.path().join("home/damaged.db")).unwrap(), bytes);
    assert_eq!(
        std::fs::read(disk.path().join("home/locked.db")).unwrap(),
        std::fs::read(sandbox.at("locked.db")).unwrap()
    );
}
