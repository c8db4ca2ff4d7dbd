//! A repository that fails, and one that was tampered with.

mod support;

use axum::http::Method;
use molt_snapshots::order::{Outcome, Work};
use support::server::Fault;
use support::{Sandbox, carry_out, tree};

fn filled() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(9_000_000)
    .collect();
    std::fs::create_dir(sandbox.at("folder")).unwrap();
    for (number, part) in noise.chunks(1_500_000).enumerate() {
        std::fs::write(sandbox.at(&format!("folder/{number}")), part).unwrap();
    }
    sandbox
}

#[test]
fn faults_on_the_way_are_got_over() {
    let sandbox = filled();
    for (method, path) in [
        (Method::HEAD, "config"),
        (Method::POST, "config"),
        (Method::POST, "data/"),
        (Method::POST, "index/"),
        (Method::POST, "snapshots/"),
    ] {
        sandbox.server.fail(method.clone(), path, Fault::Broken, 1);
        sandbox.server.fail(method, path, Fault::Drops, 1);
    }
    for path in ["config", "data/", "index/", "snapshots/"] {
        sandbox.server.fail(Method::GET, path, Fault::Broken, 1);
        sandbox.server.fail(Method::GET, path, Fault::Drops, 2);
    }
    let manifest = sandbox.save(None);
    sandbox.server.fail(Method::GET, "data/", Fault::Drops, 2);
    let disk = sandbox.restored(manifest.snapshot).unwrap();
    tree::assert_same(&tree::read(&sandbox.home()), &tree::read(&disk.path().join("home")));
}

#[test]
fn a_repository_that_stays_broken_fails_the_save_and_nothing_else() {
    let sandbox = filled();
    let first = sandbox.save(None);
    std::fs::write(sandbox.at("more"), vec![7; 100]).unwrap();
    sandbox.server.fail(Method::POST, "data/", Fault::Broken, usize::MAX);
    let (error, transient) = sandbox.save_on(Some(first.snapshot)).unwrap_err();
    assert!(transient && error.contains("pack "), "{error}");
    assert_eq!(sandbox.server.objects("snapshots").len(), 1);
    sandbox.server.heal();
    assert!(matches!(
        sandbox.save_on(Some(first.snapshot)).unwrap(),
        Outcome::Saved { .. }
    ));
    sandbox.restored(first.snapshot).unwrap();
}

#[test]
fn a_pack_that_is_missing_cut_changed_or_swapped_is_named_and_nothing_is_restored() {
    type Harm = fn(&std::path::Path, &std::path::Path);
    let harms: [(&str, Harm); 4] = [
        ("missing", |pack, _| std::fs::remove_file(pack).unwrap()),
        ("corrupt", |pack, _| {
            std::fs::File::options()
                .write(true)
                .open(pack)
                .unwrap()
                .set_len(1000)
                .unwrap()
        }),
        ("corrupt", |pack, _| {
            let mut bytes = std::fs::read(pack).unwrap();
            bytes[500] ^= 1;
            std::fs::write(pack, bytes).unwrap();
        }),
        ("corrupt", |pack, other| {
            std::fs::copy(other, pack).unwrap();
        }),
    ];
    let sandbox = filled();
    let manifest = sandbox.save(None);
    let packs = sandbox.server.objects("data");
    assert!(packs.len() >= 3, "{packs:?}");
    for (what, harm) in harms {
        for (number, pack) in packs.iter().enumerate() {
            let whole = std::fs::read(pack).unwrap();
            harm(pack, &packs[(number + 1) % packs.len()]);
            let (error, transient) = sandbox.restored(manifest.snapshot).unwrap_err();
            let name = pack.file_name().unwrap().to_str().unwrap();
            assert!(
                !transient && error.contains(name) && error.contains(what),
                "{what}: {error}"
            );
            std::fs::write(pack, whole).unwrap();
        }
    }
    for kind in ["index", "snapshots"] {
        let [object] = &sandbox.server.objects(kind)[..] else {
            panic!()
        };
        let whole = std::fs::read(object).unwrap();
        std::fs::write(object, &whole[..whole.len() - 1]).unwrap();
        let (error, _) = sandbox.restored(manifest.snapshot).unwrap_err();
        assert!(
            error.contains(object.file_name().unwrap().to_str().unwrap()),
            "{kind}: {error}"
        );
        std::fs::write(object, whole).unwrap();
    }
    sandbox.restored(manifest.snapshot).unwrap();
}

#[test]
fn a_save_that_the_repository_lost_something_of_is_not_reported_as_saved() {
    let sandbox = filled();
    let first = sandbox.save(None);
    std::fs::remove_file(&sandbox.server.objects("data")[0]).unwrap();
    std::fs::write(sandbox.at("more"), b"more").unwrap();
    let (error, transient) = sandbox.save_on(Some(first.snapshot)).unwrap_err();
    assert!(!transient && error.contains("missing"), "{error}");
}

#[test]
fn a_home_that_is_not_empty_is_left_alone() {
    let sandbox = filled();
    let manifest = sandbox.save(None);
    let before = tree::read(&sandbox.home());
    let (error, _) = sandbox
        .run(Work::Restore {
            snapshot: manifest.snapshot,
        })
        .unwrap_err();
    assert!(error.contains("not empty") && error.contains("folder/0"), "{error}");
    tree::assert_same(&before, &tree::read(&sandbox.home()));
}

#[test]
fn what_an_image_brings_does_not_stop_a_restore_and_does_not_stay() {
    let sandbox = filled();
    let manifest = sandbox.save(None);
    let before = tree::read(&sandbox.home());
    std::fs::remove_dir_all(sandbox.home()).unwrap();
    std::fs::create_dir_all(sandbox.at("workspace/empty")).unwrap();
    for entry in std::fs::read_dir("/etc/skel").unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), sandbox.home().join(entry.file_name())).unwrap();
    }
    sandbox
        .run(Work::Restore {
            snapshot: manifest.snapshot,
        })
        .unwrap();
    tree::assert_same(&before, &tree::read(&sandbox.home()));
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let sandbox = filled();
    let manifest = sandbox.save(None);
    let disk = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "none"])
        .arg(disk.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: nothing may be mounted here");
        return;
    }
    let mut order = sandbox.order(Work::Restore {
        snapshot: manifest.snapshot,
    });
    order.home = disk.path().join("home");
    order.work_dir = disk.path().join("work");
    std::fs::create_dir(&order.home).unwrap();
    let outcome = carry_out(order.clone());
    let left = std::fs::read_dir(&order.home).unwrap().count();
    assert!(
        std::process::Command::new("umount")
            .arg(disk.path())
            .status()
            .unwrap()
            .success()
    );
    let (error, _) = outcome.unwrap_err();
    assert!(error.contains("disk is full"), "{error}");
    assert_eq!(left, 0);
}

#[test]
fn another_key_a_wrong_token_and_no_repository_are_told_apart() {
    let sandbox = Sandbox::new();
    let (error, _) = sandbox.restored("0".repeat(64).try_into().unwrap()).unwrap_err();
    assert!(error.contains("never begun"), "{error}");
    let manifest = sandbox.save(None);
    let restore = Work::Restore {
        snapshot: manifest.snapshot,
    };
    let mut order = sandbox.order(restore.clone());
    order.repository.token = "another".to_owned();
    let (error, transient) = carry_out(order).unwrap_err();
    assert!(
        !transient && error.contains("status 401") && !error.contains("another"),
        "{error}"
    );
    let mut order = sandbox.order(restore);
    order.repository.key = serde_json::to_string(&rustic_core::repofile::MasterKey::new()).unwrap();
    let (error, _) = carry_out(order).unwrap_err();
    assert!(error.contains("cannot be opened with its key"), "{error}");
}
