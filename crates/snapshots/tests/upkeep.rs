//! Verifying, comparing, putting back, pruning.

mod support;

use molt_common::control::snapshot::{Difference, DifferenceKind, Upkeep};
use molt_common::snapshot::{SnapshotId, Verification};
use molt_snapshots::order::Outcome;
use std::time::Duration;
use support::{Sandbox, tree};

fn filled() -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.at("docs/deep")).unwrap();
    for number in 0..40_u32 {
        std::fs::write(sandbox.at(&format!("docs/{number}")), number.to_string().repeat(30_000)).unwrap();
    }
    std::fs::write(sandbox.at("docs/deep/note"), b"first").unwrap();
    sandbox
}

fn verify(sandbox: &Sandbox, snapshot: SnapshotId, full: bool) -> Verification {
    let Outcome::Verified { verification } = sandbox.upkeep(Upkeep::Verify { snapshot, full }).unwrap() else {
        panic!()
    };
    assert_eq!(verification.full, full);
    verification
}

#[test]
fn a_whole_snapshot_is_found_whole_and_a_harmed_one_is_not() {
    let sandbox = filled();
    let manifest = sandbox.save(None);
    let full = verify(&sandbox, manifest.snapshot, true);
    assert!(full.ok && full.faults.is_empty(), "{full:?}");
    assert_eq!((full.compared_files, full.read_bytes), (41, manifest.bytes));
    let sampled = verify(&sandbox, manifest.snapshot, false);
    assert!(sampled.ok && sampled.compared_files == 20, "{sampled:?}");

    for pack in sandbox.server.objects("data") {
        let name = pack.file_name().unwrap().to_str().unwrap().to_owned();
        let whole = std::fs::read(&pack).unwrap();
        let mut changed = whole.clone();
        changed[100] ^= 1;
        let cut = Some(whole[..whole.len() / 2].to_vec());
        for (harmed, words) in [
            (None, ["missing", "missing"]),
            (Some(changed), ["corrupt", "corrupt"]),
            (cut, ["instead of", "corrupt"]),
        ] {
            match harmed {
                None => std::fs::remove_file(&pack).unwrap(),
                Some(bytes) => std::fs::write(&pack, bytes).unwrap(),
            }
            let found = verify(&sandbox, manifest.snapshot, true);
            assert!(!found.ok && found.compared_files < 41, "{found:?}");
            assert!(
                found
                    .faults
                    .iter()
                    .any(|fault| fault.contains(&name) && words.iter().any(|word| fault.contains(word))),
                "{words:?}: {found:?}"
            );
            std::fs::write(&pack, &whole).unwrap();
        }
    }
    let missing = "1".repeat(64).try_into().unwrap();
    assert!(!verify(&sandbox, missing, true).ok);
}

#[test]
fn a_comparison_names_what_a_restore_would_change() {
    let sandbox = filled();
    let manifest = sandbox.save(None);
    let compare = || {
        let Outcome::Compared { differences, count } = sandbox
            .upkeep(Upkeep::Compare {
                snapshot: manifest.snapshot,
            })
            .unwrap()
        else {
            panic!()
        };
        assert_eq!(differences.len() as u64, count);
        differences
    };
    assert_eq!(compare(), []);
    std::fs::write(sandbox.at("docs/7"), std::fs::read(sandbox.at("docs/7")).unwrap()).unwrap();
    assert_eq!(compare(), [], "the same bytes written again are no difference");
    let length = std::fs::metadata(sandbox.at("docs/8")).unwrap().len();
    std::fs::write(sandbox.at("docs/8"), vec![b'?'; usize::try_from(length).unwrap()]).unwrap();
    std::fs::remove_dir_all(sandbox.at("docs/deep")).unwrap();
    std::fs::write(sandbox.at("extra"), b"").unwrap();
    let difference = |path: &str, kind| Difference {
        path: path.to_owned(),
        kind,
    };
    assert_eq!(
        compare(),
        [
            difference("docs/8", DifferenceKind::Changed),
            difference("docs/deep", DifferenceKind::Added),
            difference("docs/deep/note", DifferenceKind::Added),
            difference("extra", DifferenceKind::Removed),
        ]
    );
}

fn put_back(
    sandbox: &Sandbox,
    snapshot: SnapshotId,
    path: &str,
    to: Option<&str>,
) -> Result<(u64, Option<String>), String> {
    match sandbox.upkeep(Upkeep::RestorePath {
        snapshot,
        path: path.to_owned(),
        to: to.map(str::to_owned),
    }) {
        Ok(Outcome::PathRestored { paths, kept_as }) => Ok((paths, kept_as)),
        Err((error, _)) => Err(error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_or_a_folder_comes_back_and_what_was_there_is_kept() {
    let sandbox = filled();
    let manifest = sandbox.save(None);
    let before = tree::read(&sandbox.at("docs"));
    std::fs::write(sandbox.at("docs/deep/note"), b"second").unwrap();

    let (paths, kept) = put_back(&sandbox, manifest.snapshot, "docs/deep/note", None).unwrap();
    assert_eq!(
        (paths, std::fs::read(sandbox.at("docs/deep/note")).unwrap()),
        (1, b"first".to_vec())
    );
    let kept = kept.unwrap();
    assert!(kept.starts_with("docs/deep/note.before-restore-"), "{kept}");
    assert_eq!(std::fs::read(sandbox.at(&kept)).unwrap(), b"second");

    let (paths, kept) = put_back(&sandbox, manifest.snapshot, "docs", Some("elsewhere/below")).unwrap();
    assert_eq!((paths, kept), (43, None));
    tree::assert_same(&before, &tree::read(&sandbox.at("elsewhere/below")));
    assert_eq!(
        std::fs::read_dir(sandbox.work_dir().join("staging")).unwrap().count(),
        0
    );
}

#[test]
fn nothing_is_put_through_a_link_or_out_of_the_home() {
    let sandbox = filled();
    let manifest = sandbox.save(None);
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir(outside.path().join("deep")).unwrap();
    std::fs::rename(sandbox.at("docs"), sandbox.at("old")).unwrap();
    std::os::unix::fs::symlink(outside.path(), sandbox.at("docs")).unwrap();
    for (path, to) in [
        ("docs/deep/note", None),
        ("docs/1", Some("docs/new/1")),
        ("docs/1", Some("../1")),
        ("docs/1", Some("/tmp/1")),
        ("docs/1", Some("old/../../1")),
        ("docs/1", Some("")),
        ("../1", Some("1")),
        ("docs/nothing", Some("1")),
        ("", None),
    ] {
        let error = put_back(&sandbox, manifest.snapshot, path, to).unwrap_err();
        assert!(
            ["no path below", "no folder", "does not have"]
                .iter()
                .any(|text| error.contains(text)),
            "{path} {to:?}: {error}"
        );
    }
    assert_eq!(tree::read(outside.path()).len(), 1);
    // A link at the very place is kept aside, not followed.
    let (_, kept) = put_back(&sandbox, manifest.snapshot, "docs", None).unwrap();
    assert!(
        std::fs::symlink_metadata(sandbox.at(&kept.unwrap()))
            .unwrap()
            .is_symlink()
    );
    assert!(std::fs::symlink_metadata(sandbox.at("docs")).unwrap().is_dir());
    assert_eq!(tree::read(outside.path()).len(), 1);
}

#[test]
fn pruning_removes_what_was_marked_before_and_keeps_what_is_to_be_kept() {
    let sandbox = filled();
    let noise = |seed: u64| {
        (0..400_000_u64)
            .flat_map(|number| (number ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let mut snapshots = Vec::new();
    for seed in 0..4 {
        std::fs::write(sandbox.at("changes"), noise(seed * 1_000_000)).unwrap();
        snapshots.push((
            sandbox.save(snapshots.last().map(|(id, _)| *id)).snapshot,
            tree::read(&sandbox.home()),
        ));
    }
    let (kept, gone) = (&snapshots[1..3], [&snapshots[0], &snapshots[3]]);
    let keep: Vec<SnapshotId> = kept.iter().map(|(id, _)| *id).collect();
    let size = || {
        sandbox
            .server
            .objects("data")
            .iter()
            .map(|pack| pack.metadata().unwrap().len())
            .sum::<u64>()
    };
    let before = size();
    let Outcome::Pruned { removed_objects, .. } = sandbox.upkeep(Upkeep::Prune { keep: keep.clone() }).unwrap() else {
        panic!()
    };
    assert!(removed_objects >= 2);
    assert!(size() >= before, "nothing that was needed a moment ago goes at once");
    let access = sandbox
        .order(molt_snapshots::order::Work::Upkeep {
            upkeep: Upkeep::Prune { keep: keep.clone() },
        })
        .repository;
    // Marked in one second, removed in a later one.
    let removed = molt_snapshots::prune(&access, &keep, Duration::ZERO).unwrap();
    assert!(
        removed.bytes > 4_000_000 && size() + 4_000_000 < before,
        "{removed:?} {} {before}",
        size()
    );
    for (id, tree_then) in kept {
        tree::assert_same(
            tree_then,
            &tree::read(&sandbox.restored(*id).unwrap().path().join("home")),
        );
    }
    for (id, _) in gone {
        assert!(sandbox.restored(*id).unwrap_err().0.contains("missing"));
    }
    // The repository goes on.
    let next = sandbox.save(Some(keep[1]));
    tree::assert_same(
        &tree::read(&sandbox.home()),
        &tree::read(&sandbox.restored(next.snapshot).unwrap().path().join("home")),
    );
}

#[test]
fn a_prune_that_would_lose_something_removes_nothing() {
    let sandbox = filled();
    let first = sandbox.save(None).snapshot;
    let count = || ["data", "index", "snapshots"].map(|kind| sandbox.server.objects(kind).len());
    let before = count();
    for keep in [vec![], vec![first, "2".repeat(64).try_into().unwrap()]] {
        let (error, _) = sandbox.upkeep(Upkeep::Prune { keep }).unwrap_err();
        assert!(error.contains("nothing was removed"), "{error}");
    }
    assert_eq!(count(), before);
}
