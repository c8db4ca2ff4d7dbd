//! What is taken for changed, and what a home does while it is read.

mod support;

use molt_snapshots::order::Outcome;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{Sandbox, tree};
use times::set_mtime;

/// Setting a file's time of change as `touch -r` does.
mod times {
    use std::path::Path;
    use std::time::SystemTime;

    pub fn set_mtime(path: &Path, time: SystemTime) {
        std::fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
}

#[test]
fn a_file_of_the_same_size_and_time_is_saved_when_it_was_written_or_replaced() {
    let sandbox = Sandbox::new();
    let (written, replaced) = (sandbox.at("written"), sandbox.at("replaced"));
    std::fs::write(&written, b"one").unwrap();
    std::fs::write(&replaced, b"one").unwrap();
    let time = std::fs::metadata(&written).unwrap().modified().unwrap();
    set_mtime(&replaced, time);
    let first = sandbox.save(None);

    std::fs::write(&written, b"two").unwrap();
    set_mtime(&written, time);
    std::fs::write(sandbox.at("new"), b"two").unwrap();
    set_mtime(&sandbox.at("new"), time);
    std::fs::rename(sandbox.at("new"), &replaced).unwrap();
    let second = sandbox.save(Some(first.snapshot));

    let disk = sandbox.restored(second.snapshot).unwrap();
    assert_eq!(std::fs::read(disk.path().join("home/written")).unwrap(), b"two");
    assert_eq!(std::fs::read(disk.path().join("home/replaced")).unwrap(), b"two");
}

#[test]
fn what_is_written_right_after_a_save_is_in_the_next_one() {
    let sandbox = Sandbox::new();
    let file = sandbox.at("file");
    std::fs::write(&file, b"0000").unwrap();
    let mut parent = sandbox.save(None).snapshot;
    // The same size and time of change each time, as soon as the save is over: only the time at which anything changed tells.
    for round in 1..15_u32 {
        let time = std::fs::metadata(&file).unwrap().modified().unwrap();
        let text = format!("{round:04}");
        std::fs::write(&file, &text).unwrap();
        set_mtime(&file, time);
        let Outcome::Saved { manifest } = sandbox.save_on(Some(parent)).unwrap() else {
            panic!("round {round} was taken for unchanged")
        };
        parent = manifest.snapshot;
        let disk = sandbox.restored(parent).unwrap();
        assert_eq!(std::fs::read_to_string(disk.path().join("home/file")).unwrap(), text);
    }
}

#[test]
fn files_that_vanish_grow_and_shrink_while_they_are_read_fail_nothing() {
    let sandbox = Sandbox::new();
    for number in 0..300 {
        std::fs::write(sandbox.at(&format!("still-{number}")), vec![b'x'; 1000]).unwrap();
    }
    let home = sandbox.home();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0_usize;
            while !over.load(Ordering::Relaxed) {
                round += 1;
                let name = |kind: &str| home.join(format!("{kind}-{}", round % 7));
                let _ = std::fs::write(name("grows"), vec![b'g'; round % 5000]);
                let _ = std::fs::write(name("a-shrinks"), vec![b's'; 300_000]);
                let _ = std::fs::File::options()
                    .write(true)
                    .open(name("a-shrinks"))
                    .map(|file| file.set_len(10));
                let _ = std::fs::write(name("vanishes"), b"v");
                let _ = std::fs::remove_file(home.join(format!("vanishes-{}", (round + 3) % 7)));
                let _ = std::fs::remove_file(name("turns"));
                let _ = if round.is_multiple_of(2) {
                    std::os::unix::fs::symlink("/etc/passwd", name("turns"))
                } else {
                    std::fs::write(name("turns"), b"plain")
                };
                let _ = std::fs::rename(home.join("folder-a"), home.join("folder-b"));
                let _ = std::fs::create_dir(home.join("folder-a"));
                let _ = std::fs::write(home.join("folder-a/in"), b"in");
                let _ = std::fs::remove_dir_all(home.join("folder-b"));
            }
        });
        let mut parent = None;
        for _ in 0..6 {
            if let Outcome::Saved { manifest } = sandbox.save_on(parent).unwrap() {
                parent = Some(manifest.snapshot);
                let disk = sandbox.restored(manifest.snapshot).unwrap();
                for (path, entry) in tree::read(&disk.path().join("home")) {
                    let name = path.to_str().unwrap();
                    assert!(
                        !name.starts_with("still") || entry.content == vec![b'x'; 1000],
                        "{name}"
                    );
                    assert!(
                        !name.starts_with("turns") || entry.content == b"plain" || entry.kind == "link",
                        "{name}: {entry:?}"
                    );
                }
                let still = (0..300)
                    .filter(|number| disk.path().join(format!("home/still-{number}")).exists())
                    .count();
                assert_eq!(still, 300);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_saved_whole() {
    let sandbox = Sandbox::new();
    let (file, next) = (sandbox.at("sessions.json"), sandbox.home().with_file_name("next"));
    let replace = |letter: u8, size: usize| {
        std::fs::write(&next, vec![letter; size]).unwrap();
        std::fs::rename(&next, &file).unwrap();
    };
    replace(b'a', 100);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                replace(b'a', 100);
                replace(b'b', 150);
            }
        });
        let saved: Vec<_> = (0..10).map(|_| sandbox.save(None)).collect();
        over.store(true, Ordering::Relaxed);
        for manifest in saved {
            assert_eq!(manifest.unreadable_count, 0, "{:?}", manifest.unreadable);
            let disk = sandbox.restored(manifest.snapshot).unwrap();
            let found = std::fs::read(disk.path().join("home/sessions.json")).unwrap();
            assert!(
                found == [b'a'; 100] || found == [b'b'; 150],
                "{} bytes {:?}",
                found.len(),
                found.first()
            );
        }
    });
}

#[test]
fn nothing_outside_of_the_home_is_read() {
    let sandbox = Sandbox::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), b"never to be seen").unwrap();
    std::os::unix::fs::symlink(outside.path(), sandbox.at("way-out")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), sandbox.at("direct")).unwrap();
    let manifest = sandbox.save(None);
    assert_eq!((manifest.files, manifest.others), (0, 2));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.at("plain"), b"plain").unwrap();
    // Another file system is not part of the disk: what is mounted there is named and not read.
    let mounted = sandbox.at("mounted");
    std::fs::create_dir(&mounted).unwrap();
    let done = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "none"])
        .arg(&mounted)
        .status();
    if !done.is_ok_and(|status| status.success()) {
        eprintln!("skipped: nothing may be mounted here");
        return;
    }
    assert_ne!(
        std::fs::metadata(&mounted).unwrap().dev(),
        std::fs::metadata(sandbox.home()).unwrap().dev()
    );
    let saved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sandbox.save(None)));
    assert!(
        std::process::Command::new("umount")
            .arg(&mounted)
            .status()
            .unwrap()
            .success()
    );
    let manifest = saved.unwrap();
    assert_eq!(manifest.unreadable_count, 1);
    assert!(
        manifest.unreadable[0].starts_with("mounted: "),
        "{:?}",
        manifest.unreadable
    );
}

#[test]
fn the_repositorys_own_records_are_fetched_once() {
    let sandbox = Sandbox::new();
    for number in 0..40 {
        let folder = sandbox.at(&format!("folder-{number}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("file"), number.to_string()).unwrap();
    }
    let first = sandbox.save(None);
    sandbox.server.take_requests();
    std::fs::write(sandbox.at("folder-7/file"), "changed").unwrap();
    let second = sandbox.save(Some(first.snapshot));

    let asked = sandbox.server.take_requests();
    let of = |method: &str| -> Vec<&str> {
        let of = asked.iter().filter(|request| request.method == method);
        of.map(|request| request.path.as_str())
            .filter(|path| path.starts_with("index/") || path.starts_with("data/"))
            .filter(|path| !path.ends_with('/'))
            .collect()
    };
    let (mut fetched, mut written) = (of("GET"), of("POST"));
    let fetches = fetched.len();
    fetched.sort_unstable();
    fetched.dedup();
    assert_eq!(fetches, fetched.len(), "nothing is fetched twice: {asked:?}");
    written.sort_unstable();
    // What this save wrote is read back from the server; of the packs only those of folders.
    assert!(
        !fetched.is_empty() && fetched.iter().all(|path| written.contains(path)),
        "{asked:?}"
    );
    assert!(fetched.iter().any(|path| path.starts_with("index/")), "{asked:?}");
    assert!(fetched.iter().any(|path| path.starts_with("data/")), "{asked:?}");

    // A copy that was harmed is none.
    for copy in std::fs::read_dir(sandbox.work_dir().join("kept")).unwrap() {
        std::fs::write(copy.unwrap().path(), "harmed").unwrap();
    }
    std::fs::write(sandbox.at("folder-8/file"), "changed").unwrap();
    let third = sandbox.save(Some(second.snapshot));
    let disk = sandbox.restored(third.snapshot).unwrap();
    assert_eq!(
        std::fs::read(disk.path().join("home/folder-8/file")).unwrap(),
        b"changed"
    );
}
