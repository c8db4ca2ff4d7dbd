//! What was saved is what is restored.

mod support;

use molt_snapshots::order::Outcome;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use support::{Sandbox, tree};

/// Everything odd that a home may hold.
fn fill(sandbox: &Sandbox) {
    let home = sandbox.home();
    std::fs::create_dir_all(home.join("work/.git/refs")).unwrap();
    std::fs::write(home.join("work/.git/index.lock"), b"lock").unwrap();
    std::fs::write(home.join("work/app.log"), b"log\n").unwrap();
    std::fs::write(home.join("empty"), b"").unwrap();
    std::fs::write(
        home.join("large"),
        (0..6_000_000_u32)
            .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect::<Vec<u8>>(),
    )
    .unwrap();
    std::fs::write(home.join("new\nline \"quoted\" \\ back"), b"odd").unwrap();
    std::fs::write(home.join(OsStr::from_bytes(b"not \xff\xfe utf-8")), b"odder").unwrap();
    std::fs::write(home.join("n".repeat(255)), b"long").unwrap();
    std::fs::set_permissions(home.join("empty"), std::fs::Permissions::from_mode(0o4711)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", home.join("outside")).unwrap();
    std::os::unix::fs::symlink(OsStr::from_bytes(b"nowhere\xff"), home.join("dangling")).unwrap();
    std::os::unix::fs::symlink("/etc", home.join("folder-outside")).unwrap();
    std::fs::hard_link(home.join("work/app.log"), home.join("same.log")).unwrap();
    std::os::unix::fs::chown(home.join("work"), Some(1000), Some(1001)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        home.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    drop(UnixListener::bind(home.join("socket")).unwrap());
    let sparse = std::fs::File::create(home.join("sparse")).unwrap();
    sparse.set_len(50_000_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", 49_999_000).unwrap();
    std::fs::create_dir_all(home.join(".cache/pip")).unwrap();
    std::fs::write(home.join(".cache/pip/wheel"), b"again").unwrap();
    let deep: std::path::PathBuf = std::iter::repeat_n("d".repeat(200), 15).collect();
    std::fs::create_dir_all(home.join(&deep)).unwrap();
    std::fs::write(home.join(&deep).join("deepest"), b"deep").unwrap();
}

#[test]
fn a_home_comes_back_as_it_was() {
    let sandbox = Sandbox::new();
    fill(&sandbox);
    let manifest = sandbox.save(None);
    assert_eq!(manifest.unreadable_count, 0, "{:?}", manifest.unreadable);
    assert!(
        manifest.packs.iter().all(|pack| pack.size <= 8 * 1024 * 1024 + 4096),
        "{:?}",
        manifest.packs
    );
    for request in sandbox
        .server
        .take_requests()
        .iter()
        .filter(|request| request.method == "POST")
    {
        assert_eq!(request.declared, Some(request.received), "{request:?}");
    }

    let restored = sandbox.restored(manifest.snapshot).unwrap();
    let mut before = tree::read(&sandbox.home());
    before.retain(|path, _| !path.starts_with(".cache"));
    let after = tree::read(&restored.path().join("home"));
    assert_eq!(
        after.values().filter(|entry| entry.kind == "file").count() as u64,
        manifest.files
    );
    tree::assert_same(&before, &after);
    let blocks =
        std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(restored.path().join("home/sparse")).unwrap());
    assert!(blocks * 512 < 8_000_000, "holes were filled: {blocks} blocks");
}

#[test]
fn what_did_not_change_is_not_saved_again() {
    let sandbox = Sandbox::new();
    fill(&sandbox);
    let first = sandbox.save(None);
    sandbox.server.take_requests();
    assert_eq!(
        sandbox.save_on(Some(first.snapshot)).unwrap(),
        Outcome::Unchanged {
            snapshot: first.snapshot
        }
    );
    assert!(
        sandbox
            .server
            .take_requests()
            .iter()
            .all(|request| request.method != "POST")
    );
    assert_eq!(sandbox.server.objects("snapshots").len(), 1);

    std::fs::write(sandbox.at("work/more"), b"more").unwrap();
    let second = sandbox.save(Some(first.snapshot));
    assert_eq!(second.parent, Some(first.snapshot));
    assert!(second.added_bytes < 20_000, "{}", second.added_bytes);
}
